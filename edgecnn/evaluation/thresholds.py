"""The score from which on a class's boxes are shown, chosen on validation images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.matching import ClassTable, Floats, ImageResult, class_table

#: The thresholds that are compared: steps of one percent, as a person would set them.
GRID = np.arange(5, 96) / 100
_AT_50 = np.array([0.5])


def operating_point(table: ClassTable, threshold: float) -> dict[str, float | None]:
    """Precision, recall and F1 of one class where boxes from ``threshold`` on are shown.

    By the table's first IoU threshold; None where nothing is shown, or nothing is to be found.
    """
    right, shown = _counts(table, np.array([threshold]))
    wanted = int(table.truths.sum())
    total = int(shown[0]) + wanted
    return {
        "precision": float(right[0] / shown[0]) if shown[0] else None,
        "recall": float(right[0] / wanted) if wanted else None,
        "f1": float(2.0 * right[0] / total) if total else None,
    }


def f1_curve(table: ClassTable, grid: Floats = GRID) -> Floats:
    """F1 of one class at each score threshold, by the table's first IoU threshold.

    F1 = 2·right / (shown + to be found); a box that matches an ignored one is not counted as shown.

    Returns:
        float64 (grid,); 0 where nothing is shown.
    """
    right, shown = _counts(table, grid)
    total = shown + int(table.truths.sum())
    return np.divide(2.0 * right, total, out=np.zeros(len(grid)), where=total > 0)


def _counts(table: ClassTable, grid: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many boxes are right, and how many are shown, at each score threshold."""
    counts = ~table.ignored[0]
    scores = table.scores[counts]  # falling
    right = np.concatenate([[0], np.cumsum(table.hits[0][counts])])
    shown = np.searchsorted(-scores, -np.asarray(grid, np.float32), side="right")
    return right[shown], shown


def best_thresholds(
    results: Sequence[ImageResult], labels: Sequence[str], fallback: float
) -> tuple[float, ...]:
    """The score threshold of each class with the best F1 at IoU 0.5.

    Equal F1 over a range of scores gives the middle of the widest range, the place that small
    changes of the scores (quantization) move least.

    Args:
        results: of validation images, decoded at a low threshold (at most 0.05).
        labels: class names.
        fallback: for a class without boxes in ``results``, or of which nothing was found.

    Returns:
        One per label, in steps of 0.01 from 0.05 to 0.95.
    """
    chosen = []
    for which in range(len(labels)):
        values = f1_curve(class_table(results, which, _AT_50)) if results else np.zeros(1)
        if not values.max():
            chosen.append(float(fallback))
            continue
        at = np.flatnonzero(values >= values.max() - 1e-12)
        runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)
        widest = max(runs, key=len)
        chosen.append(float(GRID[widest[len(widest) // 2]]))
    return tuple(chosen)

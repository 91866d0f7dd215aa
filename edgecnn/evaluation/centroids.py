"""How well a model that finds points finds objects: precision, recall and F1, one point an object.

A point is right if it lies in a box of its class that no other point stands for; of all ways to
pair points and boxes, one with the most pairs counts. The interval is a bootstrap over images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Centroids
from edgecnn.core.metric import Metric

#: Of the resamples that the interval comes from.
F1_ROUNDS = 400
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PointResult:
    """What was found on one image and what is there.

    Attributes:
        found: the decoder's points, best first.
        boxes: (n, 4) x1, y1, x2, y2 of the ground truth, same pixels as ``found``.
        classes: (n,) their classes.
        ignored: bool (n,) boxes that are neither to be found nor wrong to find; None: none.
    """

    found: Centroids
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_] | None = None


def centroid_metric(
    results: Sequence[PointResult], labels: Sequence[str], *, seed: int = 0, rounds: int = F1_ROUNDS
) -> Metric:
    """F1, the mean over classes that occur, with a 95 % bootstrap interval over images.

    Args:
        results: one per image.
        labels: class names.
        seed: of the bootstrap.
        rounds: bootstrap samples.

    Returns:
        ``f1``; ``resampled`` has one value a round, the same rounds for each model measured on the
        same images. Extra: ``precision`` and ``recall`` over all objects, ``boxes`` to be found,
        ``per_class`` {label: F1 or None}, ``by_class`` {label: boxes, precision, recall, f1}.
    """
    if not results:
        return Metric("f1", 0.0, 0, 0.0, 1.0, extra={"per_class": {}, "boxes": 0})
    counts = np.stack([point_counts(result, len(labels)) for result in results])
    rng, images = np.random.default_rng(seed), len(results)
    draws = np.stack([np.bincount(rng.integers(images, size=images), minlength=images)
                      for _ in range(rounds)])  # fmt: skip
    resampled = _mean_f1(np.tensordot(draws.astype(float), counts, axes=1))
    low, high = np.percentile(resampled, (2.5, 97.5))
    whole = counts.sum(axis=0)
    by_class = {label: _figures(row) for label, row in zip(labels, whole, strict=True)}
    overall = _figures(whole.sum(axis=0))
    extra = {
        "precision": overall["precision"],
        "recall": overall["recall"],
        "boxes": overall["boxes"],
        "per_class": {label: row["f1"] for label, row in by_class.items()},
        "by_class": by_class,
    }
    value = float(_mean_f1(whole[None].astype(float))[0])
    return Metric("f1", value, images, float(low), float(high), resampled=resampled, extra=extra)


def f1_of(results: Sequence[PointResult], labels: int) -> float:
    """The mean F1 alone, for validation while training."""
    if not results:
        return 0.0
    counts = sum(point_counts(result, labels) for result in results)
    return float(_mean_f1(np.asarray(counts, float)[None])[0])


def point_counts(result: PointResult, labels: int) -> NDArray[np.int64]:
    """Right points, wrong points and missed boxes of one image: int64 (labels, 3).

    A point that no box is left for and that lies in an ignored box of its class does not count.
    """
    counts = np.zeros((labels, 3), np.int64)
    points, ignored = result.found.points, result.ignored
    passed = np.zeros(len(result.boxes), bool) if ignored is None else np.asarray(ignored, bool)
    for which in range(labels):
        mine, there = result.found.classes == which, result.classes == which
        x, y = points[mine].reshape(-1, 2).T[:, :, None]
        x1, y1, x2, y2 = result.boxes[there].reshape(-1, 4).T
        inside = (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
        excused = inside[:, passed[there]].any(axis=1)
        wanted = inside[:, ~passed[there]]
        # Those without an excuse first: a point that has been paired stays paired.
        order = np.argsort(excused, kind="stable")
        right = np.zeros(len(inside), bool)
        right[order] = most_pairs(wanted[order])
        hits = int(right.sum())
        counts[which] = hits, int((~right & ~excused).sum()), wanted.shape[1] - hits
    return counts


def most_pairs(fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows have a column in a largest one-to-one pairing; earlier rows are preferred.

    By augmenting paths (Berge 1957).

    Args:
        fits: bool (rows, columns) which may be paired.
    """
    owner = np.full(fits.shape[1], -1)
    paired = np.zeros(len(fits), bool)
    for start in range(len(fits)):
        asked_by: dict[int, int] = {}
        queue, free = [start], -1
        while queue and free < 0:
            row = queue.pop(0)
            for column in np.flatnonzero(fits[row]):
                if int(column) in asked_by:
                    continue
                asked_by[int(column)] = row
                if owner[column] < 0:
                    free = int(column)
                    break
                queue.append(int(owner[column]))
        paired[start] = free >= 0
        while free >= 0:
            row = asked_by[free]
            before = np.flatnonzero(owner == row)
            owner[free] = row
            free = int(before[0]) if len(before) else -1
    return paired


def _mean_f1(counts: Floats) -> Floats:
    """F1 of (…, classes, 3) counts, the mean over the classes with boxes: (…,)."""
    right, wrong, missed = np.moveaxis(counts, -1, 0)
    there = right + missed > 0
    total = 2 * right + wrong + missed
    f1 = np.divide(2 * right, total, out=np.zeros_like(total), where=there & (total > 0))
    classes = there.sum(axis=-1)
    return np.divide(f1.sum(axis=-1), classes, out=np.zeros(classes.shape), where=classes > 0)


def _figures(counts: NDArray[np.int64]) -> dict[str, float | int | None]:
    right, wrong, missed = (int(value) for value in counts)
    boxes = right + missed
    return {
        "boxes": boxes,
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / boxes if boxes else None,
        "f1": 2 * right / (2 * right + wrong + missed) if boxes else None,
    }


def best_point_thresholds(
    found: Mapping[float, Sequence[PointResult]], labels: int
) -> tuple[float, tuple[float, ...]]:
    """The threshold of each class with the best F1, of those that were tried.

    Cells that pass depend on a class's own threshold alone, so each class is chosen by itself. Of
    equally good thresholds it is the middle one, which small changes of the scores move least.

    Args:
        found: threshold of all classes → one result per image.
        labels: how many classes.

    Returns:
        The mean F1 of the classes that occur, and one threshold per class; the middle one of all
        for classes that do not occur.
    """
    tried = sorted(found)
    counts = np.stack(
        [sum((point_counts(item, labels) for item in found[limit]), np.zeros((labels, 3), np.int64))
         for limit in tried]
    )  # fmt: skip
    chosen, values = [], []
    for which in range(labels):
        right, wrong, missed = counts[:, which].T
        f1 = 2 * right / np.maximum(2 * right + wrong + missed, 1)
        best = np.flatnonzero(f1 == f1.max())
        chosen.append(tried[int(best[(len(best) - 1) // 2])])
        if (right + missed)[0]:
            values.append(float(f1.max()))
    return (float(np.mean(values)) if values else 0.0), tuple(chosen)

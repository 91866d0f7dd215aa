"""Average precision of a detector, by COCO's rules (Lin et al. 2014).

Matching is that of :mod:`edgecnn.evaluation.matching`; 101 recall points, at most 100 boxes per
image and class, classes without ground truth left out. The interval is a bootstrap over images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Detections
from edgecnn.core.metric import Metric
from edgecnn.evaluation.matching import (
    IOU_THRESHOLDS,
    RECALL_POINTS,
    ClassTable,
    Floats,
    ImageResult,
    class_table,
)


def average_precision(table: ClassTable, weights: Floats | None = None) -> Floats:
    """Area under the interpolated precision–recall curve.

    Args:
        table: matched candidates of one class.
        weights: float64 (images,) how often each image counts; default once.

    Returns:
        float64 (thresholds,) in [0, 1]; NaN where there is no ground truth.
    """
    count = np.ones(len(table.truths)) if weights is None else weights
    positives = float(table.truths @ count)
    if positives == 0:
        return np.full(len(table.hits), np.nan)
    per_box = count[table.image]
    true = np.cumsum(table.hits * per_box, axis=1)
    false = np.cumsum(~(table.hits | table.ignored) * per_box, axis=1)
    precision = true / (true + false + np.spacing(1.0))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    at = [np.searchsorted(row / positives, RECALL_POINTS, side="left") for row in true]
    return np.array([row[where].mean() for row, where in zip(padded, at, strict=True)])


def detection_metric(
    results: Sequence[ImageResult],
    labels: Sequence[str],
    *,
    seed: int = 0,
    rounds: int = 200,
) -> Metric:
    """mAP@0.5 with a 95 % bootstrap interval over images.

    Args:
        results: one per image.
        labels: class names.
        seed: of the bootstrap.
        rounds: bootstrap samples.

    Returns:
        ``map50``; extra: ``map5095``, ``per_class`` {label: AP at 0.5 or None}, ``boxes``.
    """
    if not results:
        return Metric(
            "map50", 0.0, 0, 0.0, 1.0, extra={"map5095": 0.0, "per_class": {}, "boxes": 0}
        )
    tables = [class_table(results, which, IOU_THRESHOLDS) for which in range(len(labels))]
    values = np.stack([average_precision(table) for table in tables])
    at50 = [None if np.isnan(row[0]) else float(row[0]) for row in values]
    low, high = _bootstrap(tables, len(results), seed, rounds)
    return Metric(
        "map50",
        _mean(values[:, 0]),
        len(results),
        low,
        high,
        extra={
            "map5095": _mean(values),
            "per_class": dict(zip(labels, at50, strict=True)),
            "boxes": int(sum((~result.uncounted).sum() for result in results)),
        },
    )


def map50(
    found: Sequence[Detections],
    boxes: Sequence[NDArray[np.float32]],
    classes: Sequence[NDArray[np.int64]],
) -> float:
    """mAP@0.5 alone, for validation while training; lists with one entry per image."""
    results = [ImageResult(*item) for item in zip(found, boxes, classes, strict=True)]
    known = sorted({int(which) for item in classes for which in item})
    first = IOU_THRESHOLDS[:1]
    values = [average_precision(class_table(results, which, first)) for which in known]
    return _mean(np.concatenate(values)) if values else 0.0


def _bootstrap(
    tables: Sequence[ClassTable], images: int, seed: int, rounds: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    first = [table.at_first_threshold() for table in tables]
    means = []
    for _ in range(rounds):
        counts = np.bincount(rng.integers(images, size=images), minlength=images).astype(float)
        means.append(_mean(np.concatenate([average_precision(table, counts) for table in first])))
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def _mean(values: Floats) -> float:
    """Mean over what is not NaN; 0.0 where all is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0

"""Average precision of a detector, by COCO's rules (Lin et al. 2014).

Greedy matching per image and class in score order, 101 recall points, at most 100 boxes per image
and class, classes without ground truth left out. The interval is a bootstrap over images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Detections
from edgecnn.core.metric import Metric

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ImageResult:
    """What was found on one image and what is there.

    Attributes:
        found: the decoder's boxes, best first.
        boxes: (n, 4) x1, y1, x2, y2 of the ground truth, same pixels as ``found``.
        classes: (n,) their classes.
    """

    found: Detections
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class ClassTable:
    """Every candidate of one class over all images, by falling score.

    Attributes:
        image: int64 (n,) which image it is on.
        hits: bool (thresholds, n): it matched a ground truth box.
        truths: int64 (images,) ground truth boxes per image.
    """

    image: NDArray[np.int64]
    hits: NDArray[np.bool_]
    truths: NDArray[np.int64]


def iou_matrix(a: NDArray[np.floating], b: NDArray[np.floating]) -> Floats:
    """Intersection over union of (n, 4) and (m, 4) boxes x1, y1, x2, y2: float64 (n, m)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0.0, None).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    union = area_a[:, None] + area_b[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def match(ious: Floats, thresholds: Floats) -> NDArray[np.bool_]:
    """Matches candidates (rows, best first) to ground truth (columns), each column once.

    A candidate takes the free box it overlaps most, the last one among equals, as COCO does.

    Returns:
        bool (thresholds, candidates).
    """
    found, truths = ious.shape
    hits = np.zeros((len(thresholds), found), bool)
    if not truths:
        return hits
    limit = np.minimum(thresholds, 1.0 - 1e-10)
    free = np.ones((len(thresholds), truths), bool)
    rows = np.arange(len(thresholds))
    for index in range(found):
        overlap = np.where(free, ious[index], -1.0)
        best = truths - 1 - np.argmax(overlap[:, ::-1], axis=1)
        hit = overlap[rows, best] >= limit
        hits[:, index] = hit
        free[rows[hit], best[hit]] = False
    return hits


def class_table(results: Sequence[ImageResult], which: int, thresholds: Floats) -> ClassTable:
    """Gathers and matches all candidates of class ``which``."""
    images, scores, hits = [], [], []
    truths = np.zeros(len(results), np.int64)
    for index, result in enumerate(results):
        wanted = result.boxes[result.classes == which]
        truths[index] = len(wanted)
        chosen = np.flatnonzero(result.found.classes == which)
        score = result.found.scores[chosen]
        order = np.argsort(-score, kind="stable")[:MAX_DETECTIONS]
        chosen, score = chosen[order], score[order]
        images.append(np.full(len(chosen), index, np.int64))
        scores.append(score)
        hits.append(match(iou_matrix(result.found.boxes[chosen], wanted), thresholds))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return ClassTable(np.concatenate(images)[order], np.concatenate(hits, axis=1)[:, order], truths)


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
    false = np.cumsum(~table.hits * per_box, axis=1)
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
            "boxes": int(sum(len(result.boxes) for result in results)),
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
    first = [ClassTable(table.image, table.hits[:1], table.truths) for table in tables]
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

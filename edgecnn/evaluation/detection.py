"""Average precision and recall of a detector, by COCO's rules (Lin et al. 2014).

Matching is that of :mod:`edgecnn.evaluation.matching`; 101 recall points, at most 100 boxes per
image and class, classes without ground truth left out. The interval is a bootstrap over images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecnn.core.metric import Metric
from edgecnn.evaluation.matching import (
    AREAS,
    IOU_THRESHOLDS,
    RECALL_POINTS,
    ClassTable,
    Floats,
    ImageResult,
    class_table,
    class_tables,
)
from edgecnn.evaluation.mistakes import confusion_with_background, count_kinds, judge_image
from edgecnn.evaluation.thresholds import operating_point

#: Of the resamples that the interval comes from.
ROUNDS = 400
_AT_75 = 5
_AVERAGE_RECALLS = (1, 10, 100)
# Numbers that the bootstrap holds at a time.
_BATCH = 2_000_000


def precision_curve(table: ClassTable, weights: Floats | None = None) -> Floats:
    """Interpolated precision at the 101 recall points.

    Args:
        table: matched candidates of one class.
        weights: float64 (images,) how often each image counts; default once.

    Returns:
        float64 (thresholds, 101) in [0, 1]; NaN where there is no ground truth.
    """
    count = np.ones(len(table.truths)) if weights is None else weights
    positives = float(table.truths @ count)
    if positives == 0:
        return np.full((len(table.hits), len(RECALL_POINTS)), np.nan)
    per_box = count[table.image]
    true = np.cumsum(table.hits * per_box, axis=1)
    false = np.cumsum(~(table.hits | table.ignored) * per_box, axis=1)
    precision = true / (true + false + np.spacing(1.0))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    at = [np.searchsorted(row / positives, RECALL_POINTS, side="left") for row in true]
    return np.array([row[where] for row, where in zip(padded, at, strict=True)])


def average_precision(table: ClassTable, weights: Floats | None = None) -> Floats:
    """Area under :func:`precision_curve`: float64 (thresholds,); NaN without ground truth."""
    return precision_curve(table, weights).mean(axis=1)


def average_recall(table: ClassTable, most: int) -> float:
    """Recall with the best ``most`` boxes an image, mean over the IoU thresholds.

    NaN where there is no ground truth.
    """
    positives = int(table.truths.sum())
    if positives == 0:
        return float("nan")
    return float(table.hits[:, table.rank < most].sum(axis=1).mean() / positives)


def detection_metric(
    results: Sequence[ImageResult],
    labels: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Metric:
    """mAP@0.5 with a 95 % bootstrap interval over images, and what it is made of.

    Args:
        results: one per image.
        labels: class names.
        thresholds: the score threshold of each class that the detector is used with; None: what
            depends on one is left out.
        seed: of the bootstrap.
        rounds: bootstrap samples.

    Returns:
        ``map50``; ``resampled`` has one value a round, the same rounds for each model measured on
        the same images. Extra: ``map5095``, ``map75``, ``ar1``, ``ar10``, ``ar100`` (recall with so
        many boxes an image and class), ``per_class`` {label: AP at 0.5 or None}, ``boxes``,
        ``ignored``, ``areas`` {name: boxes, map50, map5095, ar100}, ``by_class`` {label: boxes,
        ap50, ap5095, ar100 and, with thresholds, threshold, precision, recall, f1}, ``curves``
        {label: precision at 101 recalls at IoU 0.5}, and with thresholds ``confusion`` (rows true,
        columns shown, background last) and ``mistakes`` {kind: count}, both at these thresholds.
    """
    if not results:
        nothing = {"map5095": 0.0, "per_class": {}, "boxes": 0}
        return Metric("map50", 0.0, 0, 0.0, 1.0, extra=nothing)
    ranges = list(AREAS.values())
    per_class = [
        class_tables(results, which, IOU_THRESHOLDS, ranges) for which in range(len(labels))
    ]
    tables = [row[0] for row in per_class]
    curves = np.stack([precision_curve(table) for table in tables])
    resampled = resampled_map50(tables, len(results), seed, rounds)
    low, high = np.percentile(resampled, (2.5, 97.5))
    extra = _overall(tables, curves, results)
    by_size = zip(AREAS, zip(*per_class, strict=True), strict=True)
    extra["areas"] = {name: _area_figures(row) for name, row in by_size if name != "all"}
    extra |= _by_label(tables, curves, labels, thresholds)
    if thresholds is not None:
        judged = [judge_image(result, thresholds) for result in results]
        extra["confusion"] = confusion_with_background(results, judged, len(labels)).tolist()
        extra["mistakes"] = count_kinds(judged)
    value, interval = _mean(curves[:, 0].mean(axis=1)), (float(low), float(high))
    return Metric("map50", value, len(results), *interval, resampled=resampled, extra=extra)


def mean_precisions(results: Sequence[ImageResult]) -> tuple[float, float]:
    """mAP@0.5 and mAP@0.5:0.95 alone, of the classes that there are; 0 where there are none."""
    known = sorted({int(which) for result in results for which in result.classes})
    if not known:
        return 0.0, 0.0
    tables = (class_table(results, which, IOU_THRESHOLDS) for which in known)
    values = np.stack([average_precision(table) for table in tables])
    return _mean(values[:, 0]), _mean(values)


def resampled_map50(
    tables: Sequence[ClassTable], images: int, seed: int = 0, rounds: int = ROUNDS
) -> Floats:
    """mAP@0.5 on resamples of the images (Efron and Tibshirani 1993): float64 (rounds,).

    The resamples depend on the number of images and on ``seed`` alone, so that the difference of
    two models' values is a paired one.
    """
    rng = np.random.default_rng(seed)
    most = max(1, *(len(table.image) for table in tables), images)
    batch = max(1, _BATCH // most)
    means: list[float] = []
    for start in range(0, rounds, batch):
        draws = [
            rng.integers(images, size=images) for _ in range(start, min(start + batch, rounds))
        ]
        counts = np.stack([np.bincount(draw, minlength=images) for draw in draws]).astype(float)
        values = np.stack([_resampled_precision(table, counts) for table in tables])
        means += [_mean(column) for column in values.T]
    return np.array(means)


def _resampled_precision(table: ClassTable, counts: Floats) -> Floats:
    """AP by the first IoU threshold for each row of ``counts`` (rounds, images).

    Precision is looked at where a box was found alone: between two of them it only falls.
    """
    hits, wrong = table.hits[0], ~(table.hits[0] | table.ignored[0])
    positives = counts @ table.truths
    at = np.flatnonzero(hits)
    if not len(at):
        return np.where(positives > 0, 0.0, np.nan)
    per_box = counts[:, table.image]
    false = np.cumsum(per_box * wrong, axis=1)[:, at]
    true = np.cumsum(per_box[:, at], axis=1)
    precision = true / (true + false + np.spacing(1.0))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.pad(envelope, ((0, 0), (0, 1)))
    means = np.full(len(counts), np.nan)
    for place in np.flatnonzero(positives > 0):
        reached = np.searchsorted(true[place] / positives[place], RECALL_POINTS, side="left")
        means[place] = padded[place, reached].mean()
    return means


def _overall(
    tables: Sequence[ClassTable], curves: Floats, results: Sequence[ImageResult]
) -> dict[str, Any]:
    """Figures over all classes; ``curves`` is (classes, thresholds, recalls)."""
    values = curves.mean(axis=2)
    return {
        "map5095": _mean(values),
        "map75": _mean(values[:, _AT_75]),
        **{f"ar{most}": _mean(_recalls(tables, most)) for most in _AVERAGE_RECALLS},
        "boxes": int(sum((~result.uncounted).sum() for result in results)),
        "ignored": int(sum(result.uncounted.sum() for result in results)),
    }


def _by_label(
    tables: Sequence[ClassTable],
    curves: Floats,
    labels: Sequence[str],
    thresholds: Sequence[float] | None,
) -> dict[str, Any]:
    """Figures and precision-recall curves of each class."""
    found: dict[str, dict[str, Any]] = {"per_class": {}, "by_class": {}, "curves": {}}
    for which, (label, table, curve) in enumerate(zip(labels, tables, curves, strict=True)):
        limit = None if thresholds is None else thresholds[which]
        figures = _class_figures(table, curve.mean(axis=1), limit)
        found["per_class"][label] = figures["ap50"]
        found["by_class"][label] = figures
        points = [] if figures["ap50"] is None else curve[0]
        found["curves"][label] = [round(float(point), 4) for point in points]
    return found


def _recalls(tables: Sequence[ClassTable], most: int) -> Floats:
    return np.array([average_recall(table, most) for table in tables])


def _area_figures(tables: Sequence[ClassTable]) -> dict[str, Any]:
    """Figures of the boxes of one range of sizes; None where there are none."""
    boxes = int(sum(table.truths.sum() for table in tables))
    if not boxes:
        return {"boxes": 0, "map50": None, "map5095": None, "ar100": None}
    values = np.stack([average_precision(table) for table in tables])
    return {
        "boxes": boxes,
        "map50": _mean(values[:, 0]),
        "map5095": _mean(values),
        "ar100": _mean(_recalls(tables, 100)),
    }


def _class_figures(table: ClassTable, values: Floats, threshold: float | None) -> dict[str, Any]:
    """One class's figures; ``values`` are its AP per IoU threshold."""
    boxes = int(table.truths.sum())
    figures: dict[str, Any] = {
        "boxes": boxes,
        "ap50": float(values[0]) if boxes else None,
        "ap5095": float(values.mean()) if boxes else None,
        "ar100": average_recall(table, 100) if boxes else None,
    }
    if threshold is not None:
        figures |= {"threshold": float(threshold), **operating_point(table, threshold)}
    return figures


def _mean(values: Floats) -> float:
    """Mean over what is not NaN; 0.0 where all is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0

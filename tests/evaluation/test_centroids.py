"""Points in boxes, one to one: against SciPy's assignment and counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import f1_score

from edgecnn.core.detections import Centroids
from edgecnn.evaluation.centroids import (
    PointResult,
    best_point_thresholds,
    centroid_metric,
    f1_of,
    most_pairs,
    point_counts,
)


def found(points: list[tuple[float, float]], classes: list[int]) -> Centroids:
    at = np.float32(points).reshape(-1, 2)
    scores = np.linspace(0.9, 0.5, len(at)).astype(np.float32)
    return Centroids(at, np.concatenate([at - 4, at + 4], 1), scores, np.array(classes, np.int64))


def result(points, classes, boxes, truth, ignored=None) -> PointResult:
    given = np.float32(boxes).reshape(-1, 4)
    flags = None if ignored is None else np.array(ignored, bool)
    return PointResult(found(points, classes), given, np.array(truth, np.int64), flags)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_pairing_is_larger(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fits = rng.random(rng.integers(0, 9, 2)) < rng.choice([0.1, 0.3, 0.7])
    rows, cols = linear_sum_assignment(fits.astype(int), maximize=True)
    paired = most_pairs(fits)
    assert paired.sum() == fits[rows, cols].sum()
    for row in np.flatnonzero(~paired):  # an earlier row is not left out for a later one
        alone = fits[: row + 1][np.append(paired[:row], True)]
        a, b = linear_sum_assignment(alone.astype(int), maximize=True)
        assert alone[a, b].sum() < len(alone)


def test_a_point_and_a_box_count_once() -> None:
    boxes = [[0, 0, 10, 10], [5, 5, 20, 20]]
    # The first point lies in both boxes, the second in the first alone: both are right.
    assert point_counts(result([(7, 7), (2, 2)], [0, 0], boxes, [0, 0]), 1).tolist() == [[2, 0, 0]]
    # Two points in one box: one is too many, and the other box is missed.
    assert point_counts(result([(1, 1), (2, 2)], [0, 0], boxes, [0, 0]), 1).tolist() == [[1, 1, 1]]
    # Another class finds nothing.
    counts = point_counts(result([(1, 1)], [1], boxes[:1], [0]), 2)
    assert counts.tolist() == [[0, 0, 1], [0, 1, 0]]
    # Edges belong to the box.
    assert point_counts(result([(10, 0)], [0], boxes[:1], [0]), 1).tolist() == [[1, 0, 0]]


def test_ignored_boxes_count_neither_way() -> None:
    boxes, flags = [[0, 0, 10, 10], [0, 0, 8, 8]], [False, True]
    one = result([(1, 1), (2, 2), (50, 50)], [0, 0, 0], boxes, [0, 0], flags)
    assert point_counts(one, 1).tolist() == [[1, 1, 0]]
    # The point without an excuse gets the box.
    one = result([(1, 1), (9, 9)], [0, 0], boxes, [0, 0], flags)
    assert point_counts(one, 1).tolist() == [[1, 0, 0]]
    assert point_counts(result([], [], boxes, [0, 0], flags), 1).tolist() == [[0, 0, 1]]


def test_the_metric_is_scikit_learns_f1() -> None:
    rng = np.random.default_rng(3)
    results, truth, guess = [], [], []
    for _ in range(40):  # boxes far apart: a confusion of labels, with −1 for nothing
        points, said, boxes, labels = [], [], [], []
        for place in range(6):
            there, kind, other = rng.random() < 0.7, int(rng.integers(3)), int(rng.integers(3))
            seen = rng.random() < (0.8 if there else 0.2)
            if there:
                boxes.append([place * 50, 0, place * 50 + 20, 20])
                labels.append(kind)
            if seen:
                points.append((place * 50 + 10, 10))
                said.append(other if rng.random() < 0.3 else kind)
            truth.append(kind if there else -1)
            guess.append(said[-1] if seen else -1)
        results.append(result(points, said, boxes, labels))
    metric = centroid_metric(results, ["a", "b", "c", "never"])
    assert metric.value == pytest.approx(f1_score(truth, guess, labels=[0, 1, 2], average="macro"))
    assert metric.value == pytest.approx(f1_of(results, 4))
    each = f1_score(truth, guess, labels=[0, 1, 2], average=None)
    assert [metric.extra["per_class"][name] for name in "abc"] == pytest.approx(list(each))
    assert metric.extra["per_class"]["never"] is None
    assert metric.low < metric.value < metric.high and metric.n == 40
    assert metric.resampled is not None and len(metric.resampled) == 400
    again = centroid_metric(results, ["a", "b", "c", "never"])
    assert np.array_equal(again.resampled, metric.resampled)


def test_nothing_at_all() -> None:
    assert centroid_metric([], ["a"]).n == 0
    empty = centroid_metric([result([], [], [], [])], ["a"])
    assert (empty.value, empty.extra["boxes"], empty.extra["precision"]) == (0.0, 0, None)


def test_each_class_has_the_middle_of_its_best_thresholds() -> None:
    boxes, truth = [[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1]
    tried = {
        0.1: result([(5, 5), (25, 5), (50, 5)], [0, 1, 0], boxes, truth),
        0.3: result([(5, 5), (25, 5)], [0, 1], boxes, truth),
        0.5: result([(5, 5)], [0], boxes, truth),
        0.7: result([(5, 5)], [0], boxes, truth),
        0.9: result([], [], boxes, truth),
    }
    f1, chosen = best_point_thresholds({limit: [one] for limit, one in tried.items()}, 3)
    assert (f1, chosen) == (1.0, (0.5, 0.1, 0.5))

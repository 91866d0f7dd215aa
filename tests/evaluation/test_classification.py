"""Accuracy and confusion against scikit-learn; the interval against its published form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.evaluation.classification import classification_metric, confusion_matrix

metrics = pytest.importorskip("sklearn.metrics")
LABELS = ("a", "b", "c", "d")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_equals_scikit_learn(pairs) -> None:
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    metric = classification_metric(truth, guess, LABELS)
    assert metric.value == pytest.approx(metrics.accuracy_score(truth, guess))
    wanted = metrics.confusion_matrix(truth, guess, labels=range(4))
    assert metric.extra["confusion"] == wanted.tolist()
    recall = metrics.recall_score(truth, guess, labels=range(4), average=None, zero_division=0)
    for i, label in enumerate(LABELS):
        said = metric.extra["per_class"][label]
        assert said is None if not (truth == i).any() else said == pytest.approx(recall[i])
    assert metric.per_sample.tolist() == (truth == guess).astype(float).tolist()
    assert metric.low <= metric.value <= metric.high


def test_known_interval_and_nothing_at_all() -> None:
    metric = classification_metric([0] * 100, [0] * 97 + [1] * 3, LABELS)
    assert (round(metric.low, 3), round(metric.high, 3)) == (0.915, 0.990)
    assert classification_metric([], [], LABELS).n == 0
    assert confusion_matrix(np.array([0, 1]), np.array([1, 1]), 2).tolist() == [[0, 1], [0, 1]]

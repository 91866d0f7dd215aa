"""Which classifiers are no better than chance, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.metric import Metric
from edgecnn.evaluation.chance import chance_hint, chance_level
from edgecnn.evaluation.classification import classification_metric

LABELS = tuple("abcdefghij")
RNG = np.random.default_rng(4)


def level(truth, guess):
    return chance_level(classification_metric(truth, guess, LABELS), LABELS)


def test_guessing_is_no_success_and_learning_is():
    truth = RNG.integers(0, 10, 600)
    guessed = level(truth, RNG.integers(0, 10, 600))
    assert guessed is not None and "always saying the commonest class gives" in str(guessed)
    assert "--input-range" in chance_hint(guessed)
    assert level(truth, np.where(RNG.random(600) < 0.25, truth, RNG.integers(0, 10, 600))) is None


def test_one_answer_for_all_is_named():
    truth = RNG.integers(0, 10, 600)
    found = level(truth, np.where(RNG.random(600) < 0.97, 3, RNG.integers(0, 10, 600)))
    assert found is not None and "it says 'd' of 9" in str(found)


def test_another_order_of_classes_is_named():
    truth = RNG.integers(0, 10, 600)
    found = level(
        truth, np.where(RNG.random(600) < 0.8, (truth + 4) % 10, RNG.integers(0, 10, 600))
    )
    assert found is not None and found.other_order
    assert "numbered in another order: in the best order 79.0 %" in str(found)
    assert "--labels" in chance_hint(found)


@pytest.mark.parametrize(("n", "judged"), [(49, False), (50, True)])
def test_few_images_are_not_judged(n, judged):
    truth = np.arange(n) % 10
    assert (level(truth, (truth + 1 + np.arange(n) // 10 % 9) % 10) is not None) == judged


def test_the_largest_class_is_the_measure():
    """Nine of ten images are of one class: always naming it is no success."""
    truth = np.where(np.arange(3000) % 10 == 0, 1, 0)
    assert level(truth, np.zeros(3000, np.int64)) is not None
    assert level(truth, np.where(np.arange(3000) % 100 == 0, 0, truth)) is None


def test_other_metrics_are_not_judged():
    assert chance_level(None, LABELS) is None
    assert chance_level(Metric("map50", 0.0, 500, 0.0, 0.01), LABELS) is None

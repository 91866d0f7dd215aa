"""Which models are no better than chance, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.detections import Detections
from edgecnn.core.metric import Metric
from edgecnn.evaluation.chance import FindsNothing, chance_level
from edgecnn.evaluation.classification import classification_metric
from edgecnn.evaluation.detection import detection_metric
from edgecnn.evaluation.matching import ImageResult

LABELS = tuple("abcdefghij")
RNG = np.random.default_rng(4)


def level(truth, guess):
    return chance_level(classification_metric(truth, guess, LABELS), LABELS)


def test_guessing_is_no_success_and_learning_is():
    truth = RNG.integers(0, 10, 600)
    guessed = level(truth, RNG.integers(0, 10, 600))
    assert guessed is not None and "always saying the commonest class gives" in str(guessed)
    assert "--input-range" in guessed.hint
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
    assert "--labels" in found.hint


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


def detector(boxes, *, classes=None, scores=0.9, images=25):
    """The verdict on a detector that says the same on every image, where one box of class 0 is."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    found = Detections(
        boxes,
        np.full(len(boxes), scores, np.float32),
        np.zeros(len(boxes), np.int64) if classes is None else np.array(classes),
    )
    there = np.array([[10, 10, 20, 20]], np.float32)
    results = [ImageResult(found, there, np.zeros(1, np.int64))] * images
    metric = detection_metric(results, ("cat", "dog"), thresholds=(0.5, 0.5), rounds=9)
    return chance_level(metric, ("cat", "dog"))


def test_a_detector_that_finds_nothing_is_named_with_its_cause():
    silent = detector([])
    assert str(silent) == (
        "mAP@0.5 0.0 % on 25 images with 25 boxes (95 % at most 0.0 %); no score reaches its"
        " thresholds"
    )
    assert isinstance(silent, FindsNothing) and "train for longer" in silent.hint
    astray = detector([[50, 50, 60, 60]])
    assert "25 boxes are shown, next to none of them where one is" in str(astray)
    swapped = detector([[10, 10, 20, 20]], classes=[1])
    assert "25 of them fit a box of another class" in str(swapped) and "--labels" in swapped.hint


def test_a_detector_that_finds_something_or_has_few_boxes_to_find_is_not_refused():
    assert detector([[10, 10, 20, 20]]) is None
    assert detector([[10, 10, 20, 20]], scores=0.1) is None  # a threshold can be changed
    assert detector([], images=19) is None


@pytest.mark.parametrize(
    ("precision", "said"),
    [(None, "no score reaches its thresholds"), (0.0, "next to no point lies in a box")],
)
def test_points_that_miss_every_box_are_named(precision, said):
    extra = {"boxes": 30, "precision": precision}
    found = chance_level(Metric("f1", 0.0, 25, 0.0, 0.0, extra=extra), ("cat",))
    assert isinstance(found, FindsNothing) and str(found).startswith("F1 0.0 % on 25 images")
    assert said in str(found)
    assert chance_level(Metric("f1", 0.2, 25, 0.1, 0.3, extra=extra), ("cat",)) is None

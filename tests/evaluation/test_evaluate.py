"""Evaluation over a data set: the device's path, unreadable images, wrong data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from edgecnn.core.errors import DataError
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample
from edgecnn.evaluation.evaluate import class_map, evaluate

SIDE, STRIDE = 32, 8
CELLS = SIDE // STRIDE
PRE = PreprocessSpec((ImageInput("image", SIDE, SIDE, "gray", fit="letterbox", scale=(1.0,)),))
GRID = DetectSpec("scores", "boxes", ("0", "1"), (GridLevel(CELLS, CELLS, STRIDE),))


@dataclass
class Memory:
    """A data set in memory; None stands for a file that cannot be read."""

    samples: list
    labels: tuple[str, ...]
    task: str
    skipped: tuple[str, ...] = ()
    ids: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [f"s/{i}" for i in range(len(self.samples))]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if self.samples[index] is None:
            raise DataError(f"'{self.ids[index]}' is damaged", hint="remove it")
        return self.samples[index]


class BrightSpots:
    """Finds a bright 8×8 square in an otherwise dark image: one cell speaks, the rest is silent."""

    inputs = (TensorInfo("any_name", (1, SIDE, SIDE, 1), "float32"),)
    outputs = (
        TensorInfo("scores", (1, CELLS, CELLS, 2), "float32"),
        TensorInfo("boxes", (1, CELLS, CELLS, 4), "float32"),
    )

    def predict(self, inputs):
        image = inputs["any_name"][0, :, :, 0]
        cells = image.reshape(CELLS, STRIDE, CELLS, STRIDE).mean(axis=(1, 3))
        scores = np.full((1, CELLS, CELLS, 2), -9.0, np.float32)
        scores[0, :, :, 1] = np.where(cells > 200, -3.0, -9.0)  # 0.047: under the spec's 0.3
        return {"scores": scores, "boxes": np.full((1, CELLS, CELLS, 4), 0.5, np.float32)}


def spot(x: int, y: int, *, scale: int = 1, label: int = 1) -> Sample:
    """A wide image (2:1, letterboxed) with a bright square on the fitted grid."""
    image = np.zeros((16 * scale, 32 * scale), np.uint8)
    box = np.array([[x, y, x + 8, y + 8]], np.float32) * scale
    left, top, right, bottom = box[0].astype(int)
    image[top:bottom, left:right] = 255
    return Sample("s", image, boxes=box, box_labels=np.array([label], np.int64))


def test_detector_is_scored_in_the_images_pixels_and_below_its_threshold() -> None:
    data = Memory([spot(8, 0), spot(16, 8, scale=3), spot(0, 0)], ("0", "1"), "detect")
    metric = evaluate(BrightSpots(), data, PRE, GRID)
    assert (metric.name, metric.n) == ("map50", 3)
    assert metric.value == pytest.approx(1.0)
    assert metric.extra["map5095"] == pytest.approx(1.0)
    assert metric.extra["per_class"] == {"0": None, "1": pytest.approx(1.0)}


def test_a_class_is_shown_from_its_own_threshold_on() -> None:
    data = Memory([spot(8, 0), spot(0, 0)], ("0", "1"), "detect")
    score = float(1 / (1 + np.exp(3.0)))  # of BrightSpots
    for threshold, right in ((score - 0.01, 2), (score + 0.01, 0)):
        metric = evaluate(BrightSpots(), data, PRE, replace(GRID, thresholds=(0.9, threshold)))
        assert metric.value == pytest.approx(1.0)
        assert metric.extra["mistakes"]["right"] == right
        assert metric.extra["by_class"]["1"]["recall"] == right / 2
        assert metric.details.ids == ("s", "s")


def test_wrong_class_costs_everything() -> None:
    data = Memory([spot(8, 0, label=0)], ("0", "1"), "detect")
    assert evaluate(BrightSpots(), data, PRE, GRID).value == 0.0


def test_unreadable_images_are_counted_and_left_out() -> None:
    data = Memory([None, spot(8, 0), None, spot(8, 0)], ("0", "1"), "detect", ("gone.png",))
    metric = evaluate(BrightSpots(), data, PRE, GRID)
    assert metric.n == 2 and metric.value == pytest.approx(1.0)
    assert metric.extra["skipped"] == {"count": 3, "first": ["gone.png", "s/0", "s/2"]}
    assert evaluate(BrightSpots(), data, PRE, GRID, limit=2).n == 1
    with pytest.raises(DataError, match="no image to measure on"):
        evaluate(BrightSpots(), Memory([None], ("0", "1"), "detect"), PRE, GRID)


class Mean:
    """Class 1 where the image is bright."""

    inputs = (TensorInfo("image", (1, SIDE, SIDE, 1), "float32"),)
    outputs = (TensorInfo("scores", (1, 2), "float32"),)

    def predict(self, inputs):
        bright = float(inputs["image"].mean() > 100)
        return {"scores": np.array([[1 - bright, bright]], np.float32)}


def photo(level: int, label: int | None) -> Sample:
    return Sample("p", np.full((SIDE, SIDE), level, np.uint8), label=label)


def test_classifier_with_labels_matched_by_name() -> None:
    data = Memory([photo(255, 0), photo(255, 0), photo(0, 0), photo(0, 1)], ("b", "a"), "classify")
    metric = evaluate(Mean(), data, PRE, ClassifySpec("scores", ("a", "b")))
    assert (metric.name, metric.value) == ("accuracy", 0.75)
    assert metric.per_sample.tolist() == [1, 1, 0, 1]
    assert metric.extra["confusion"] == [[1, 0], [1, 2]]


def test_wrong_data_is_refused() -> None:
    spec = ClassifySpec("scores", ("a", "b"))
    with pytest.raises(DataError, match="for detect, the model is for classify"):
        evaluate(Mean(), Memory([spot(0, 0)], ("0", "1"), "detect"), PRE, spec)
    with pytest.raises(DataError, match="'p' has no label"):
        evaluate(Mean(), Memory([photo(0, None)], ("a", "b"), "classify"), PRE, spec)
    with pytest.raises(DataError, match="3 classes, the model knows 2"):
        class_map(("x", "y", "z"), ("a", "b"))
    assert class_map(("x", "y"), ("a", "b")).tolist() == [0, 1]


def test_boxes_marked_ignored_are_not_asked_for() -> None:
    easy, hard = spot(8, 0), spot(0, 0)
    hard = replace(hard, ignored=np.ones(1, bool))
    unseen = replace(hard, image=np.zeros_like(hard.image))
    metric = evaluate(BrightSpots(), Memory([easy, hard, unseen], ("0", "1"), "detect"), PRE, GRID)
    assert metric.value == pytest.approx(1.0)
    assert (metric.extra["boxes"], metric.extra["ignored"]) == (1, 2)

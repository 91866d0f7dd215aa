"""What a detector's training is made of where the project leaves it open, and what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import UsageError
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.sample import Dataset, Sample
from edgecnn.data.augment_boxes import BoxAugment
from edgecnn.data.table import load_dataset
from edgecnn.jobs.centroid_plan import centroid_request
from edgecnn.jobs.detect_plan import (
    BoxShapes,
    box_shapes,
    detect_options,
    input_size,
    learned_from,
    model_options,
    seen_as,
    settled_project,
    weight_notes,
)
from edgecnn.jobs.fit import train_config
from edgecnn.jobs.project import default_project
from edgecnn.jobs.training_data import TrainingData, training_data
from edgecnn.training.classify import ClassifyRequest
from edgecnn.training.detect import DetectRequest
from edgecnn.training.weights.graft import Grafted
from edgecnn.training.weights.net import ByteMeaning, SourceNet
from tests.data.boxes.sets import voc
from tests.data.pictures import write_folder

SPEC = PreprocessSpec((ImageInput("image", 96, 128, "rgb", scale=(1 / 127.5,), offset=(-1.0,)),))
MEANING = ByteMeaning((1 / 255,), (0.0,), "bgr", "the codes of its quantized input")
SOURCE = SourceNet("w.tflite", "tflite", (), (96, 96, 3), MEANING, ("a note",))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """30 photos of 60 × 40; one class has a tenth of the boxes."""
    rows = {
        f"n{i:02}": [("cat", 1, 1, 31, 31), *([("dog", 0, 0, 12, 12)] if i % 5 == 0 else [])]
        for i in range(30)
    }
    return str(write_folder(tmp_path_factory.mktemp("boxes"), voc(rows)))


@pytest.fixture(scope="module")
def data(source: str) -> TrainingData:
    return training_data(source, "detect", 1)


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return load_dataset("scenes", "detect", "val", seed=1)


def shapes(aspect: float, *sides: float, labels: tuple[int, ...] = ()) -> BoxShapes:
    wide = np.repeat(np.array(sides)[:, None], 2, axis=1)
    return BoxShapes(aspect, wide, np.array(labels or (0,) * len(sides), np.int64))


@given(st.floats(0.01, 100), st.lists(st.floats(1e-4, 1), min_size=1, max_size=8))
def test_inputs_are_sizes_that_the_models_take(aspect, sides) -> None:
    height, width = input_size(shapes(aspect, *sides))
    assert height % 16 == width % 16 == 0 and height >= 96 and width >= 96
    assert 200 <= (height * width) ** 0.5 <= 340 and 0.44 <= width / height <= 2.3
    if 0.55 < aspect < 1.8:
        assert width / height == pytest.approx(aspect, rel=0.1)


def test_small_boxes_ask_for_large_inputs() -> None:
    assert input_size(shapes(1.0, *[0.5] * 10)) == (224, 224)
    assert input_size(shapes(1.0, *[0.03] * 10)) == (320, 320)
    assert input_size(shapes(4 / 3, *[0.07] * 10)) == (240, 336)
    # The tenth percentile, or the smallest class's median: a rare small class counts.
    many = shapes(1.0, *[0.5] * 99, 0.05, labels=(0,) * 99 + (1,))
    assert many.small_side() == pytest.approx(0.05)
    assert replace(many, labels=np.zeros(100, np.int64)).small_side() == pytest.approx(0.5)
    assert many.counts(3) == (99, 1, 0)


def test_shapes_are_read_off_the_boxes(data: TrainingData) -> None:
    found = box_shapes(data.train)
    assert found.aspect == pytest.approx(1.5) and len(found.sides) == len(found.labels)
    place = data.train.labels.index("cat")
    np.testing.assert_allclose(found.sides[found.labels == place], 30 / np.sqrt(2400), rtol=1e-5)


def test_what_is_left_open_follows_the_data_and_is_said(data: TrainingData, source: str) -> None:
    project = default_project("detect", source=source, model="nano")
    settled, notes = settled_project(project, data.train)
    size, epochs = settled.get("model", "input_size"), settled.get("train", "epochs")
    assert size == list(input_size(box_shapes(data.train))) and epochs == 150
    assert notes[0].startswith(f"input {size[0]} × {size[1]}: ")
    assert notes[1] == f"150 epochs: for {len(data.train)} photos"
    # With weights fewer are needed; more photos need fewer epochs, within bounds.
    lots = replace(data.train, ids=data.train.ids * 20)
    random, _ = settled_project(project, lots)
    tuned, _ = settled_project(project.override(train__weights="w.tflite"), lots)
    assert 12 < tuned.get("train", "epochs") < random.get("train", "epochs") < 150
    huge, _ = settled_project(project, replace(data.train, ids=data.train.ids * 1000))
    assert huge.get("train", "epochs") == 12
    said = project.override(model__input_size=[96, 160], train__epochs=3)
    assert settled_project(said, data.train) == (said, ())


def test_with_val_learns_from_both_and_judges_by_nothing(
    data: TrainingData, source: str, scenes: Dataset
) -> None:
    project = default_project("detect", source=source, model="nano")
    assert learned_from(project, data) == (data.train, data.val)
    both, judge = learned_from(project.override(train__with_val=True), data)
    assert judge is None and both.ids == (*data.train.ids, *data.val.ids)
    assert not set(both.ids) & set(data.test.ids) and both[len(both) - 1].boxes is not None
    with pytest.raises(UsageError, match="photos with boxes of your own") as caught:
        learned_from(project.override(train__with_val=True), TrainingData(scenes, scenes, scenes))
    assert "--with-val" in caught.value.hint


def test_options_of_the_training(data: TrainingData, source: str, scenes: Dataset) -> None:
    project = default_project("detect", source=source, model="nano")
    config = train_config(project.override(train__epochs=50))
    bare = detect_options(project, config, data.train, None)
    assert not bare.keys() & {"head_epochs", "frozen_blocks"} and bare["config"].body_rate == 1
    assert bare["augment"] == BoxAugment(flip=True) and bare["config"].ema >= 0.9
    rare = data.train.labels.index("dog")
    assert bare["class_weights"][rare] > 1.5 and min(bare["class_weights"]) == 1
    tuned = detect_options(project, config, data.train, SOURCE)
    assert tuned["head_epochs"] > 0 and tuned["frozen_blocks"] > 0
    assert 0 < tuned["config"].body_rate < 1
    other = project.override(model__name="detector", train__flip="no")
    plain = detect_options(other, config, data.train, SOURCE)
    assert "head_epochs" not in plain and not plain["augment"].flip
    drawn = detect_options(project, config, scenes, None)
    assert "config" not in drawn and drawn["augment"].mosaic == 0
    assert centroid_request({"train": scenes, "preprocess": None, **drawn}, scenes).val is scenes


def test_options_of_the_model(data: TrainingData, source: str) -> None:
    project = default_project("detect", source=source, model="ssdlite")
    found = model_options(project, SPEC, data.train, None)
    side = 30 / np.sqrt(2400) * np.sqrt(96 * 128)
    assert set(found) == {"anchors"}
    assert min(abs(w - side) for level in found["anchors"] for w, _ in level) < 1
    # A .tflite has its batch norms folded in: the backbone gets biases.
    nano = project.override(model__name="nano")
    assert model_options(nano, SPEC, data.train, SOURCE) == {"batch_norm": False}
    assert model_options(nano, SPEC, data.train, None) == {}
    grid = project.override(model__name="detector")
    assert model_options(grid, SPEC, data.train, SOURCE) == {}


def test_bytes_are_what_they_are_to_the_weights() -> None:
    assert seen_as(SPEC, None, "auto") == SPEC
    found = seen_as(SPEC, SOURCE, "auto").image
    assert (found.scale, found.offset, found.colour) == ((1 / 255,), (0.0,), "bgr")
    assert (found.height, found.width) == (96, 128)
    unsaid = replace(SOURCE, meaning=replace(MEANING, colour=None))
    assert seen_as(SPEC, unsaid, "auto").image.colour == "rgb"
    # What is said counts, with weights and without.
    for weights in (None, SOURCE, replace(SOURCE, meaning=None)):
        image = seen_as(SPEC, weights, "0..1").image
        assert image.scale[0] == pytest.approx(1 / 255) and image.colour == "rgb"
    gray = PreprocessSpec((replace(SPEC.image, colour="gray"),))
    assert seen_as(gray, SOURCE, "auto").image.colour == "gray"


def test_bytes_of_unknown_meaning_are_refused() -> None:
    with pytest.raises(UsageError, match="'w.tflite' cannot be known") as caught:
        seen_as(SPEC, replace(SOURCE, meaning=None), "auto")
    assert "--input-range" in caught.value.hint and "LOW..HIGH" in caught.value.hint
    each = replace(SOURCE, meaning=replace(MEANING, offset=(0.1, 0.2, 0.3)))
    gray = PreprocessSpec((replace(SPEC.image, colour="gray"),))
    with pytest.raises(UsageError, match="colours of their own scale"):
        seen_as(gray, each, "auto")
    with pytest.raises(UsageError):
        seen_as(SPEC, SOURCE, "9..9")


def test_notes_say_what_came_from_the_weights(data: TrainingData, scenes: Dataset) -> None:
    request = DetectRequest("nano", data.train, data.val, SPEC)
    (advice,) = weight_notes(request, None, None)
    assert "--weights imagenet" in advice
    assert weight_notes(replace(request, train=scenes), None, None) == ()
    assert weight_notes(ClassifyRequest("resnet8", data.train, data.val, SPEC), None, None) == ()
    taken = Grafted("structure", (), ("lateral8", "merge"), (), ("relu for relu6",))
    lines = weight_notes(request, SOURCE, taken)
    assert "'w.tflite' by structure, 2 start anew (from lateral8 on)" in lines[0]
    assert lines[1].startswith("for the weights bytes 0..255 are 0..1, by the codes")
    assert lines[2:] == ("a note", "relu for relu6")
    whole = weight_notes(request, SOURCE, replace(taken, left=()))
    assert "start anew" not in whole[0]


class Sizes:
    """Photos of these sizes; every one but the first has a box of 10 × 20 pixels."""

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def size_of(self, index: int) -> tuple[int, int]:
        return self.sizes[index]

    def boxes_of(self, index: int) -> Sample:
        count = min(index, 1)
        boxes = np.array([[0, 0, 10, 20]] * count, np.float32).reshape(-1, 4)
        return Sample("x", boxes=boxes, box_labels=np.zeros(count, np.int64))


def test_a_photo_without_boxes_has_no_shapes() -> None:
    found = box_shapes(Sizes((40, 20), (40, 20)))
    assert found.aspect == pytest.approx(2.0) and found.sides.shape == (1, 2)


def test_wide_and_tall_photos_together_get_a_square() -> None:
    mixed = Sizes(*[(640, 480), (480, 640), (600, 500)] * 5)
    assert box_shapes(mixed).aspect == pytest.approx(1, abs=0.1)
    assert box_shapes(Sizes(*[(640, 480)] * 9)).aspect == pytest.approx(4 / 3)

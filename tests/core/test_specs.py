"""Preprocess and postprocess specs: JSON round trips, and what is refused."""

import json

import numpy as np
import pytest

from edgecnn.core import postprocess as post
from edgecnn.core.errors import BundleError
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel
from edgecnn.core.preprocess import (
    ArrayInput,
    AudioInput,
    ImageInput,
    PreprocessSpec,
    StateInput,
    table,
)
from edgecnn.core.runtime import TensorInfo

IMAGE = ImageInput("x", 32, 48, "bgr", "letterbox", "area", (0.5, 0.25, 1.0), (0.0, 1.0, -1.0), 9)
DETECT = DetectSpec(
    "s", "b", ("a", "b"), (GridLevel(4, 4, 8, ((1.0, 2.0),)), GridLevel(2, 2, 16, ((3.0, 4.0),))),
    coding="center-size",
)  # fmt: skip


def through_text(data):
    return json.loads(json.dumps(data))


@pytest.mark.parametrize(
    "spec", [PreprocessSpec((IMAGE,)), PreprocessSpec((ArrayInput("y", (1, 4)), IMAGE))]
)
def test_preprocess_round_trip(spec: PreprocessSpec) -> None:
    assert PreprocessSpec.from_json(through_text(spec.to_json())) == spec


@pytest.mark.parametrize(
    "spec",
    [
        ClassifySpec("s", ("a", "b"), "softmax"),
        DETECT,
        DetectSpec("s", "b", ("a",), (GridLevel(1, 2, 3),)),
        DetectSpec(
            "s", "b", ("a", "b"), (GridLevel(1, 2, 3),), thresholds=(0.25, 0.5), max_candidates=7
        ),
    ],
)
def test_postprocess_round_trip(spec) -> None:
    assert post.from_json(through_text(post.to_json(spec))) == spec


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fit": "squeeze"}, "fit = 'squeeze', expected stretch"),
        ({"resize": "linear"}, "resize"),
        ({"colour": "yuv"}, "colour"),
        ({"height": 0}, "height"),
        ({"height": 9999}, "height"),
        ({"height": "32"}, "height"),
        ({"width": 1.5}, "width"),
        ({"scale": [1, 2]}, "scale"),
        ({"scale": [float("nan")]}, "scale"),
        ({"scale": "big"}, "scale|cannot be read"),
        ({"offset": None}, "cannot be read"),
        ({"pad_value": 256}, "pad_value"),
        ({"name": 3}, "name"),
        ({"kind": "video"}, "kind"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_preprocess_fields_are_named(change: dict, text: str) -> None:
    data = PreprocessSpec((IMAGE,)).to_json()
    data["inputs"][0].update(change)
    with pytest.raises(BundleError, match=text) as caught:
        PreprocessSpec.from_json(data)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"activation": "relu"}, "activation"),
        ({"coding": "xyxy"}, "coding"),
        ({"labels": [1]}, "labels"),
        ({"labels": "ab"}, "labels"),
        ({"levels": []}, "levels"),
        ({"levels": None}, "cannot be read"),
        ({"levels": [3]}, "cannot be read"),
        ({"levels": [{"rows": 1}]}, "cannot be read"),
        ({"levels": [{"rows": -1, "cols": 1, "stride": 8}]}, "rows"),
        ({"levels": [{"rows": 1, "cols": 1, "stride": "8"}]}, "stride"),
        ({"levels": [{"rows": 1, "cols": 1, "stride": 8}]}, "without anchors"),
        ({"levels": [{"rows": 1, "cols": 1, "stride": 8, "anchors": [[1, -1]]}]}, "anchors"),
        ({"score_threshold": 1.5}, "score_threshold"),
        ({"nms_iou": "x"}, "nms_iou"),
        ({"max_detections": 0}, "max_detections"),
        ({"max_candidates": 0}, "max_candidates"),
        ({"max_candidates": 1.5}, "max_candidates"),
        ({"thresholds": [0.5]}, "one per label"),
        ({"thresholds": [0.5, 1.5]}, "thresholds"),
        ({"thresholds": [0.5, float("nan")]}, "thresholds"),
        ({"thresholds": 0.5}, "thresholds"),
        ({"thresholds": ["a", "b"]}, "thresholds"),
        ({"variances": [1]}, "variances"),
        ({"box_scale": 0}, "box_scale"),
        ({"scores": None}, "scores"),
        ({"kind": "video"}, "kind"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_postprocess_fields_are_named(change: dict, text: str) -> None:
    data = through_text(post.to_json(DETECT))
    data.update(change)
    with pytest.raises(BundleError, match=text) as caught:
        post.from_json(data)
    assert caught.value.hint


@pytest.mark.parametrize("data", [None, [], 3, {}, {"schema": "x"}])
def test_other_json_is_refused(data) -> None:
    with pytest.raises(BundleError, match="schema"):
        PreprocessSpec.from_json(data)
    with pytest.raises(BundleError, match="schema"):
        post.from_json(data)


@pytest.mark.parametrize("inputs", [None, [], {}, [3], [None]])
def test_bad_input_lists_are_refused(inputs) -> None:
    with pytest.raises(BundleError):
        PreprocessSpec.from_json({"schema": "edgecnn.preprocess/1", "inputs": inputs})


# What version 1 wrote: bundles and .tflite files hold it, and are read for ever.
VERSION_1 = """{"schema": "edgecnn.preprocess/1", "inputs": [
  {"name": "image", "height": 96, "width": 64, "colour": "bgr", "fit": "letterbox",
   "resize": "linear-exact", "scale": [0.00784313725490196], "offset": [-1.0], "pad_value": 114,
   "kind": "image"},
  {"name": "x", "shape": [1, 640], "kind": "array"},
  {"name": "audio", "sample_rate_hz": 16000, "samples": 16000, "align": "start",
   "level": "as-is", "scale": 3.0517578125e-05, "offset": 0.0, "kind": "audio"}]}"""


def test_version_1_is_read_for_ever() -> None:
    spec = PreprocessSpec.from_json(json.loads(VERSION_1))
    image, array, audio = spec.inputs
    assert image == ImageInput(
        "image", 96, 64, "bgr", "letterbox", scale=(2 / 255,), offset=(-1.0,), layout="nhwc"
    )
    assert array == ArrayInput("x", (1, 640))
    assert audio == AudioInput("audio", 16000, 16000)
    assert spec.to_json()["schema"] == "edgecnn.preprocess/2"
    assert PreprocessSpec.from_json(through_text(spec.to_json())) == spec


def test_states_and_layouts_survive() -> None:
    image = ImageInput("x", 8, 6, layout="nchw")
    assert image.tensor_shape == (1, 3, 8, 6)
    spec = PreprocessSpec((StateInput("h", (1, 4), "h_out"), image))
    assert PreprocessSpec.from_json(through_text(spec.to_json())) == spec
    for bad in ({"shape": 4}, {"shape": [1.5]}, {"source": None}, {"surprise": 1}):
        data = through_text(spec.to_json())
        data["inputs"][0].update(bad)
        with pytest.raises(BundleError, match=next(iter(bad))):
            PreprocessSpec.from_json(data)


def test_image_is_the_only_input() -> None:
    assert PreprocessSpec((IMAGE,)).image is IMAGE
    with pytest.raises(BundleError, match="expected one image"):
        _ = PreprocessSpec((ArrayInput("y", (1,)),)).image
    with pytest.raises(BundleError, match="expected one image"):
        _ = PreprocessSpec((IMAGE, IMAGE)).image


def test_table_folds_the_quantization_in() -> None:
    info = TensorInfo("x", (1, 32, 48, 3), "uint8", 0.5, 10)
    got = table(IMAGE, info)
    bytes_ = np.arange(256)
    for c, (scale, offset) in enumerate(zip(IMAGE.scale, IMAGE.offset, strict=True)):
        expected = np.clip(np.rint((bytes_ * scale + offset) / 0.5) + 10, 0, 255)
        assert np.array_equal(got[:, c], expected)
    assert got.dtype == np.uint8


def test_candidates_count_cells_and_anchors() -> None:
    assert DETECT.candidates == 16 + 4
    levels = (GridLevel(3, 5, 8), GridLevel(2, 2, 16, ((1, 1), (2, 2))))
    assert DetectSpec("s", "b", ("a",), levels).candidates == 15 + 8


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"levels": [{"rows": 1, "cols": 1, "stride": 8}]}, "none for xyxy"),
        ({"decoded_boxes": 0}, "decoded_boxes = 0, expected 1 to"),
        ({"decoded_boxes": 1 << 40}, "decoded_boxes"),
        ({"decoded_boxes": True}, "decoded_boxes"),
        ({"coding": "ltrb"}, "levels"),
        ({"coding": "ltrb", "levels": [{"rows": 1, "cols": 1, "stride": 8}]}, "expected 0"),
        ({"score_column": -1}, "score_column"),
        ({"box_column": "4"}, "box_column"),
        ({"objectness_column": 1 << 20}, "objectness_column"),
        ({"objectness": 4}, "objectness"),
        ({"transposed": 1}, "transposed"),
        ({"box_units": [640]}, "box_units"),
        ({"box_units": [640, -1]}, "box_units"),
    ],
)
def test_bad_fields_of_decoded_boxes_are_named(change: dict, text: str) -> None:
    spec = DetectSpec(
        "all", "all", ("a",), (), "xyxy", objectness="all", score_column=5, objectness_column=4,
        transposed=True, box_units=(640.0, 480.0), decoded_boxes=25200,
    )  # fmt: skip
    data = through_text(post.to_json(spec))
    assert post.from_json(data) == spec and spec.candidates == 25200
    with pytest.raises(BundleError, match=text):
        post.from_json({**data, **change})

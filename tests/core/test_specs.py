"""Preprocess and postprocess specs: JSON round trips, and what is refused."""

import json

import numpy as np
import pytest

from edgecnn.core import postprocess as post
from edgecnn.core.errors import BundleError
from edgecnn.core.postprocess import (
    CandidatePoints,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    MaskCoefficients,
    Skeleton,
)
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


PER_LEVEL = DetectSpec(
    "", "", ("a", "b"),
    (
        GridLevel(4, 4, 8, ((1.0, 2.0),), "s0", "b0", "o0", "k0"),
        GridLevel(2, 2, 16, ((3.0, 4.0),), "s1", "b1", "o1", "k1"),
    ),
    coding="center-exp",
    background=True,
    suppression="weighted",
    keypoints=CandidatePoints(Skeleton(("l", "r"), ((0, 1),)), values=3, coding="anchor"),
    masks=MaskCoefficients("m", 4, "p", 40, 40, 32, 160, 120),
)  # fmt: skip


def test_outputs_per_level_round_trip() -> None:
    assert post.from_json(through_text(post.to_json(PER_LEVEL))) == PER_LEVEL
    names = ("s0", "b0", "o0", "k0", "s1", "b1", "o1", "k1", "m", "p")
    assert PER_LEVEL.outputs == names and PER_LEVEL.per_level and PER_LEVEL.has_objectness
    assert (PER_LEVEL.score_columns, PER_LEVEL.box_columns, PER_LEVEL.candidates) == (3, 4, 20)
    listed = DetectSpec(
        "s", "b", ("a",), (), "center-linear", anchor_boxes=((-1.5, 2.0, 3.0, 4.0),) * 7
    )
    assert post.from_json(through_text(post.to_json(listed))) == listed
    assert listed.candidates == 7 and listed.anchors.shape == (7, 4)
    bins = DetectSpec("s", "b", ("a",), (GridLevel(2, 2, 8),), bins=16)
    assert post.from_json(through_text(post.to_json(bins))) == bins and bins.box_columns == 64


def changed(data: dict, path: str, value: object) -> None:
    """Sets what the dotted path names; numbers are places in lists."""
    *way, last = path.split(".")
    for key in way:
        data = data[int(key)] if key.isdigit() else data[key]
    data[last] = value


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("scores", "s", "scores = 's', expected the name of an output, or one in each"),
        ("levels.0.scores", "", "scores"),
        ("levels.1.boxes", "", "boxes"),
        ("levels.1.boxes", 3, "levels.boxes"),
        ("levels.0.objectness", "", "objectness"),
        ("objectness", "o", "objectness"),
        ("levels.1.keypoints", "", "keypoints"),
        ("keypoints.output", "k", "keypoints"),
        ("keypoints", None, "levels.keypoints"),
        ("levels.0.stride", 0, "stride"),
        ("levels.0.stride", 9000.5, "stride"),
        ("labels", [], "labels"),
        ("background", 1, "background"),
        ("bins", 8, "bins"),
        ("bins", True, "bins"),
        ("suppression", "soft", "suppression"),
        ("anchor_boxes", [[1, 2, 3, 4]], "levels"),
        ("anchor_boxes", [[1, 2, -3, 4]], "anchor_boxes"),
        ("anchor_boxes", [[1, 2, 3]], "anchor_boxes"),
        ("anchor_boxes", 5, "cannot be read"),
        ("coding", "ltrb", "keypoints.coding"),
        ("coding", "cell", "coding"),
        ("keypoints.coding", "polar", "keypoints.coding"),
        ("keypoints.values", 4, "keypoints.values"),
        ("keypoints.axes", "zx", "keypoints.axes"),
        ("keypoints.column", -1, "keypoints.column"),
        ("keypoints.activation", "softmax", "keypoints.activation"),
        ("keypoints.skeleton.names", [], "skeleton.names"),
        ("keypoints.skeleton.names", [1], "skeleton.names"),
        ("keypoints.skeleton.edges", [[0, 2]], "skeleton.edges"),
        ("keypoints.skeleton.edges", [[0]], "skeleton.edges"),
        ("keypoints.surprise", 1, "cannot be read"),
        ("masks.output", "", "masks.output"),
        ("masks.prototypes", None, "masks.prototypes"),
        ("masks.rows", 0, "masks.rows"),
        ("masks.count", 1 << 20, "masks.count"),
        ("masks.width", 0, "masks.width"),
        ("masks.height", 1.5, "masks.height"),
    ],
)
def test_bad_fields_of_levels_points_and_masks_are_named(
    path: str, value: object, text: str
) -> None:
    data = through_text(post.to_json(PER_LEVEL))
    changed(data, path, value)
    with pytest.raises(BundleError, match=text) as caught:
        post.from_json(data)
    assert caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"coding": "center-size", "keypoints": "cell"}, "units or anchor, without levels"),
        ({"coding": "cxcywh", "anchor_boxes": ()}, "decoded_boxes"),
        ({"coding": "cell-exp"}, "levels for cell-exp"),
        ({"coding": "anchor-exp"}, "levels for anchor-exp"),
        ({"anchor_boxes": ()}, "at least one feature map"),
        ({"keypoints": "units", "output": ""}, "keypoints"),
    ],
)
def test_what_does_not_go_with_a_list_of_anchors(fields: dict, text: str) -> None:
    points = None
    if "keypoints" in fields:
        points = CandidatePoints(
            Skeleton(("l",)), fields.pop("output", "k"), coding=fields["keypoints"]
        )
    given = {"coding": "center-linear", "anchor_boxes": ((1.0, 2.0, 3.0, 4.0),), **fields}
    with pytest.raises(BundleError, match=text):
        DetectSpec("s", "b", ("a",), (), **{**given, "keypoints": points})

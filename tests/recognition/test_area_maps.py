"""Maps of classes and FOMO's grids are told apart, and from what only looks like them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.core.errors import DataError
from edgecnn.core.postprocess import SCHEMA, CentroidSpec, SegmentSpec, from_json
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.recognition.centroids import fomo
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.segment import segmentation
from edgecnn.recognition.table import recognise
from tests.builders import ModelBuilder
from tests.recognition.given import built, given

SIZE = (64, 48)


def smooth(rows: int, cols: int, columns: int, seed: int = 0) -> np.ndarray:
    """(1, rows, cols, columns) real numbers from about −6 to 6 that change slowly."""
    import cv2

    coarse = np.random.default_rng(seed).normal(0, 3, (5, 6, columns)).astype(np.float32)
    planes = [cv2.resize(coarse[..., k], (cols, rows)) for k in range(columns)]
    return np.stack(planes, axis=-1)[None]


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return (0.5 + 0.5 * np.tanh(4.5 * values)).astype(np.float32)


def segment_spec(outputs: dict, **more: object) -> SegmentSpec:
    facts = given(outputs, SIZE, **more)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer == segmentation(facts)
    assert isinstance(answer.spec, SegmentSpec)
    return answer.spec


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (softmax(smooth(48, 64, 6)), {"activation": "none", "background": -1}),
        (softmax(smooth(48, 64, 2)), {"activation": "none", "background": 0}),
        (smooth(48, 64, 2), {"activation": "softmax", "background": 0}),
        (smooth(48, 64, 3), {"activation": "softmax", "background": -1}),
        (smooth(12, 16, 19), {"activation": "softmax", "stride": (4.0, 4.0)}),
        (sigmoid(smooth(48, 64, 1)), {"labels": ("foreground",), "score_threshold": 0.5}),
        (sigmoid(smooth(48, 64, 1))[..., 0], {"labels": ("foreground",), "activation": "none"}),
        (smooth(48, 64, 1), {"activation": "sigmoid", "score_threshold": 0.5}),
        (np.moveaxis(softmax(smooth(24, 32, 4)), -1, 1), {"transposed": True, "rows": 24}),
        (softmax(smooth(24, 32, 4)).reshape(1, -1, 4), {"rows": 24, "cols": 32}),
    ],
    ids=lambda item: str(getattr(item, "shape", "")),
)
def test_what_scores_of_classes_are(values: np.ndarray, expected: dict) -> None:
    spec = segment_spec({"map": values})
    assert {key: getattr(spec, key) for key in expected} == expected


def test_numbers_of_classes_need_names_where_nothing_counts_them() -> None:
    numbers = smooth(48, 64, 5).argmax(axis=-1)
    labels = ("background", "sky", "road", "car", "tree")
    for values in (numbers.astype(np.int32), numbers.astype(np.uint8)[..., None]):
        facts = given({"map": values}, SIZE)
        answer = recognise(facts)
        assert isinstance(answer, Incomplete) and list(answer.missing) == ["labels"]
        spec = segment_spec({"map": values}, labels=labels)
        assert spec.class_numbers and spec.labels == labels and spec.background == 0
    spec = segment_spec({"map": numbers.astype(np.float32)}, labels=labels[1:], seen=True)
    assert spec.labels == labels[1:] and spec.background == -1


def test_truths_are_a_foreground() -> None:
    spec = segment_spec({"map": smooth(48, 64, 1) > 0}, labels=("person",))
    assert spec.labels == ("background", "person") and spec.background == 0


def test_maps_beside_other_outputs() -> None:
    scores, one = smooth(48, 64, 5), sigmoid(smooth(48, 64, 1))
    numbers = scores.argmax(axis=-1).astype(np.int64)
    labels = ("background", "sky", "road", "car", "tree")
    both = segment_spec({"scores": softmax(scores), "numbers": numbers}, labels=labels)
    assert both.scores == "numbers" and both.class_numbers
    assert segment_spec({"quality": np.float32([[0.5]]), "map": one}).scores == "map"
    unclear = recognise(given({"d1": one, "d0": one, "d2": one}, SIZE))
    assert isinstance(unclear, Incomplete) and list(unclear.missing) == ["scores"]
    assert "'d1', 'd0', 'd2'" in unclear.missing["scores"]
    spec = from_json({"schema": SCHEMA, "scores": "d0", **unclear.draft})
    assert isinstance(spec, SegmentSpec) and spec.score_threshold == 0.5
    assert segmentation(given({"map": one, "points": smooth(1, 1, 195)[0]}, SIZE)) is None
    assert segmentation(given({"map": one, "sizes": smooth(48, 64, 2)}, SIZE)) is None


def test_label_files_of_segmentations() -> None:
    values = {"map": softmax(smooth(48, 64, 4))}
    named = ("sky", "road", "car")
    assert segment_spec(values, labels=named).labels == ("background", *named)
    remark = ("???", *named, "", "255 is not counted")
    assert segment_spec(values, labels=remark).labels == ("???", *named)
    in_file = segment_spec(values, metadata=FileMetadata(labels=("a", *named)))
    assert in_file.labels == ("a", *named) and in_file.background == -1
    with pytest.raises(DataError, match="2 lines, the model has 4 classes"):
        recognise(given(values, SIZE, named[:2]))


@pytest.mark.parametrize(
    "values",
    [
        np.abs(smooth(48, 64, 1)) * 200,  # depths
        sigmoid(smooth(48, 64, 1) / 40),  # depths from 0 to 1
        sigmoid(smooth(48, 64, 3)),  # a picture
        np.tanh(smooth(48, 64, 3)),  # a picture
        np.abs(smooth(48, 64, 3)) * 40,  # a picture
        smooth(192, 256, 3),  # a larger picture
        sigmoid(smooth(12, 16, 17) - 2),  # heat maps of key points
        sigmoid(smooth(24, 32, 14) - 2),  # likewise
        smooth(6, 8, 18),  # anchors' boxes
        smooth(48, 40, 4),  # not over the image
        smooth(30, 40, 4),  # a U-Net without padding: not over all of it
        np.full((1, 48, 64, 3), math.nan, np.float32),
        np.full((1, 48, 64, 1), math.inf, np.float32),
        np.zeros((1, 48, 64, 0), np.float32),
    ],
    ids=lambda values: str(values.shape),
)
def test_what_only_looks_like_a_map_of_classes(values: np.ndarray) -> None:
    facts = given({"map": values}, SIZE)
    assert segmentation(facts) is None
    assert not isinstance(fomo(facts), Recognised)
    # Nor anything without a picture to look at the values on.
    assert segmentation(given({"map": values}, SIZE, seen=False)) is None


def grid_net(*, columns: int = 3, last: str = "SOFTMAX", enlarge: bool = False) -> bytes:
    """A net of one convolution at a stride of 8, called ``logits`` after ``head``."""
    build = ModelBuilder()
    image = build.tensor((1, 48, 64, 3), "float32", name="image")
    head = build.tensor((1, 6, 8, 4), "float32", name="model/head/Relu")
    rng = np.random.default_rng(1)
    weights = build.tensor((4, 8, 8, 3), "float32", data=rng.normal(0, 0.1, (4, 8, 8, 3)))
    bias = build.tensor((4,), "float32", data=np.zeros(4))
    build.op(
        "CONV_2D", (image, weights, bias), (head,), stride_w=8, stride_h=8, padding=1,
        fused_activation_function=1,
    )  # fmt: skip
    raw = build.tensor((1, 6, 8, columns), "float32", name="model/logits/BiasAdd")
    more = build.tensor((columns, 1, 1, 4), "float32", data=rng.normal(0, 2, (columns, 1, 1, 4)))
    shift = build.tensor((columns,), "float32", data=np.arange(columns)[::-1])
    build.op("CONV_2D", (head, more, shift), (raw,), stride_w=1, stride_h=1, padding=1)
    end, shape = raw, (1, 6, 8, columns)
    if enlarge:
        shape = (1, 12, 16, columns)
        size = build.tensor((2,), "int32", data=[12, 16])
        end = build.tensor(shape, "float32", name="large")
        build.op("RESIZE_BILINEAR", (raw, size), (end,))
    if last == "SLICE":  # the third of the softmaxed columns
        every = build.tensor(shape, "float32", name="scores")
        build.op("SOFTMAX", (end,), (every,), beta=1.0)
        start = build.tensor((4,), "int32", data=[0, 0, 0, 2])
        size = build.tensor((4,), "int32", data=[1, *shape[1:3], 1])
        end = build.tensor((*shape[:3], 1), "float32", name="third")
        build.op("SLICE", (every, start, size), (end,))
    elif last:
        out = build.tensor(shape, "float32", name="scores")
        build.op(last, (end,), (out,), **({"beta": 1.0} if last == "SOFTMAX" else {}))
        end = out
    return build.build([image], [end])


def test_a_coarse_softmax_that_nothing_enlarges_is_fomo() -> None:
    facts = built(grid_net())
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure and segmentation(facts) is None
    spec = answer.spec
    assert isinstance(spec, CentroidSpec) and spec.background and spec.labels == ("0", "1")
    assert (spec.level.rows, spec.level.cols, spec.level.stride) == (6, 8, 8)
    assert spec.activation == "none" and spec.score_threshold == 0.5
    assert any("'head' and 'logits'" in line for line in answer.evidence)
    assert recognise(built(grid_net(), ("background", "cup", "pen"))).spec.labels == ("cup", "pen")
    without = recognise(built(grid_net(last="")))
    assert isinstance(without, Recognised) and without.spec.activation == "softmax"


def test_an_enlarged_softmax_is_a_segmentation_and_a_sigmoid_grid_is_left_open() -> None:
    answer = recognise(built(grid_net(enlarge=True)))
    assert isinstance(answer, Recognised) and isinstance(answer.spec, SegmentSpec)
    assert answer.spec.stride == (4.0, 4.0)
    third = recognise(built(grid_net(last="SLICE", enlarge=True), ("person",)))
    assert isinstance(third, Recognised) and third.spec.labels == ("person",)
    assert third.spec.activation == "none" and third.spec.score_threshold == 0.5
    unclear = recognise(built(grid_net(last="LOGISTIC")))
    assert isinstance(unclear, Incomplete) and "kind" in unclear.missing
    assert "stride = 8" in unclear.missing["level"]

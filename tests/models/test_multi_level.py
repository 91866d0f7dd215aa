"""nano and ssdlite: shapes, specs, and what becomes of their boxes in int8."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.errors import ModelError, UsageError
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.evaluation.matching import iou_matrix
from edgecnn.models import nano, ssdlite
from edgecnn.models.anchors import anchor_boxes
from edgecnn.models.detector_spec import detect_spec

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.quantize import QuantizeRequest, quantize  # noqa: E402
from quantization.recipe import get_recipe  # noqa: E402
from tests.share import long_but_for  # noqa: E402

LABELS = ("cat", "dog")
ANCHORS = (((24.0, 24.0), (32.0, 20.0)), ((60.0, 48.0),), ((90.0, 90.0),))


@dataclass(frozen=True)
class Built:
    """A detector with random weights, and how it is decoded."""

    model: Any
    spec: DetectSpec
    shape: tuple[int, int, int]


@pytest.fixture(scope="module", params=long_but_for(("nano", "ssdlite"), "nano"))
def built(request: pytest.FixtureRequest) -> Built:
    nets.keras.utils.set_random_seed(5)
    if request.param == "nano":
        shape = (64, 96, 3)
        model = nano.build(shape, 2, width=0.25, channels=16, depth=1)
        spec = detect_spec(model, LABELS)
    else:
        shape = (96, 96, 3)
        model = ssdlite.build(shape, 2, width=0.25, anchors=ANCHORS)
        spec = detect_spec(model, LABELS, ANCHORS)
    spread(model, shape)
    return Built(model, spec, shape)


def spread(model: Any, shape: tuple[int, int, int]) -> None:
    """Heads that see different things in different cells, as trained ones do."""
    heads = [x for x in model.layers if x.name.endswith(("_scores", "_boxes"))]
    rng = np.random.default_rng(0)
    for layer in heads:
        kernel, bias = layer.get_weights()
        layer.set_weights([rng.normal(0, 1, kernel.shape), bias])
    seen = nets.keras.Model(model.inputs, [x.output for x in heads]).predict_on_batch(
        nets.samples(1, shape)[0]["image"]
    )
    for layer, values in zip(heads, seen, strict=True):
        kernel, bias = layer.get_weights()
        wanted = 2.0 if layer.name.endswith("_scores") else 0.3
        first = bias / 2 if layer.name.endswith("_scores") else bias
        bias = first + (bias - values.mean(axis=(0, 1, 2))) * wanted / values.std()
        layer.set_weights([kernel * wanted / values.std(), bias])


def test_outputs_and_spec_fit_each_other(built: Built) -> None:
    out = built.model.predict_on_batch(np.zeros((1, *built.shape), np.float32))
    count = built.spec.candidates
    assert out["scores"].shape == (1, count, 2) and out["boxes"].shape == (1, count, 4)
    height, width, _ = built.shape
    for level in built.spec.levels:
        assert (level.rows, level.cols) == (-(-height // level.stride), -(-width // level.stride))
    strides = {level.stride for level in built.spec.levels}
    assert strides == ({8, 16, 32} if built.spec.coding == "ltrb" else {16, 32, 64})
    assert [level.anchors for level in built.spec.levels] == (
        [(), (), ()] if built.spec.coding == "ltrb" else list(ANCHORS)
    )


def test_int8_finds_the_boxes_of_float(built: Built) -> None:
    items = [{built.model.inputs[0].name: s["image"]} for s in nets.samples(8, built.shape)]
    recipe = replace(get_recipe("int8"), samples=8)
    result = quantize(QuantizeRequest(built.model, nets.calibration(items), recipe))
    graph = read_model(result.model).main
    assert {graph.tensors[k].dtype for k in (*graph.inputs, *graph.outputs)} == {DType.INT8}
    assert {op.code for op in graph.operators} <= {
        "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "RESHAPE", "CONCATENATION",
        "RESIZE_NEAREST_NEIGHBOR",
    }  # fmt: skip
    small = LiteRTPredictor(result.model)
    scales = {info.name: info.scale for info in small.outputs}
    assert set(scales) == {"scores", "boxes"} and scales["scores"] != scales["boxes"]
    spec = replace(built.spec, score_threshold=0.3, nms_iou=0.99, thresholds=())
    whole = LiteRTPredictor(result.float32)
    image = items[0][built.model.inputs[0].name]
    wanted, found = (
        decode(replace(spec, max_detections=500), predictor.predict({"image": given}),
               predictor.outputs, None)
        for predictor, given in ((whole, image), (small, small.inputs[0].quantize(image)))
    )  # fmt: skip
    sure = wanted.scores > 0.45
    assert sure.sum() >= 5
    same = wanted.classes[:, None] == found.classes
    overlap = (iou_matrix(wanted.boxes, found.boxes) * same).max(axis=1)
    assert np.median(overlap[sure]) > 0.9 and (overlap[sure] > 0.7).mean() > 0.9


def test_untrained_detectors_say_background() -> None:
    for model in (
        nano.build((32, 48, 1), 3, width=0.25, channels=8, depth=1),
        ssdlite.build((96, 100, 3), 1, width=0.25),
    ):
        scores = model.predict_on_batch(np.zeros((1, *model.input_shape[1:])))["scores"]
        assert (1 / (1 + np.exp(-scores))).mean() < 0.1


def test_folded_detectors_have_biases_in_the_backbone_alone() -> None:
    model = nano.build((32, 32, 3), 1, width=0.25, channels=8, depth=1, batch_norm=False)
    norms = [x.name for x in model.layers if type(x).__name__ == "BatchNormalization"]
    assert norms and not [name for name in norms if name.startswith(("stem", "block"))]
    assert model.get_layer("stem").use_bias and not model.get_layer("lateral16").use_bias


@pytest.mark.parametrize(
    ("builder", "shape", "options", "why"),
    [
        (nano.build, (100, 96, 3), {}, "an input of 100 × 96.*multiples of 16"),
        (nano.build, (16, 64, 3), {}, "an input of 16 × 64"),
        (nano.build, (64, 64, 3), {"depth": 0}, "depth = 0, expected 1 to 8"),
        (nano.build, (64, 64, 3), {"channels": 600}, "channels = 600"),
        (nano.build, (64, 64, 3), {"width": 0.0}, "width"),
        (ssdlite.build, (63, 200, 3), {}, "SSD-Lite takes 64 pixels or more"),
        (ssdlite.build, (96, 96, 3), {"anchors": ANCHORS[:2]}, "anchors for 2 levels, expected 3"),
        (ssdlite.build, (96, 96, 3), {"anchors": ((), *ANCHORS[1:])}, "each with one"),
    ],
)
def test_wrong_options_are_refused(builder, shape, options, why) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        builder(shape, 2, **options)
    assert caught.value.hint
    with pytest.raises(UsageError, match="classes"):
        builder((96, 96, 3), 1001)


def test_a_spec_of_other_classes_is_refused(built: Built) -> None:
    with pytest.raises(ModelError, match="2 classes, the data 3"):
        detect_spec(built.model, ("a", "b", "c"))


def test_anchors_are_the_shapes_that_boxes_have() -> None:
    rng = np.random.default_rng(1)
    shapes = np.array([(20.0, 40.0), (70.0, 60.0), (110.0, 130.0), (300.0, 220.0)])
    sides = shapes[rng.integers(4, size=400)] * rng.uniform(0.95, 1.05, (400, 2))
    found = anchor_boxes(sides, count=4)
    assert [len(level) for level in found] == [2, 1, 1]
    assert np.allclose(np.concatenate(found), shapes, rtol=0.03)
    assert found == anchor_boxes(sides[::-1], count=4)


def test_every_level_has_an_anchor_whatever_the_boxes_are() -> None:
    for sides in ([(10.0, 10.0)], [(500.0, 400.0)] * 3, [(0.0, 5.0), (90.0, 90.0)], []):
        found = anchor_boxes(np.array(sides, float).reshape(-1, 2))
        assert len(found) == 3 and all(found) and min(min(a) for x in found for a in x) > 0
        assert sum(len(level) for level in found) <= 9

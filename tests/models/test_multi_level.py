"""nano and ssdlite: shapes, specs, anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgecnn.core.errors import ModelError, UsageError
from edgecnn.core.postprocess import DetectSpec
from edgecnn.models import nano, ssdlite
from edgecnn.models.anchors import anchor_boxes
from edgecnn.models.detector_spec import detect_spec

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")


LABELS = ("cat", "dog")
ANCHORS = (((24.0, 24.0), (32.0, 20.0)), ((60.0, 48.0),), ((90.0, 90.0),))


@dataclass(frozen=True)
class Built:
    """A detector with random weights, and how it is decoded."""

    model: Any
    spec: DetectSpec
    shape: tuple[int, int, int]


@pytest.fixture(scope="module", params=["nano", "ssdlite"])
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
    return Built(model, spec, shape)


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
        (ssdlite.build, (95, 200, 3), {}, "SSD-Lite takes 96 pixels or more"),
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

"""States: what one inference leaves is what the next one gets."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import BundleError
from edgecnn.core.feedback import Fed, state_pairs
from edgecnn.core.prepare import Preparer
from edgecnn.core.preprocess import ArrayInput, ImageInput, PreprocessSpec, StateInput
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from edgecnn.core.sample import Sample
from tests.builders import ModelBuilder

H = StateInput("h_in", (1, 4), "h_out")


def summing(dtype: str = "float32") -> LiteRTPredictor:
    """h_out = x + h_in; int8: with another scale of h_in, as calibration gives it."""
    scales = {"x": (0.1, 0), "h_in": (0.2, -3), "h_out": (0.25, 5)} if dtype == "int8" else {}
    build = ModelBuilder()
    h, x, out = (
        build.tensor((1, 4), dtype, *scales.get(name, (None, 0)), name=name)
        for name in ("h_in", "x", "h_out")
    )
    build.op("ADD", [x, h], [out])
    return LiteRTPredictor(build.build([h, x], [out]))


def test_sums_run_on_until_they_are_reset():
    fed = Fed(summing(), [H])
    assert [info.name for info in fed.inputs] == ["x"]
    assert [info.name for info in fed.outputs] == ["h_out"]
    values = np.random.default_rng(0).normal(size=(5, 1, 4)).astype(np.float32)
    for _ in range(2):
        for k, value in enumerate(values):
            got = fed.predict({"x": value})["h_out"]
            np.testing.assert_allclose(got, values[: k + 1].sum(0), rtol=1e-5, atol=1e-6)
        fed.reset()


def test_codes_of_another_scale_are_quantized_again():
    predictor = summing("int8")
    fed = Fed(predictor, [H])
    target, source = predictor.inputs[0], predictor.outputs[0]
    kept = np.full((1, 4), -3, np.int8)  # zero, as h_in has it
    for k in range(6):
        x = np.arange(4 * k, 4 * k + 4, dtype=np.int8)[None]
        expected = predictor.predict({"x": x, "h_in": kept})["h_out"]
        np.testing.assert_array_equal(fed.predict({"x": x})["h_out"], expected)
        real = (expected.astype(np.float64) - source.zero_point) * source.scale
        kept = np.clip(np.rint(real / target.scale) + target.zero_point, -128, 127).astype(np.int8)
    assert (kept > 3).all()


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (StateInput("h", (1, 4), "h_out"), "names the input 'h', the model has"),
        (StateInput("h_in", (1, 4), "y"), "fed from 'y', which is no output of the model"),
        (StateInput("h_in", (1, 5), "h_out"), r"is \[1, 5\] in the preprocess spec, \[1, 4\] in"),
    ],
)
def test_states_that_do_not_fit(state, text):
    with pytest.raises(BundleError, match=text):
        Fed(summing(), [state])


def test_without_states_it_is_the_predictor():
    predictor = summing()
    fed = Fed(predictor)
    assert fed.inputs == predictor.inputs
    value = np.ones((1, 4), np.float32)
    assert fed.predict({"x": value, "h_in": value})["h_out"].tolist() == [[2, 2, 2, 2]]


def test_photos_stand_alone():
    image = ImageInput("image", 4, 4, scale=(1.0,))
    infos = [TensorInfo("h_in", (1, 4), "int8", 0.5, 7), TensorInfo("image", (1, 4, 4, 3), "uint8")]
    prepare = Preparer(PreprocessSpec((H, image)), infos)
    for _ in range(2):
        tensors, _ = prepare(Sample("p", np.full((8, 8, 3), 9, np.uint8)))
        assert tensors["h_in"].tolist() == [[7] * 4]
        assert (tensors["image"] == 9).all()


def test_the_image_of_a_spec_with_states():
    image = ImageInput("image", 4, 4)
    spec = PreprocessSpec((H, image))
    assert spec.image is image
    assert spec.states == (H,)
    other = ImageInput("image", 4, 4, "bgr")
    assert spec.with_image(other).inputs == (H, other)
    more = PreprocessSpec((image, H, ArrayInput("iou", (1,)), ArrayInput("top", (1,))))
    with pytest.raises(BundleError, match="inputs 'iou', 'top' are neither its image nor states"):
        _ = more.image


def infos(*names: str, shape: tuple[int, ...] = (1, 8)) -> list[TensorInfo]:
    return [TensorInfo(name, shape, "float32") for name in names]


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected", "sure"),
    [
        (("h_in", "c_in"), ("c_out", "h_out"), {"h_in": "h_out", "c_in": "c_out"}, True),
        (("r1i", "r2i"), ("fgr", "r2o", "r1o"), {"r1i": "r1o", "r2i": "r2o"}, True),
        (("state",), ("scores", "new_state"), {"state": "new_state"}, True),
        (("h0", "c0"), ("hn", "cn"), {"h0": "hn", "c0": "cn"}, True),
        (("serving_default_prevState:0",), ("x", "net/nextState:0"),
         {"serving_default_prevState:0": "net/nextState:0"}, True),
        (("args_1",), ("Identity_1",), {"args_1": "Identity_1"}, False),
        (("args_1", "args_2"), ("Identity", "Identity_1"),
         {"args_1": "Identity", "args_2": "Identity_1"}, False),
        (("args_1",), ("Identity", "Identity_1"), {}, False),
    ],
)  # fmt: skip
def test_pairs_by_name_then_by_shape(inputs, outputs, expected, sure):
    found = state_pairs(infos(*inputs), infos(*outputs))
    assert {pair.state.name: pair.state.source for pair in found} == expected
    assert all(pair.sure is sure for pair in found)
    assert all(f"'{pair.state.name}' is fed from" in pair.why for pair in found)


def test_another_shape_or_type_is_no_state():
    assert state_pairs(infos("h_in"), infos("h_out", shape=(1, 9))) == ()
    assert state_pairs([TensorInfo("h_in", (1, 8), "int8")], infos("h_out")) == ()
    # One number is no evidence: a threshold and a count are alike.
    assert state_pairs(infos("iou", shape=(1,)), infos("count", shape=(1,))) == ()

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.graph.params import along
from quantization.graph.weights import Layer, quantize_layer
from quantization.recipe import get_recipe
from quantization.work import Plan, Range, WeightCodes
from tests.builders import ModelBuilder


def layers() -> st.SearchStrategy[Layer]:
    """Channels from dead to huge, biases from none to enormous."""

    def make(seed, channels, bias, per_channel, wide, exponent):
        rng = np.random.default_rng(seed)
        values = rng.normal(0, 1, (channels, 3, 3)) * 10.0 ** rng.uniform(-12, 4, (channels, 1, 1))
        values[rng.random(channels) < 0.3] = 0.0
        biases = None
        if bias:
            biases = rng.normal(0, 1, channels) * 10.0 ** rng.uniform(-6, 9, channels)
            biases = biases.astype(np.float32)
        return Layer(values.astype(np.float32), biases, 0, per_channel, 10.0**exponent, wide)

    return st.builds(
        make, st.integers(0, 10**6), st.integers(1, 6), st.booleans(), st.booleans(),
        st.booleans(), st.floats(-7, 3),
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(layers())
def test_biases_never_overflow(layer):
    done = quantize_layer(layer)
    scales = len(layer.values) if layer.per_channel else 1
    assert done.codes.dtype == np.int8 and np.abs(done.codes.astype(int)).max() <= 127
    assert done.scale.shape == done.bias_scale.shape == (scales,)
    assert (done.scale > 0).all() and (done.bias_scale > 0).all()
    assert np.isfinite(done.scale).all()
    if layer.bias is None:
        assert done.bias is None
        return
    limit = 2**40 if layer.wide else 2**30
    assert done.bias.dtype == (np.int64 if layer.wide else np.int32)
    assert np.abs(done.bias.astype(np.float64)).max() <= limit * 1.000001
    # As LiteRT checks it: the bias scale is the product of the two others.
    product = done.scale.astype(np.float64) * layer.input_scale
    np.testing.assert_allclose(done.bias_scale, product, rtol=1e-6)
    back = done.bias * np.broadcast_to(product, layer.bias.shape)
    slack = np.abs(layer.bias) * 1e-6 + product * 0.51
    assert (np.abs(back - layer.bias) <= slack).all()


@settings(max_examples=50, deadline=None)
@given(layers())
def test_weights_stay_within_half_a_step(layer):
    done = quantize_layer(layer)
    steps = along(done.scale, 0, 3).astype(np.float64)
    assert (np.abs(done.codes * steps - layer.values) <= steps * 0.5001).all()


def test_only_the_channel_with_the_huge_bias_gets_coarser():
    values = np.array([[1.0, -0.5], [1.0, -0.5]], np.float32)
    bias = np.array([0.1, 1e9], np.float32)
    plain = quantize_layer(Layer(values, None, 0, True, 0.01))
    done = quantize_layer(Layer(values, bias, 0, True, 0.01))
    assert done.scale[0] == plain.scale[0] and done.scale[1] > 10 * plain.scale[1]
    np.testing.assert_array_equal(done.codes[0], plain.codes[0])
    assert done.bias[1] == pytest.approx(2**30, rel=1e-6)


def test_chosen_codes_stay_where_they_can():
    values = np.array([[1.0, -0.5], [1.0, -0.5]], np.float32)
    given = WeightCodes(np.array([[100, -50], [100, -50]], np.int8), np.full(2, 0.01, np.float32))
    done = quantize_layer(
        Layer(values, np.array([0.1, 1e9], np.float32), 0, True, 0.01, given=given)
    )
    np.testing.assert_array_equal(done.codes, [[100, -50], [0, 0]])
    assert done.scale[0] == np.float32(0.01)


def test_per_tensor_codes_for_a_per_channel_layer():
    values = np.array([[1.0, -0.5], [0.1, 0.2]], np.float32)
    given = WeightCodes(np.full((2, 2), 3, np.int8), np.array([0.3], np.float32))
    done = quantize_layer(Layer(values, np.zeros(2, np.float32), 0, True, 0.01, given=given))
    assert done.scale.shape == (1,) and (done.codes == 3).all() and done.bias.shape == (2,)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["int8", "int8-per-tensor", "int16x8"]))
def test_litert_runs_extreme_layers(seed, name):
    """Dead channels, huge and tiny weights and biases: LiteRT prepares, runs and is right."""
    rng = np.random.default_rng(seed)
    build = ModelBuilder()
    channels = 5
    x = build.tensor((1, 4, 4, 3), "float32", name="x")
    weights = rng.normal(0, 1, (channels, 3, 3, 3)) * 10.0 ** rng.uniform(
        -9, 2, (channels, 1, 1, 1)
    )
    weights[rng.random(channels) < 0.4] = 0.0
    bias = rng.normal(0, 1, channels) * 10.0 ** rng.uniform(-4, 5, channels)
    w = build.tensor(weights.shape, "float32", data=weights)
    b = build.tensor((channels,), "float32", data=bias)
    y = build.tensor((1, 4, 4, channels), "float32", name="y")
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    data = build.build([x], [y])
    sample = {"x": rng.uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32)}
    real = LiteRTPredictor(data).predict(sample)["y"]
    ranges = {x: Range(-1.0, 1.0), y: Range(float(real.min()), float(real.max()))}
    done = write_model(emit(read_model(data), Plan(get_recipe(name), ranges)))
    for resolver in ("reference", "auto"):
        runner = LiteRTPredictor(done, resolver=resolver)
        (info,) = runner.inputs
        got = runner.outputs[0].dequantize(runner.predict({"x": info.quantize(sample["x"])})["y"])
        peak = np.abs(real).max() + np.abs(weights).max()
        assert np.abs(got - real).max() <= 0.05 * peak

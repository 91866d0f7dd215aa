"""Figures of layers against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import DataError, QuantizationError
from edgecnn.core.tflite.model import DType, Quantization, TfTensor
from edgecnn.core.tflite.reader import read_model
from quantization.calibration.histogram import Scratch
from quantization.inspection.accumulate import Layer, Sums
from quantization.inspection.distributions import Bins, bins_of
from quantization.inspection.measure import measure
from quantization.inspection.weights import weight_stats
from tests.quantization.inspection.models import float_net, quantized, samples, scaled

litert = pytest.importorskip("ai_edge_litert.interpreter")


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 1000))
def test_errors_equal_numpy(chunks: int, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    want = rng.normal(0, 3, (chunks, 7, channels))
    got = want + rng.normal(0.1, 0.2, want.shape)
    sums = Sums(channels)
    for a, b in zip(want, got, strict=True):
        sums.add(a, b)
    found = sums.result()
    noise = got - want
    assert found is not None
    assert found.sqnr_db == pytest.approx(10 * np.log10((want**2).mean() / (noise**2).mean()))
    cosine = (want * got).sum() / np.linalg.norm(want) / np.linalg.norm(got)
    assert found.cosine == pytest.approx(cosine)
    by_channel = 10 * np.log10((want**2).mean((0, 1)) / (noise**2).mean((0, 1)))
    np.testing.assert_allclose(found.channel_db, by_channel)
    assert found.shift == pytest.approx(noise.mean() / np.sqrt((want**2).mean()))
    bias = (noise.mean((0, 1)) ** 2).sum() / (noise**2).mean((0, 1)).sum()
    assert found.bias_share == pytest.approx(bias)
    assert found.noise == pytest.approx((noise**2).mean())


def test_a_golden_sqnr_by_hand() -> None:
    sums = Sums(2)
    sums.add(np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([[3.5, 0.0], [3.5, 0.0]]))
    found = sums.result()
    # Σ want² = 25, Σ noise² = 0.5: 10·log10(50); the second channel has no signal.
    assert found is not None
    assert found.sqnr_db == pytest.approx(16.9897, abs=1e-4)
    assert found.channel_db[0] == pytest.approx(16.9897, abs=1e-4)
    assert math.isnan(found.channel_db[1])
    assert found.bias_share == 0


def coded(dtype: DType, scale: float, zero: int, shape: tuple[int, ...]) -> TfTensor:
    return TfTensor(0, "x", shape, shape, dtype, Quantization((scale,), (zero,)))


def test_codes_and_clipping_by_hand() -> None:
    layer = Layer(coded(DType.INT8, 0.1, -128, (1, 6)), Scratch())
    # Codes reach 0 to 25.5. 25.55 lies half a step outside, 40 and −3 are clipped.
    real = np.array([[0.0, 10.0, 25.55, 40.0, -3.0, 0.04]], np.float32)
    raw = np.array([[-128, -28, 127, 127, -128, -128]], np.int8)
    layer.add(real, raw, None)
    coding, values = layer.coding(), layer.values()
    assert coding is not None
    assert (coding.low, coding.high) == pytest.approx((0.0, 25.5))
    assert (coding.levels, coding.used) == (256, 3)
    assert (coding.at_low, coding.at_high) == (3 / 6, 2 / 6)
    assert coding.clipped == 2 / 6
    excess = (40 - 25.5) ** 2 + 3.0**2
    power = float((real.astype(np.float64) ** 2).sum())
    assert coding.clip_db == pytest.approx(10 * np.log10(power / excess), abs=1e-4)
    assert (values.low, values.high) == (-3.0, 40.0)
    assert values.own is not None and values.own.total == 6
    assert values.own.counts[0] == 3 and values.own.counts[100] == 1


def test_int16_codes() -> None:
    layer = Layer(coded(DType.INT16, 1 / 1000, 0, (1, 3)), Scratch())
    layer.add(None, np.array([[-32768, 0, 100]], np.int16), None)
    coding = layer.coding()
    assert coding is not None
    assert (coding.levels, coding.used) == (65536, 32868 + 1)
    assert coding.at_low == 1 / 3
    assert coding.clipped is None and coding.clip_db is None
    assert layer.values().own is not None


@given(st.integers(0, 100), st.sampled_from([1.0, 1e-6, 1e6]))
def test_bins_hold_every_value(seed: int, factor: float) -> None:
    values = np.random.default_rng(seed).normal(0, factor, 500).astype(np.float32)
    bins = bins_of(values)
    assert bins is not None and bins.total == 500
    assert bins.low <= values.min() and values.max() <= bins.high
    fewer = bins.fewer(10)
    assert fewer.total == 500 and len(fewer.counts) <= 10
    width = (bins.high - bins.low) / len(bins.counts)
    assert abs(bins.quantile(0.5) - np.median(values)) <= 2 * width


def test_bins_of_nothing_and_of_one_value() -> None:
    assert bins_of(np.array([np.nan, np.inf])) is None
    one = bins_of(np.full(3, 7.0))
    assert one is not None and one.total == 3
    assert math.isnan(Bins(0, 1, (0, 0)).quantile(0.5))


def test_the_added_error_is_the_layer_alone() -> None:
    """A pointwise convolution recomputed in numpy from what the quantized layer really read."""
    net, given = float_net("NONE"), samples(3)
    model = quantized(net, given)
    found = {layer.name: layer for layer in measure(model, net, given).layers}
    layer = found["block_2_pw"]
    graph = read_model(model).main
    op = graph.operators[layer.index]
    source, output = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    floats = {tensor.name: tensor.data for tensor in read_model(net).main.tensors}
    kernel = floats["block_2_pw/w"][:, 0, 0, :].astype(np.float64)
    runner = litert.Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner.allocate_tensors()
    detail = runner.get_input_details()[0]
    scale, zero = detail["quantization"]
    want, got = [], []
    for sample in given:
        raw = np.clip(np.rint(sample["image"].astype(np.float64) / scale) + zero, -128, 127)
        runner.set_tensor(detail["index"], raw.astype(np.int8))
        runner.invoke()
        read = real(runner, source)
        want.append(read @ kernel.T + floats["block_2_pw/b"])
        got.append(real(runner, output))
    a, b = np.stack(want), np.stack(got)
    expected = 10 * np.log10((a**2).sum() / ((a - b) ** 2).sum())
    assert layer.added is not None and layer.total is not None
    assert layer.added.sqnr_db == pytest.approx(expected, abs=0.01)
    assert layer.added.sqnr_db > layer.total.sqnr_db


def real(runner, tensor: TfTensor) -> np.ndarray:
    raw = runner.get_tensor(tensor.index).astype(np.float64)
    return (raw - tensor.quantization.zero_point[0]) * tensor.quantization.scale[0]


@pytest.mark.parametrize("recipe", ["int8", "int16x8", "dynamic", "float16"])
def test_every_layer_of_every_recipe_is_measured(recipe: str) -> None:
    net, given = float_net(), samples(2)
    found = measure(quantized(net, given, recipe), net, given)
    assert found.samples == 2
    names = {layer.name for layer in found.layers}
    assert {"stem", "block_1_dw", "add", "mean", "dense", "scores"} <= names
    for layer in found.layers:
        assert layer.total is not None and layer.added is not None
        assert layer.total.sqnr_db > 20
        assert (layer.coding is None) == (recipe in ("dynamic", "float16"))


def test_a_clean_layer_behind_a_bad_one_is_not_blamed() -> None:
    net, given = scaled(float_net(), "block_1_pw", 100.0, 5), samples(4)
    found = {layer.name: layer for layer in measure(quantized(net, given), net, given).layers}
    behind = found["block_3_pw"]
    assert behind.total is not None and behind.added is not None
    assert behind.total.sqnr_db < behind.added.sqnr_db - 5
    assert behind.added.sqnr_db > 30


def test_without_a_float_model_values_and_codes_are_known() -> None:
    model = quantized(float_net(), samples())
    found = measure(model, None, samples(2))
    for layer in found.layers:
        assert layer.total is None and layer.added is None
        assert layer.coding is not None and layer.coding.clipped is None
        assert layer.values.real is None and layer.values.own is not None


def test_what_does_not_fit_is_refused() -> None:
    net = float_net()
    model = quantized(net, samples())
    with pytest.raises(DataError, match="no samples"):
        measure(model, net, [])
    with pytest.raises(DataError, match=r"'image' is \[1, 2\]"):
        measure(model, net, [{"image": np.zeros((1, 2), np.float32)}])
    with pytest.raises(DataError, match=r"the model takes \['image'\]"):
        measure(model, net, [{"picture": np.zeros((1, 12, 12, 3), np.float32)}])
    broken = samples(1)
    broken[0]["image"][0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN or infinity"):
        measure(model, net, broken)
    other = quantized(float_net(), samples())
    with pytest.raises(QuantizationError, match="different inputs"):
        from tests.builders import tiny_classifier

        measure(other, tiny_classifier(), samples(1))


def test_weights_by_channel_against_numpy() -> None:
    net = float_net()
    floats, graph = read_model(net).main, read_model(quantized(net, samples())).main
    op = next(op for op in graph.operators if graph.op_name(op) == "block_1_dw")
    tensor = graph.tensors[op.inputs[1]]
    reference = next(t.data for t in floats.tensors if t.name == "block_1_dw/w")
    stats = weight_stats(graph, op, reference.astype(np.float64))
    stored = tensor.data * np.asarray(tensor.quantization.scale)
    noise = ((stored - reference) ** 2).sum((0, 1, 2))
    expected = 10 * np.log10((reference.astype(np.float64) ** 2).sum((0, 1, 2)) / noise)
    assert stats is not None and stats.channel_db is not None
    np.testing.assert_allclose(stats.channel_db, expected, rtol=1e-6)
    np.testing.assert_allclose(stats.ranges, np.abs(reference).max((0, 1, 2)))
    assert stats.scales == 16 and not stats.per_tensor and stats.dtype == "int8"

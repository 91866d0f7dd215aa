"""Bias correction: against means taken by running the models, and against scipy's normal."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import calibrate
from quantization.convert import to_float
from quantization.freeze import load_and_freeze
from quantization.graph.emit import emit
from quantization.graph.taps import with_outputs
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import Recipe, get_recipe
from quantization.steps import correct_bias
from quantization.steps.bias_moments import clipped_normal, input_moments
from quantization.steps.layer_walk import layers_of
from quantization.work import StepContext, WeightCodes, Work
from tests.builders import ModelBuilder
from tests.quantization import nets


def float_model(net: Any) -> TfModel:
    return read_model(to_float(load_and_freeze(net)))


def context(recipe: Recipe, items: list[dict[str, Any]]) -> StepContext:
    return StepContext(recipe, nets.calibration(items), SilentProgress(), SerialExecutor())


def calibrated(model: TfModel, given: StepContext) -> Work:
    ranges = calibrate(model, given.calibration(), given.recipe, given.executor, given.progress)
    return Work(model, ranges)


def mean_of(model: TfModel, tensor: int, items: list[dict[str, Any]]) -> np.ndarray:
    """A tensor's mean per channel over samples and places, by running the model."""
    predictor = LiteRTPredictor(write_model(with_outputs(model, [tensor])))
    (source,), (result,) = predictor.inputs, predictor.outputs
    values = [
        result.dequantize(
            predictor.predict({source.name: source.quantize(item[source.name])})[result.name]
        )
        for item in items
    ]
    return np.concatenate(values).reshape(-1, values[0].shape[-1]).mean(axis=0, dtype=np.float64)


def named(model: TfModel, name: str) -> int:
    return next(t.index for t in model.main.tensors if t.name == name)


def two_layers(*, bias: bool) -> tuple[TfModel, list[dict[str, Any]]]:
    """Two dense layers on positive inputs, 36 rows each; the first one may lack a bias."""
    rng = np.random.default_rng(5)
    build = ModelBuilder()
    x = build.tensor((1, 36, 4), "float32", name="image")
    y = build.tensor((1, 36, 5), "float32", name="first")
    z = build.tensor((1, 36, 3), "float32", name="second")
    w = build.tensor((5, 4), "float32", data=rng.normal(size=(5, 4)), name="w1")
    v = build.tensor((3, 5), "float32", data=rng.normal(size=(3, 5)), name="w2")
    inputs = [x, w]
    if bias:
        inputs.append(build.tensor((5,), "float32", data=rng.normal(size=5), name="b1"))
    c = build.tensor((3,), "float32", data=rng.normal(size=3), name="b2")
    build.op("FULLY_CONNECTED", inputs, [y], keep_num_dims=True)
    build.op("FULLY_CONNECTED", [y, v, c], [z], keep_num_dims=True)
    model = read_model(build.build([x], [z]))
    items = [{"image": rng.uniform(0, 1, (1, 36, 4)).astype(np.float32)} for _ in range(16)]
    return model, items


@pytest.mark.parametrize("bias", [True, False])
def test_planted_errors_are_taken_out_to_the_last_step(bias: bool) -> None:
    model, items = two_layers(bias=bias)
    given = context(get_recipe("int8"), items)
    work = calibrated(model, given)
    index = named(model, "w1")
    values = np.asarray(model.main.tensors[index].data)
    scale = np.abs(values).max(keepdims=True).reshape(1) / 127
    codes = np.rint(values / scale) + 6  # every weight too large
    chosen = WeightCodes(np.clip(codes, -127, 127).astype(np.int8), scale.astype(np.float32))
    work = replace(work, weights={index: chosen})
    outcome = correct_bias.apply(work, given)
    assert outcome.applied and "of 2 layers" in outcome.note
    for name in ("first", "second"):
        wanted = mean_of(model, named(model, name), items)
        means = []
        for state in (work, outcome.work):
            quantized = emit(state.model, state.plan(given.recipe))
            means.append(mean_of(quantized, named(quantized, name), items))
        before, after = (np.abs(mean - wanted).max() for mean in means)
        assert after < 0.1 * before and after < 0.02
    # What was added to the first bias is the difference of the means, taken by brute force.
    plain = emit(work.model, work.plan(given.recipe))
    off = mean_of(model, named(model, "first"), items) - mean_of(
        plain, named(plain, "first"), items
    )
    op = outcome.work.model.main.operators[0]
    new = np.asarray(outcome.work.model.main.tensors[op.inputs[2]].data)
    old = np.asarray(model.main.tensors[named(model, "b1")].data) if bias else 0.0
    np.testing.assert_allclose(new - old, off, atol=0.01)


def test_what_stands_in_the_graph_keeps_its_place() -> None:
    model, items = two_layers(bias=False)
    given = context(get_recipe("int8"), items)
    outcome = correct_bias.apply(calibrated(model, given), given)
    before, after = model.main, outcome.work.model.main
    assert [t.name for t in after.tensors[: len(before.tensors)]] == [
        t.name for t in before.tensors
    ]
    assert [op.code for op in after.operators] == [op.code for op in before.operators]
    assert outcome.work.ranges is not None and outcome.work.keras_model is None


def test_shared_bias_is_parted() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32", name="x")
    y, z = (build.tensor((1, 4), "float32", name=name) for name in "yz")
    b = build.tensor((4,), "float32", data=np.ones(4), name="b")
    for source, result, factor in ((x, y, 1.0), (y, z, 2.0)):
        w = build.tensor((4, 4), "float32", data=factor * np.eye(4), name=f"w{result}")
        build.op("FULLY_CONNECTED", [source, w, b], [result])
    model = read_model(build.build([x], [z]))
    work = Work(model)
    for number, layer in enumerate(layers_of(model)):
        work = correct_bias.with_bias(work, layer, np.full(4, number + 1.0))
    graph = work.model.main
    found = [np.asarray(graph.tensors[op.inputs[2]].data) for op in graph.operators]
    np.testing.assert_array_equal(found, [[2.0] * 4, [3.0] * 4])


def test_error_behind_the_activation_counts() -> None:
    rng = np.random.default_rng(2)
    wanted = rng.normal(-1, 1, (50, 10, 3)).astype(np.float32)
    # What is below zero is off too, and is clipped away: it must not pull at the bias.
    got = (wanted - np.where(wanted > 0, 0.2, 3.0)).astype(np.float32)
    clip = (0.0, math.inf)
    found = correct_bias.clipped_shift(wanted, got, clip)
    grid = np.linspace(-1, 3, 401)
    errors = [
        np.square(np.clip(wanted, *clip) - np.clip(got + step, *clip)).mean(axis=(0, 1))
        for step in grid.astype(np.float32)
    ]
    best = np.min(errors, axis=0)
    error = np.square(np.clip(wanted, *clip) - np.clip(got + found, *clip)).mean(axis=(0, 1))
    plain = correct_bias.mean_shift(wanted, got, clip)
    naive = np.square(np.clip(wanted, *clip) - np.clip(got + plain, *clip)).mean(axis=(0, 1))
    assert (error < 1.1 * best + 1e-5).all() and (error < naive).all()


def test_chance_is_not_corrected() -> None:
    rng = np.random.default_rng(4)
    wanted = rng.normal(0, 1, (20, 30, 400)).astype(np.float32)
    luck = wanted + rng.normal(0, 0.3, (20, 1, 400)).astype(np.float32)
    clip = (-math.inf, math.inf)
    found = correct_bias.mean_shift(wanted, luck, clip)
    plain = (wanted - luck).mean(axis=(0, 1))
    assert np.square(found).sum() < 0.5 * np.square(plain).sum()
    sure = correct_bias.mean_shift(wanted, luck - 1, clip)
    np.testing.assert_allclose(sure, plain + 1, rtol=0.05)


@given(
    st.floats(-4, 4), st.floats(0.05, 5), st.sampled_from([(0, math.inf), (0, 6), (-1, 1)])
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_clipped_normal_against_scipy(
    mean: float, spread: float, clip: tuple[float, float]
) -> None:
    stats = pytest.importorskip("scipy.stats")
    found = clipped_normal(np.array([mean]), np.array([spread]), *clip)
    normal = stats.norm(mean, spread)
    low, high = (float(np.clip(mean + sign * 12 * spread, *clip)) for sign in (-1, 1))
    edges = normal.cdf(clip[0]), normal.sf(clip[1])
    moments = []
    for power in (1, 2):
        inner = normal.expect(lambda x, p=power: x**p, lb=low, ub=high) if high > low else 0.0
        ends = [x**power * p if p else 0.0 for x, p in zip(clip, edges, strict=True)]
        moments.append(inner + sum(ends))
    np.testing.assert_allclose(found.mean[0], moments[0], atol=1e-6)
    assert found.deviation is not None
    variance = max(moments[1] - moments[0] ** 2, 0.0)
    np.testing.assert_allclose(found.deviation[0] ** 2, variance, atol=1e-5)


def normalized(items: list[dict[str, Any]]) -> Any:
    """A net whose batch norms hold the statistics of these samples, as after training."""
    keras, layers = nets.keras, nets.layers
    keras.utils.set_random_seed(7)
    x = image = keras.Input(nets.SHAPE, name="image")
    for k in range(3):
        x = layers.Conv2D(12, 3, use_bias=False, name=f"conv{k}")(x)
        x = layers.BatchNormalization(momentum=0.0, name=f"norm{k}")(x)
        x = layers.ReLU(6.0, name=f"relu{k}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(image, layers.Dense(4, name="scores")(x))
    rng = np.random.default_rng(3)
    batch = np.concatenate([item["image"] for item in items])
    for k in range(3):
        norm = model.get_layer(f"norm{k}")
        norm.gamma.assign(rng.uniform(0.5, 1.5, 12))
        norm.beta.assign(rng.normal(0.3, 0.5, 12))
    for _ in range(4):
        model(batch, training=True)
    return model


def test_moments_of_batch_norms_are_those_of_the_data() -> None:
    items = nets.samples(48)
    net = normalized(items)
    model = float_model(net)
    found = input_moments(model, net)
    seen = 0
    for layer in layers_of(model)[1:]:
        golden = mean_of(model, layer.data, items)
        np.testing.assert_allclose(found[layer.data].mean, golden, atol=0.08)
        seen += 1
    assert seen == 3


def test_without_samples_batch_norms_correct() -> None:
    items = nets.samples(32)
    net = normalized(items)
    # Few codes per tensor, so that there is something to correct: one large weight.
    model = float_model(net)
    kernel = net.get_layer("conv1").get_weights()
    kernel[0][0, 0, 0, 0] = 40.0
    net.get_layer("conv1").set_weights(kernel)
    net = normalized_again(net, items)
    model = float_model(net)
    recipe = replace(get_recipe("dynamic"), conv_weights="per-tensor")
    given = context(recipe, [])
    work = Work(model, keras_model=net)
    outcome = correct_bias.apply(work, given)
    assert outcome.applied and "batch norms" in outcome.note
    without = correct_bias.apply(replace(work, keras_model=None), given)
    assert not without.applied and "batch norms" in without.note
    name = "conv1"
    index = next(op.outputs[0] for op in model.main.operators if name in model.main.op_name(op))
    wanted = mean_of(model, index, items)
    errors = []
    for state in (work, outcome.work):
        quantized = emit(state.model, state.plan(recipe))
        position = named(quantized, model.main.tensors[index].name)
        errors.append(np.abs(mean_of(quantized, position, items) - wanted).mean())
    assert errors[1] < 0.7 * errors[0]


def normalized_again(net: Any, items: list[dict[str, Any]]) -> Any:
    batch = np.concatenate([item["image"] for item in items])
    for _ in range(4):
        net(batch, training=True)
    return net


@pytest.mark.parametrize("name", ["int8", "int8-per-tensor"])
def test_whole_models_do_not_get_worse(name: str) -> None:
    model = float_model(nets.classifier())
    items = nets.samples(24)
    given = context(get_recipe(name), items)
    work = calibrated(model, given)
    outcome = correct_bias.apply(work, given)
    again = correct_bias.apply(work, given)
    tensor = model.main.outputs[0]
    fresh = nets.samples(40, seed=77)
    wanted = mean_of(model, tensor, fresh)
    results = []
    for state in (work, outcome.work, again.work):
        quantized = emit(state.model, state.plan(given.recipe))
        results.append(np.abs(mean_of(quantized, quantized.main.outputs[0], fresh) - wanted).mean())
    assert results[1] <= results[0] + 1 / 256
    assert write_model(outcome.work.model) == write_model(again.work.model)


def test_float_weights_are_not_served() -> None:
    given = context(get_recipe("float16"), nets.samples(16))
    work = Work(float_model(nets.classifier()))
    outcome = correct_bias.apply(work, given)
    assert not outcome.applied and "float16" in outcome.note and outcome.work is work

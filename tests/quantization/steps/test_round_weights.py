"""Adaptive rounding: against brute force, against AdaRound by gradients, and on whole models."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
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
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import LayerOverride, Recipe, get_recipe
from quantization.steps import correct_bias, round_weights
from quantization.steps.layer_statistics import statistics
from quantization.steps.rounding_solver import (
    Problem,
    Rounding,
    descend,
    error_feedback,
    nearest,
    solve,
)
from quantization.work import StepContext, Work
from tests.builders import ModelBuilder
from tests.quantization import nets


def problem(
    seed: int, depth: int, outputs: int = 2, *, groups: int = 1, shared: bool = False
) -> tuple[Problem, np.ndarray]:
    """A layer with correlated inputs, and the scale of rounding to the nearest."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(groups, depth, depth))
    x = (rng.normal(size=(groups, 4 * depth, depth)) @ mixing).astype(np.float32)
    error = (0.3 * rng.normal(size=(groups, 4 * depth, outputs))).astype(np.float32)
    weights = rng.normal(size=(groups, depth, outputs))
    axes = (0, 1, 2) if shared else 1
    scale = np.broadcast_to(np.abs(weights).max(axis=axes, keepdims=True) / 3, (groups, 1, outputs))
    scale = scale.astype(np.float32).astype(np.float64)
    return Problem.of(weights, statistics(x, error).means(), 0.001, shared=shared), scale


@given(st.integers(0, 9999), st.integers(1, 80), st.integers(1, 3), st.booleans())
@settings(deadline=None, max_examples=40)
def test_never_worse_than_the_nearest(seed: int, depth: int, groups: int, shared: bool) -> None:
    task, scale = problem(seed, depth, groups=groups, shared=shared)
    plain = task.errors(Rounding(nearest(task.weights, scale), scale))
    found = solve(task, scale)
    after = task.errors(found)
    assert after.sum() <= plain.sum() * (1 + 1e-9)
    if shared:
        assert np.unique(found.scale).size == 1
    else:
        assert (after <= plain * (1 + 1e-9) + 1e-12).all()
    assert np.abs(found.codes).max() <= 127
    np.testing.assert_array_equal(found.codes, np.rint(found.codes))
    np.testing.assert_array_equal(found.scale, found.scale.astype(np.float32))


def brute_force(task: Problem, scale: np.ndarray) -> np.ndarray:
    """The least error per output over all codes near the weights."""
    base = np.floor(task.weights / scale)
    best = np.full(task.energy.shape, np.inf)
    for steps in itertools.product((-1, 0, 1, 2), repeat=task.weights.shape[1]):
        codes = base + np.array(steps, np.float64)[None, :, None]
        best = np.minimum(best, task.errors(Rounding(codes, scale)))
    return best


def test_tiny_layers_come_close_to_brute_force() -> None:
    ratios = []
    for seed in range(12):
        task, scale = problem(seed, 5)
        starts = (nearest(task.weights, scale), error_feedback(task, scale))
        ways = [task.errors(descend(task, Rounding(codes, scale))) for codes in starts]
        ratios.append((np.minimum(*ways) / brute_force(task, scale)).ravel())
        freed = task.errors(solve(task, scale))
        # With the scale free, brute force at the first scale is no limit.
        assert freed.sum() <= np.minimum(*ways).sum() * (1 + 1e-9)
    flat = np.concatenate(ratios)
    assert np.mean(flat < 1 + 1e-6) > 0.6
    assert np.median(flat) < 1 + 1e-6
    assert flat.mean() < 1.2


def test_independent_inputs_are_solved_exactly() -> None:
    task, scale = problem(1, 5)
    diagonal = task.gram * np.eye(5)
    task = replace(task, gram=diagonal)
    found = task.errors(descend(task, Rounding(nearest(task.weights, scale), scale)))
    np.testing.assert_allclose(found, brute_force(task, scale), rtol=1e-6)


def test_not_worse_than_adaround_by_gradients() -> None:
    """Nagel et al. 2020, written anew in TensorFlow: rectified sigmoids and annealed rounding."""
    tf = nets.tensorflow
    task, scale = problem(3, 24, 4)
    gram, cross = tf.constant(task.gram[0]), tf.constant(task.cross[0])
    weights = task.weights[0]
    floor = np.floor(weights / scale[0])
    rest = np.clip(weights / scale[0] - floor, 0.01, 0.99)
    variable = tf.Variable(-np.log(1.2 / (rest + 0.1) - 1))
    optimizer = nets.keras.optimizers.Adam(0.02)
    optimizer.build([variable])
    steps = 600

    @tf.function
    def train(sharp: Any, strength: Any) -> None:
        with tf.GradientTape() as tape:
            soft = tf.clip_by_value(tf.sigmoid(variable) * 1.2 - 0.1, 0.0, 1.0)
            delta = (floor + soft) * scale[0] - weights
            error = tf.reduce_sum(delta * (gram @ delta - 2.0 * cross))
            loss = error + strength * tf.reduce_sum(1 - tf.abs(2 * soft - 1) ** sharp)
        optimizer.apply_gradients([(tape.gradient(loss, variable), variable)])

    for step in range(steps):
        late = 0.1 if step > steps / 5 else 0.0
        train(tf.constant(20.0 - 18.0 * step / steps, tf.float64), tf.constant(late, tf.float64))
    rounded = (floor + (variable.numpy() > 0))[None]
    ada = task.errors(Rounding(rounded, scale)).sum()
    assert ada < task.errors(Rounding(nearest(task.weights, scale), scale)).sum()
    assert task.errors(solve(task, scale)).sum() < ada * 1.02


class Backwards:
    """An executor of another order of work."""

    workers = 3

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        done = [function(item) for item in reversed(list(items))]
        return iter(done[::-1])

    def close(self) -> None:
        pass


def float_model(net: Any) -> TfModel:
    return read_model(to_float(load_and_freeze(net)))


def context(recipe: Recipe, count: int = 24, executor: Any = None) -> StepContext:
    items = nets.samples(count)
    source = nets.calibration(items)
    return StepContext(recipe, source, SilentProgress(), executor or SerialExecutor())


def calibrated(model: TfModel, given: StepContext) -> Work:
    ranges = calibrate(model, given.calibration(), given.recipe, given.executor, given.progress)
    return Work(model, ranges)


def output(model: TfModel, seed: int = 99) -> np.ndarray:
    predictor = LiteRTPredictor(write_model(model))
    (source,), (result, *_) = predictor.inputs, predictor.outputs
    return np.stack(
        [
            result.dequantize(
                predictor.predict({source.name: source.quantize(item["image"])})[result.name]
            )
            for item in nets.samples(20, seed=seed)
        ]
    )


@pytest.mark.parametrize("name", ["int8", "int8-per-tensor", "int16x8"])
def test_outputs_come_closer_to_the_float_model(name: str) -> None:
    coarse = nets.classifier()
    # An outlier makes one scale for all channels coarse.
    kernel = coarse.get_layer("block_1_pw").get_weights()
    kernel[0][0, 0, 0, 0] = 8.0
    coarse.get_layer("block_1_pw").set_weights(kernel)
    model = float_model(coarse)
    given = context(get_recipe(name))
    work = calibrated(model, given)
    outcome = round_weights.apply(work, given)
    assert outcome.applied and "dB" in outcome.note
    wanted = output(model)
    plain = np.square(output(emit(model, work.plan(given.recipe))) - wanted).sum()
    found = np.square(output(emit(model, outcome.work.plan(given.recipe))) - wanted).sum()
    assert found < plain
    for index, chosen in outcome.work.weights.items():
        shape = model.main.tensors[index].shape
        assert (chosen.codes.shape, chosen.codes.dtype) == (shape, np.int8)
        channels = max(shape[0], shape[-1]) if shape[0] == 1 else shape[0]
        assert chosen.scale.dtype == np.float32 and chosen.scale.size in (1, channels)
    assert outcome.work.model is model


def test_the_same_samples_give_the_same_codes_on_any_executor() -> None:
    model = float_model(nets.classifier())
    results = []
    for executor in (SerialExecutor(), Backwards()):
        given = context(get_recipe("int8"), executor=executor)
        found = round_weights.apply(calibrated(model, given), given).work.weights
        results.append({key: (c.codes.tobytes(), c.scale.tobytes()) for key, c in found.items()})
    assert results[0] == results[1] and results[0]


def test_branches_upsampling_and_transposed_convolutions() -> None:
    model = float_model(nets.detector())
    given = context(get_recipe("int8"))
    outcome = round_weights.apply(calibrated(model, given), given)
    assert outcome.applied
    write_model(emit(model, outcome.work.plan(given.recipe)))


def test_layers_that_stay_float_are_left_alone() -> None:
    overrides = (LayerOverride("block_1*", "float32"),)
    recipe = replace(get_recipe("int8"), overrides=overrides, allow_float=True)
    given = context(recipe)
    model = float_model(nets.classifier())
    found = round_weights.apply(calibrated(model, given), given).work.weights
    names = {model.main.tensors[index].name for index in found}
    assert names and not any("block_1" in name for name in names)


@pytest.mark.parametrize(
    ("name", "count", "why"),
    [("float16", 20, "float16"), ("dynamic", 20, "no calibration samples"), ("int8", 4, "needs 8")],
)
def test_what_cannot_be_served_says_why(name: str, count: int, why: str) -> None:
    given = context(get_recipe(name), count)
    model = float_model(nets.classifier())
    work = calibrated(model, given) if given.recipe.quantized else Work(model)
    outcome = round_weights.apply(work, given)
    assert not outcome.applied and why in outcome.note and outcome.work is work


def test_models_with_a_memory_are_left_alone() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.tensor((1, 4), "float32", variable=True)
    build.op("FULLY_CONNECTED", [x, build.tensor((4, 4), "float32", data=np.eye(4))], [y])
    work = Work(read_model(build.build([x], [y])))
    for step in (round_weights, correct_bias):
        outcome = step.apply(work, context(get_recipe("int8")))
        assert not outcome.applied and "state" in outcome.note

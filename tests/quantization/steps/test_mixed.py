from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.agreement import agreement_metric
from quantization.graph.emit import emit
from quantization.graph.macs import multiply_accumulates
from quantization.parallel.executor import SerialExecutor
from quantization.pipeline import calibrated
from quantization.recipe import get_recipe
from quantization.steps import mixed
from quantization.work import StepContext, Work
from tests.builders import ModelBuilder

SAMPLES = 24
GATE = 0.5


def net(outlier: float = 24.0):
    """Three convolutions, each with a ReLU; the second has one channel that drowns the others."""
    rng = np.random.default_rng(5)
    build = ModelBuilder()
    x = image = build.tensor((1, 8, 8, 3), "float32", name="image")
    channels = 3
    for name, wide in (("first", 8), ("second", 8), ("third", 4)):
        weights = rng.normal(0, 0.3, (wide, 3, 3, channels)).astype(np.float32)
        if name == "second":
            weights[3] *= outlier
        if name == "third":
            weights[..., 3] /= outlier
        y = build.tensor((1, 8, 8, wide), "float32", name=name)
        w = build.tensor(weights.shape, "float32", data=weights)
        b = build.tensor((wide,), "float32", data=rng.normal(0, 0.1, wide).astype(np.float32))
        build.op("CONV_2D", [x, w, b], [y], padding="SAME", stride_w=1, stride_h=1,
                 fused_activation_function="RELU")  # fmt: skip
        x, channels = y, wide
    return read_model(build.build([image], [x]))


def samples():
    rng = np.random.default_rng(6)
    return [{"image": rng.normal(0, 1, (1, 8, 8, 3)).astype(np.float32)} for _ in range(SAMPLES)]


def context(model, recipe, **changes):
    data = samples()
    metric = agreement_metric(LiteRTPredictor(write_model(model)), data)
    reference = metric(LiteRTPredictor(write_model(model)))
    base = StepContext(
        recipe, lambda: iter(data), SilentProgress(), SerialExecutor(), metric, GATE, reference
    )
    return replace(base, **changes)


@pytest.fixture(scope="module")
def model():
    return net()


def state(model, recipe):
    return calibrated(Work(model), context(model, recipe))


def test_the_drowned_layer_is_kept_at_16_bits(model):
    recipe = get_recipe("mixed")
    ready = state(model, recipe)
    used = context(model, recipe)
    outcome = mixed.apply(ready, used)
    assert outcome.applied
    names = {model.main.op_name(model.main.operators[i]) for i in outcome.work.precision}
    assert names == {"second", "third"}, "the tensor's writer and reader, no other"
    assert set(outcome.work.precision.values()) == {"int16"}
    emitted = emit(model, outcome.work.plan(recipe))
    dtypes = {t.name: t.dtype for t in emitted.main.tensors}
    assert dtypes["second"] is DType.INT16
    metric = used.metric(LiteRTPredictor(write_model(emitted)))
    assert 100 * (used.reference.value - metric.value) <= GATE
    assert "second" in outcome.note and "% of the multiplications" in outcome.note


def test_nothing_is_done_where_the_gate_holds(model):
    recipe = get_recipe("mixed")
    outcome = mixed.apply(state(model, recipe), context(model, recipe, max_drop=100.0))
    assert not outcome.applied
    assert outcome.work.precision == {}
    assert "int8 alone loses" in outcome.note


def test_what_cannot_be_reached_is_said(model):
    recipe = get_recipe("mixed")
    outcome = mixed.apply(state(model, recipe), context(model, recipe, max_drop=-5.0))
    assert "-5 is out of reach" in outcome.note


def test_without_a_metric_it_is_skipped(model):
    recipe = get_recipe("mixed")
    outcome = mixed.apply(state(model, recipe), context(model, recipe, metric=None))
    assert not outcome.applied


def test_the_ranking_is_that_of_brute_force(model):
    """Alone at 16 bits, the first of the ranking takes away the most error per cost."""
    recipe = get_recipe("mixed")
    ready, used = state(model, recipe), context(model, recipe)
    wanted = LiteRTPredictor(write_model(model))

    def error(precision):
        plan = replace(ready, precision=precision).plan(recipe)
        given = LiteRTPredictor(write_model(emit(model, plan)))
        total = power = 0.0
        for sample in samples():
            (a,) = wanted.predict(sample).values()
            raw = given.predict({i.name: i.quantize(sample[i.name]) for i in given.inputs})
            b = given.outputs[0].dequantize(raw[given.outputs[0].name])
            total += float(((a - b) ** 2).sum())
            power += float((a**2).sum())
        return total / power

    base = error({})
    ranked = mixed.rank(ready, used)
    for item in ranked:
        assert item.gain == pytest.approx(base - error(item.layers), rel=1e-4)
    worths = [item.worth for item in ranked]
    assert worths == sorted(worths, reverse=True)


def test_products_are_counted():
    graph = net().main
    assert [multiply_accumulates(graph, op) for op in graph.operators] == [
        8 * 8 * 9 * 3 * 8, 8 * 8 * 9 * 8 * 8, 8 * 8 * 9 * 8 * 4,
    ]  # fmt: skip

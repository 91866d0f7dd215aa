from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="needs the [train] extra")

from quantization.calibration.run import calibrate  # noqa: E402
from quantization.fine_tuning.net import Forward, build_net  # noqa: E402
from quantization.fine_tuning.rounding import rounding_of  # noqa: E402
from quantization.graph.lower import lowered  # noqa: E402
from quantization.recipe import LayerOverride  # noqa: E402
from quantization.steps.equalize_trial import ends, float_outputs, quantized_outputs  # noqa: E402
from quantization.tensorflow_import import import_tensorflow  # noqa: E402
from quantization.work import Work  # noqa: E402
from tests.quantization.steps.graphs import Net  # noqa: E402
from tests.quantization.steps.test_equalize import context, grow  # noqa: E402

flow = import_tensorflow()


def net_of(*steps, seed=1):
    net = Net(seed=seed)
    net.layer("CONV_2D")
    for step in steps:
        grow(net, step)
    net.op("MEAN", [net.last, net.ints([1, 2])], (1, net.shape[3]))
    net.layer("FULLY_CONNECTED")
    return read_model(net.data())


GRAPHS = {
    "plain": ("conv", "depthwise", "relu"),
    "residual": ("conv", "add", "add", "pool"),
    "joined": ("concat", "conv", "pad", "upsample"),
    "gated": ("conv", "gate", "conv", "leaky"),
    "constants": ("shift", "scale", "scalar", "conv"),
    "moved": ("shuffle", "split", "conv"),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("recipe", ["int8", "int8-per-tensor", "int16x8", "overridden"])
def test_the_rounded_graph_is_the_quantized_model(name, recipe):
    model = net_of(*GRAPHS[name])
    given = context("int8" if recipe == "overridden" else recipe)
    given = replace(given, recipe=replace(given.recipe, calibrator="minmax"))
    if recipe == "overridden":
        first = model.main.op_name(model.main.operators[0])
        override = (LayerOverride(first, "float32"), LayerOverride("mean*", "int16"))
        given = replace(given, recipe=replace(given.recipe, overrides=override))
    items = list(islice(given.calibration(), 8))
    ranges = calibrate(model, given.calibration(), given.recipe, given.executor, given.progress)
    # As the judge does it: inputs and outputs in the activations' own dtype.
    plan = replace(Work(model), ranges=ranges).plan(given.recipe)
    tensors = ends(model)
    names = [model.main.tensors[index].name for index in tensors]
    real = quantized_outputs(model, plan, names, items)
    exact = float_outputs(model, tensors, items)
    twin = lowered(model)
    net = build_net(twin, rounding_of(twin, plan), tensors)
    batch = flow.constant(np.concatenate([item["image"] for item in items]))
    got = np.asarray(net([batch])[0])
    want = np.concatenate([row[0] for row in real])
    ideal = np.concatenate([row[0] for row in exact])
    plain = np.asarray(Forward(model.main, tensors)([batch], {})[0])
    np.testing.assert_allclose(plain, ideal, rtol=1e-3, atol=1e-4 * np.abs(ideal).max())
    # Single steps may fall the other way; what the twin is for is the error as a whole.
    assert rms(got - want) < 0.6 * rms(ideal - want)


def rms(values):
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def test_learning_moves_in_codes_and_starts_at_the_model():
    model = net_of("conv")
    given = context("int8-per-tensor")
    ranges = calibrate(model, given.calibration(), given.recipe, given.executor, given.progress)
    rounding = rounding_of(model, replace(Work(model), ranges=ranges).plan(given.recipe))
    net = build_net(model, rounding, ends(model))
    for index, value in net.constants().items():
        np.testing.assert_array_equal(value, model.main.tensors[index].data)
    layer = rounding.weights[0]
    values = model.main.tensors[layer.index].data
    assert layer.axis is None
    for axis in (0, 3):
        rest = tuple(k for k in range(4) if k != axis)
        assert (layer.unit <= np.abs(values).max(rest, keepdims=True) / 127 * 1.0001).all()
    net.steps[str(layer.index)].assign(np.ones(values.shape, np.float32))
    np.testing.assert_allclose(net.constants()[layer.index], values + layer.unit, rtol=1e-6)

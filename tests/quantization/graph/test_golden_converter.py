"""Our files against those of TensorFlow's own converter, given the ranges that it found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.recipe import Recipe, get_recipe
from quantization.work import Plan, Range

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.freeze import FrozenModel, freeze_keras  # noqa: E402
from quantization.tensorflow_import import import_tensorflow, quiet  # noqa: E402
from tests.quantization.graph.golden_nets import GOLDEN  # noqa: E402

QUICK = ("classifier", "swish", "leaky")
LIMITS = {"int8": (-128, 127), "int16": (-32767, 32767)}
# TensorFlow gives 1 and 3; LiteRT's reference kernels take up to 2 only, and read the same.
OWN_VERSIONS = {"TILE"}
# TensorFlow quantizes PReLU's slopes symmetrically, we with a zero point: finer.
OWN_SCALES = {"PRELU"}


@dataclass(frozen=True)
class Pair:
    """The float model, the stock file, ours, and their bytes."""

    model: TfModel
    stock: TfModel
    ours: TfModel
    stock_data: bytes
    data: bytes


def stock(frozen: FrozenModel, kind: str, shape: tuple[int, ...]) -> bytes:
    flow = import_tensorflow()
    with quiet():
        converter = flow.lite.TFLiteConverter.from_concrete_functions([frozen.function])
        if kind == "float":
            return bytes(converter.convert())
        ops = flow.lite.OpsSet
        converter.optimizations = [flow.lite.Optimize.DEFAULT]
        if kind in ("int8", "int16"):
            samples = nets.samples(8, shape)
            converter.representative_dataset = lambda: ([s["image"]] for s in samples)
            converter.target_spec.supported_ops = [
                ops.TFLITE_BUILTINS_INT8
                if kind == "int8"
                else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            ]
            dtype = flow.int8 if kind == "int8" else flow.int16
            converter.inference_input_type = converter.inference_output_type = dtype
        if kind == "float16":
            converter.target_spec.supported_types = [flow.float16]
        return bytes(converter.convert())


def found_ranges(model: TfModel, other: TfModel) -> dict[int, Range]:
    """The ranges that the stock file's scales and zero points stand for, by float tensor."""
    pairs = list(zip(model.main.inputs, other.main.inputs, strict=True))
    for one, two in zip(model.main.operators, other.main.operators, strict=True):
        assert one.code == two.code
        pairs += zip(one.outputs, two.outputs, strict=True)
    ranges = {}
    for index, place in pairs:
        tensor = other.main.tensors[place]
        if tensor.quantization is not None:
            (scale,), (zero,) = tensor.quantization.scale, tensor.quantization.zero_point
            low, high = LIMITS[tensor.dtype.value]
            ranges[index] = Range((low - zero) * scale, (high - zero) * scale)
    return ranges


def pair(name: str, kind: str, recipe: Recipe) -> Pair:
    net = GOLDEN[name]()
    frozen, shape = freeze_keras(net), tuple(net.inputs[0].shape[1:])
    model = read_model(stock(frozen, "float", shape))
    stock_data = stock(frozen, kind, shape)
    other = read_model(stock_data)
    ranges = found_ranges(model, other) if recipe.quantized else {}
    data = write_model(emit(model, Plan(recipe, ranges)))
    return Pair(model, other, read_model(data), stock_data, data)


def check_ops(pair: Pair) -> None:
    one, other = pair.ours.main, pair.stock.main
    assert [op.code for op in one.operators] == [op.code for op in other.operators]
    for a, b in zip(one.operators, other.operators, strict=True):
        dtypes = [
            [graph.tensors[k].dtype for k in (*op.inputs, *op.outputs) if k >= 0]
            for graph, op in ((one, a), (other, b))
        ]
        assert dtypes[0] == dtypes[1], a.code
        ignored = {"quantized_bias_type"}  # int64 either way
        assert {k: v for k, v in a.options.items() if k not in ignored} == {
            k: v for k, v in b.options.items() if k not in ignored
        }


def check_numbers(pair: Pair) -> None:
    one, other = pair.ours.main, pair.stock.main
    for a, b in zip(one.operators, other.operators, strict=True):
        if a.code in OWN_SCALES:
            continue
        for i, j in zip((*a.inputs, *a.outputs), (*b.inputs, *b.outputs), strict=True):
            if i < 0 or one.tensors[i].quantization is None:
                continue
            x, y = one.tensors[i], other.tensors[j]
            if x.dtype.value == "int64" and not np.any(x.data):
                continue  # the stock file shares zero biases, whatever their scale
            np.testing.assert_allclose(x.quantization.scale, y.quantization.scale, rtol=3e-7)
            assert x.quantization.zero_point == y.quantization.zero_point, x.name
            assert x.quantization.axis == y.quantization.axis
            if x.data is not None:
                difference = np.abs(x.data.astype(np.int64) - y.data.astype(np.int64))
                limit = 0 if x.dtype.value == "int8" else 1  # a bias that lies on a half
                assert difference.max(initial=0) <= limit, x.name


def check_outputs(pair: Pair, limit: int) -> None:
    runners = [LiteRTPredictor(d, resolver="builtin") for d in (pair.data, pair.stock_data)]
    for sample in nets.samples(4, runners[0].inputs[0].shape[1:], seed=9):
        outputs = []
        for runner in runners:
            (info,) = runner.inputs
            outputs.append(
                list(runner.predict({info.name: info.quantize(sample["image"])}).values())
            )
        for a, b in zip(*outputs, strict=True):
            assert np.abs(a.astype(np.int64) - b.astype(np.int64)).max() <= limit


def per_channel(name: str) -> Recipe:
    return replace(get_recipe(name), dense_weights="per-channel")


def check_int8(name: str) -> None:
    found = pair(name, "int8", per_channel("int8"))
    check_ops(found)
    check_numbers(found)
    check_outputs(found, 1)
    for a, b in zip(found.ours.main.operators, found.stock.main.operators, strict=True):
        touched = [found.ours.main.tensors[k].dtype.value for k in a.outputs]
        if a.code not in OWN_VERSIONS and "int8" in touched:
            assert a.version == b.version, a.code


def check_int16(name: str) -> None:
    found = pair(name, "int16", per_channel("int16x8"))
    check_ops(found)
    check_numbers(found)
    check_outputs(found, 2)
    for a, b in zip(found.ours.main.operators, found.stock.main.operators, strict=True):
        assert a.version >= b.version or "int16" not in {
            found.ours.main.tensors[k].dtype.value for k in a.outputs
        }  # the stock converter writes int8's versions


@pytest.mark.parametrize("name", QUICK)
def test_int8(name):
    check_int8(name)


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(GOLDEN) - set(QUICK)))
def test_int8_more(name):
    check_int8(name)


@pytest.mark.parametrize("name", ["classifier"])
def test_int16(name):
    check_int16(name)


# The stock converter has no int16 HARD_SWISH and PRELU, and rescales around int16 MAXIMUM.
@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(GOLDEN) - {"classifier", "swish", "leaky", "joined"}))
def test_int16_more(name):
    check_int16(name)


@pytest.mark.parametrize("name", ["classifier"])
@pytest.mark.parametrize("kind", ["dynamic", "float16"])
def test_float_recipes(name, kind):
    check_float_recipe(name, kind)


@pytest.mark.long
@pytest.mark.parametrize("name", ["dense", "separable", "attention", "up"])
@pytest.mark.parametrize("kind", ["dynamic", "float16"])
def test_float_recipes_more(name, kind):
    check_float_recipe(name, kind)


def check_float_recipe(name: str, kind: str) -> None:
    recipe = get_recipe(kind)
    if kind == "dynamic":
        recipe = replace(recipe, dense_weights="per-channel")
    found = pair(name, kind, recipe)
    graphs = found.ours.main, found.stock.main
    listed = [sorted(op.code for op in graph.operators) for graph in graphs]
    assert listed[0] == listed[1]
    kinds: list[Any] = []
    for graph in graphs:
        constants = [t for t in graph.tensors if t.data is not None]
        kinds.append(sorted((t.dtype.value, t.shape, t.data.tobytes()) for t in constants))
    assert {item[:2] for item in kinds[0]} == {item[:2] for item in kinds[1]}
    assert {item[2] for item in kinds[0]} == {item[2] for item in kinds[1]}
    runners = [LiteRTPredictor(d, resolver="builtin") for d in (found.data, found.stock_data)]
    for sample in nets.samples(2, runners[0].inputs[0].shape[1:], seed=3):
        values = [
            list(runner.predict({runner.inputs[0].name: sample["image"]}).values())
            for runner in runners
        ]
        for a, b in zip(*values, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)

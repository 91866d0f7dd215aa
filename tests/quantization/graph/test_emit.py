from __future__ import annotations

import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.recipe import LayerOverride, get_recipe
from quantization.work import Plan, Range
from tests.builders import ModelBuilder
from tests.quantization.graph.cases import CASES
from tests.quantization.graph.helpers import (
    Net,
    chain_model,
    codes,
    quantized,
    ranges,
    recipe,
    tensor,
    uniform,
    worst,
)


@pytest.fixture(scope="module")
def chain() -> bytes:
    return chain_model()


@pytest.fixture(scope="module")
def samples(chain):
    return uniform(chain)


@pytest.mark.parametrize(
    ("name", "io", "first", "end", "dtype"),
    [
        ("int8", "int8", "CONV_2D", "LOGISTIC", DType.INT8),
        ("int8", "uint8", "QUANTIZE", "QUANTIZE", DType.UINT8),
        ("int8", "float32", "QUANTIZE", "DEQUANTIZE", DType.FLOAT32),
        ("int8", "int16", "QUANTIZE", "QUANTIZE", DType.INT16),
        ("int16x8", "int16", "CONV_2D", "LOGISTIC", DType.INT16),
        ("int16x8", "int8", "QUANTIZE", "QUANTIZE", DType.INT8),
        ("int16x8", "float32", "QUANTIZE", "DEQUANTIZE", DType.FLOAT32),
        ("int16x8", "uint8", "QUANTIZE", "QUANTIZE", DType.UINT8),
    ],
)
def test_borders(chain, samples, name, io, first, end, dtype):
    done, model = quantized(chain, samples, recipe(name, io=io))
    graph = model.main
    assert (codes(model)[0], codes(model)[-1]) == (first, end)
    assert {graph.tensors[k].dtype for k in (*graph.inputs, *graph.outputs)} == {dtype}
    assert graph.tensors[graph.inputs[0]].name == "image"
    (signature,) = model.signatures
    assert [n for n, _ in signature.inputs] == ["picture"]
    assert signature.outputs == (("out0", graph.outputs[0]),)
    for resolver in ("reference", "auto"):
        steps = worst(chain, done, samples, resolver)
        limit = 0.02 if io == "float32" else 400 if io == "int16" else 3
        assert steps < limit


def test_uint8_is_int8_shifted(chain, samples):
    """As the stock converter: same scale, zero point + 128."""
    _, model = quantized(chain, samples, recipe(io="uint8"))
    _, plain = quantized(chain, samples, "int8")
    one, other = (m.main.tensors[m.main.inputs[0]].quantization for m in (model, plain))
    assert one.scale == other.scale and one.zero_point[0] == other.zero_point[0] + 128
    assert tensor(model, "image/int8").quantization == other


def test_names_stay_with_what_they_name(chain, samples):
    float_names = {t.name for t in read_model(chain).main.tensors}
    _, model = quantized(chain, samples, recipe(io="float32"))
    names = [t.name for t in model.main.tensors]
    assert len(set(names)) == len(names)
    assert float_names | {"image/int8", "scores/float32"} == set(names)
    assert tensor(model, "stem").dtype is DType.INT8
    assert (
        tensor(model, "stem/w").dtype is DType.INT8 and tensor(model, "stem/b").dtype is DType.INT32
    )


def test_a_model_without_signature_keeps_the_names_of_its_outputs():
    net = Net(signature=False)
    data = net.finish(net.conv(net.image, "y"))
    done, model = quantized(data, uniform(data), recipe(io="float32"))
    assert [info.name for info in LiteRTPredictor(done).outputs] == ["y"]
    assert quantized(data, uniform(data), "int8")[1].signatures == ()


def test_same_bytes_again(chain, samples):
    assert quantized(chain, samples, "int8")[0] == quantized(chain, samples, "int8")[0]


def test_fused_activation_bounds_the_range(chain):
    model = read_model(chain)
    stem = next(t.index for t in model.main.tensors if t.name == "stem")
    given = {i: Range(-1.0, 20.0) for i in ranges(model, uniform(chain))}
    done = emit(model, Plan(get_recipe("int8"), given))
    found = done.main.tensors[stem].quantization
    assert found.scale[0] == pytest.approx(6 / 255, rel=1e-6) and found.zero_point == (-128,)
    middle = tensor(done, "middle").quantization
    assert middle.scale[0] == pytest.approx(20 / 255, rel=1e-6) and middle.zero_point == (-128,)


class TestMixed:
    def test_a_layer_in_int16(self, chain, samples):
        middle = LayerOverride("middle", "int16")
        done, model = quantized(chain, samples, recipe(overrides=(middle,)))
        kinds = [op for op in codes(model) if op in ("QUANTIZE", "CONV_2D")]
        assert kinds == ["CONV_2D", "QUANTIZE", "CONV_2D", "QUANTIZE", "CONV_2D"]
        assert tensor(model, "back/int16").dtype is DType.INT16
        assert tensor(model, "middle").dtype is DType.INT16
        assert tensor(model, "middle/int8").dtype is DType.INT8
        assert tensor(model, "middle/b").dtype is DType.INT64
        versions = [op.version for op in model.main.operators if op.code == "QUANTIZE"]
        assert versions == [2, 1]  # int16 results came with the second
        for resolver in ("reference", "builtin", "auto"):
            assert worst(chain, done, samples, resolver) < 3

    def test_the_plan_wins_over_the_recipe(self, chain, samples):
        last = 4
        assert read_model(chain).main.operators[last].code == "CONV_2D"
        _, model = quantized(
            chain, samples, recipe(overrides=(LayerOverride("last", "int8"),)),
            precision={last: "int16"},
        )  # fmt: skip
        assert tensor(model, "last").dtype is DType.INT16

    def test_a_layer_in_float(self, chain, samples):
        island = recipe(overrides=(LayerOverride("middle", "float32"),))
        done, model = quantized(chain, samples, island)
        assert codes(model).count("DEQUANTIZE") == 1 and codes(model).count("QUANTIZE") == 1
        assert tensor(model, "middle/w").dtype is DType.FLOAT32
        assert worst(chain, done, samples) < 3

    def test_moving_ops_follow_their_neighbours(self, chain, samples):
        wide = recipe(overrides=tuple(LayerOverride(name, "int16") for name in ("stem", "middle")))
        _, model = quantized(chain, samples, wide)
        assert tensor(model, "flat").dtype is tensor(model, "back").dtype is DType.INT16
        island = recipe(
            overrides=tuple(LayerOverride(name, "float32") for name in ("stem", "middle"))
        )
        _, model = quantized(chain, samples, island)
        assert tensor(model, "flat").dtype is tensor(model, "back").dtype is DType.FLOAT32
        assert codes(model).count("DEQUANTIZE") == 1

    def test_more_layers_in_int16_are_no_worse(self, chain, samples):
        errors = []
        for names in ((), ("stem", "middle", "last", "scores")):
            some = recipe(
                io="float32", overrides=tuple(LayerOverride(name, "int16") for name in names)
            )
            errors.append(worst(chain, quantized(chain, samples, some)[0], samples))
        assert errors[1] < errors[0]

    def test_one_conversion_serves_all_readers(self):
        net = Net()
        x = net.conv(net.image, "a")
        one, two = net.conv(x, "b"), net.conv(x, "c")
        data = net.finish(net.op("ADD", [one, two], "sum"))
        _, model = quantized(data, uniform(data), "int16x8")
        assert model.main.operators[-1].options["pot_scale_int16"] is False
        wide = tuple(LayerOverride(name, "int16") for name in "bc")
        done, model = quantized(data, uniform(data), recipe(overrides=wide))
        assert codes(model).count("QUANTIZE") == 3
        assert worst(data, done, uniform(data)) < 3


class TestIslands:
    def test_an_op_without_kernel(self):
        net = Net()
        x = net.op("SIN", [net.conv(net.image, "a")], "wave")
        data = net.finish(net.conv(x, "b"))
        done, model = quantized(data, uniform(data), "int8")
        assert codes(model) == ["CONV_2D", "DEQUANTIZE", "SIN", "QUANTIZE", "CONV_2D"]
        assert worst(data, done, uniform(data), "auto") < 4

    def test_what_only_moves_inside_an_island_stays_float(self):
        net = Net()
        x = net.op("SIN", [net.conv(net.image, "a")], "wave")
        x = net.op("RESHAPE", [x], "flat", (1, 256), new_shape=[1, 256])
        data = net.finish(net.op("COS", [x], "other", (1, 256)))
        done, model = quantized(data, uniform(data), "int8")
        assert codes(model) == ["CONV_2D", "DEQUANTIZE", "SIN", "RESHAPE", "COS", "QUANTIZE"]
        assert worst(data, done, uniform(data)) < 3

    def test_shapes_are_read_without_conversion(self):
        net = Net()
        x = net.conv(net.image, "a")
        shape = net.build.tensor((4,), "int32", name="shape")
        net.build.op("SHAPE", [x], [shape], out_type="INT32")
        data = net.finish(net.op("RESHAPE", [net.conv(x, "b"), shape], "same"))
        _, model = quantized(data, uniform(data), "int8")
        assert codes(model) == ["CONV_2D", "SHAPE", "CONV_2D", "RESHAPE"]

    def test_comparisons_of_wide_ranges_stay_float(self):
        build = ModelBuilder()
        x, z = (build.tensor((8,), "float32", name=name) for name in "xz")
        y = build.tensor((8,), "bool", name="y")
        build.op("LESS", [x, z], [y])
        data = build.build([x, z], [y])
        wide = uniform(data, low=-500, high=500)
        _, model = quantized(data, wide, "int8")
        assert codes(model) == ["DEQUANTIZE", "DEQUANTIZE", "LESS"]
        assert codes(quantized(data, uniform(data), "int8")[1]) == ["LESS"]


def test_float32_changes_nothing(chain):
    model = read_model(chain)
    assert emit(model, Plan(get_recipe("float32"))) is model


def test_lowered_ops_are_the_same_in_float(chain):
    from quantization.graph.lower import lowered

    for code in ("SQUARE", "NEG", "DIV", "ADD_N"):
        data = CASES[code](code).model
        rewritten = write_model(lowered(read_model(data)))
        assert code not in codes(read_model(rewritten))
        assert worst(data, rewritten, uniform(data)) < 1e-6

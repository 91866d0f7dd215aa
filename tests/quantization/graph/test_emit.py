from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import QuantizationError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.recipe import LayerOverride, get_recipe
from quantization.work import Plan, Range, WeightCodes
from tests.builders import ModelBuilder
from tests.quantization.graph.helpers import (
    codes,
    quantized,
    ranges,
    recipe,
    tensor,
    uniform,
    worst,
)


class Net:
    """Layers with the names that reports print; weights drawn from a fixed seed."""

    def __init__(self, *, signature: bool = True) -> None:
        self.rng = np.random.default_rng(5)
        self.build = ModelBuilder()
        self.signature = signature
        self.image = self.build.tensor((1, 8, 8, 4), "float32", name="image")

    def conv(
        self, x: int, name: str, channels: int = 4, activation: str = "NONE", **options
    ) -> int:
        weights = self.rng.normal(0, 0.12, (channels, 3, 3, 4))
        w = self.build.tensor(weights.shape, "float32", data=weights, name=f"{name}/w")
        bias = self.rng.normal(0, 0.2, channels)
        b = self.build.tensor((channels,), "float32", data=bias, name=f"{name}/b")
        y = self.build.tensor((1, 8, 8, channels), "float32", name=name)
        self.build.op(
            "CONV_2D", [x, w, b], [y], padding="SAME", fused_activation_function=activation
        )
        return y

    def op(self, code: str, inputs: list[int], name: str, shape=(1, 8, 8, 4), **options) -> int:
        y = self.build.tensor(shape, "float32", name=name)
        self.build.op(code, inputs, [y], **options)
        return y

    def finish(self, *outputs: int) -> bytes:
        if self.signature:
            names = {f"out{k}": index for k, index in enumerate(outputs)}
            self.build.signature("serve", {"picture": self.image}, names)
        return self.build.build([self.image], list(outputs))


@pytest.fixture(scope="module")
def chain() -> bytes:
    net = Net()
    x = net.conv(net.image, "stem", activation="RELU6")
    x = net.op("RESHAPE", [net.op("RESHAPE", [x], "flat", (1, 256), new_shape=[1, 256])], "back",
               new_shape=[1, 8, 8, 4])  # fmt: skip
    x = net.conv(x, "middle", activation="RELU")
    x = net.conv(x, "last")
    return net.finish(net.op("LOGISTIC", [x], "scores"))


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


class TestTies:
    def test_a_fixed_scale_is_converted_for_a_concatenation(self):
        net = Net()
        gate = net.op("LOGISTIC", [net.conv(net.image, "a")], "gate")
        x = net.conv(net.image, "b")
        data = net.finish(net.op("CONCATENATION", [gate, x], "both", (1, 8, 8, 8), axis=3), gate)
        done, model = quantized(data, uniform(data), "int8")
        assert codes(model).count("QUANTIZE") == 1
        assert tensor(model, "gate").quantization.scale == (1 / 256,)
        assert tensor(model, "both").quantization == tensor(model, "b").quantization
        assert tensor(model, "gate/int8").quantization == tensor(model, "b").quantization
        assert worst(data, done, uniform(data)) < 3

    def test_a_concatenation_of_fixed_scales_needs_no_conversion(self):
        net = Net()
        one = net.op("LOGISTIC", [net.conv(net.image, "a")], "one")
        two = net.op("LOGISTIC", [net.conv(net.image, "b")], "two")
        x = net.op("CONCATENATION", [one, two], "both", (1, 8, 8, 8), axis=3)
        data = net.finish(net.op("RESHAPE", [x], "flat", (1, 512), new_shape=[1, 512]))
        _, model = quantized(data, uniform(data), "int8")
        assert "QUANTIZE" not in codes(model)
        assert tensor(model, "flat").quantization.scale == (1 / 256,)

    def test_the_union_of_ranges(self):
        net = Net()
        low, high = net.conv(net.image, "low"), net.conv(net.image, "high", activation="RELU")
        data = net.finish(net.op("CONCATENATION", [low, high], "both", (1, 8, 8, 8), axis=3))
        model = read_model(data)
        given = {i: Range(-1.0, 1.0) for i in ranges(model, uniform(data))}
        index = {t.name: t.index for t in model.main.tensors}
        given |= {index["low"]: Range(-3.0, 0.5), index["high"]: Range(0.0, 5.0)}
        done = emit(model, Plan(get_recipe("int8"), given))
        assert tensor(done, "low").quantization.scale[0] == pytest.approx(8 / 255, rel=1e-6)
        assert tensor(done, "low").quantization == tensor(done, "high").quantization

    def test_constants_among_tied_operands(self):
        build = ModelBuilder()
        x = build.tensor((1, 4), "float32", name="x")
        table = build.tensor((1, 4), "float32", data=[[-1.0, 0.5, 2.0, 9.0]], name="table")
        floor = build.tensor((), "float32", data=-1e30, name="floor")
        y = build.tensor((1, 8), "float32", name="y")
        z = build.tensor((1, 8), "float32", name="z")
        build.op("CONCATENATION", [x, table], [y], axis=1)
        build.op("MAXIMUM", [y, floor], [z])
        data = build.build([x], [z])
        done, model = quantized(data, uniform(data), "int8")
        assert tensor(model, "table").dtype is DType.INT8
        assert tensor(model, "floor").data == -128  # saturates
        assert tensor(model, "z").quantization.scale[0] < 0.06
        assert worst(data, done, uniform(data)) < 1

    def test_padding_by_minus_infinity(self):
        build = ModelBuilder()
        x = build.tensor((1, 4, 4, 1), "float32", name="x")
        pads = build.tensor((4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
        lowest = build.tensor((), "float32", data=np.finfo(np.float32).min)
        p = build.tensor((1, 6, 6, 1), "float32", name="p")
        y = build.tensor((1, 4, 4, 1), "float32", name="y")
        build.op("PADV2", [x, pads, lowest], [p])
        build.op("MAX_POOL_2D", [p], [y], padding="VALID", filter_width=3, filter_height=3)
        data = build.build([x], [y])
        done, _ = quantized(data, uniform(data), "int8")
        assert worst(data, done, uniform(data)) < 1


class TestDegenerate:
    @pytest.mark.parametrize("name", ["int8", "int16x8"])
    def test_a_dead_tensor(self, name):
        """x − x: a range of 0 must not stop LiteRT, whose sums need a floor under the scale."""
        net = Net()
        x = net.conv(net.image, "a")
        dead = net.op("SUB", [x, x], "dead")
        data = net.finish(net.op("SOFTMAX", [net.conv(dead, "b")], "scores", beta=1.0))
        samples = uniform(data, low=-200, high=300)
        done, _ = quantized(data, samples, name)
        for resolver in ("reference", "auto"):
            assert worst(data, done, samples, resolver) < (3 if name == "int8" else 300)

    def test_all_ranges_zero(self, chain):
        model = read_model(chain)
        zeros = {i: Range(0.0, 0.0) for i in ranges(model, uniform(chain))}
        for name in ("int8", "int16x8"):
            data = write_model(emit(model, Plan(get_recipe(name), zeros)))
            runner = LiteRTPredictor(data, resolver="reference")
            runner.predict({i.name: np.zeros(i.shape, i.dtype) for i in runner.inputs})

    def test_missing_range(self, chain):
        with pytest.raises(QuantizationError, match="no range was calibrated.*'image'"):
            emit(read_model(chain), Plan(get_recipe("int8")))

    @pytest.mark.parametrize("bad", [Range(0.0, np.inf), Range(np.nan, 1.0), Range(2.0, 1.0)])
    def test_bad_range_is_named(self, chain, bad):
        model = read_model(chain)
        given = dict.fromkeys(ranges(model, uniform(chain)), Range(-1.0, 1.0))
        given[next(t.index for t in model.main.tensors if t.name == "last")] = bad
        with pytest.raises(QuantizationError, match="'last'"):
            emit(model, Plan(get_recipe("int8"), given))

    def test_weights_that_are_not_finite_are_named(self):
        net = Net()
        net.rng = np.random.default_rng(1)
        data = net.finish(net.conv(net.image, "bad"))
        model = read_model(data)
        index = next(t.index for t in model.main.tensors if t.name == "bad/w")
        broken = np.array(model.main.tensors[index].data)
        broken[0, 0, 0, 0] = np.nan
        tensors = list(model.main.tensors)
        tensors[index] = replace(tensors[index], data=broken)
        given = ranges(model, uniform(data))
        model = replace(model, subgraphs=(replace(model.main, tensors=tuple(tensors)),))
        with pytest.raises(QuantizationError, match="'bad': its constant 'bad/w' holds NaN"):
            emit(model, Plan(get_recipe("int8"), given))


class TestWeights:
    def test_granularity_by_layer(self, chain, samples):
        one = recipe("int8-per-tensor", overrides=(LayerOverride("last", "per-channel"),))
        _, model = quantized(chain, samples, one)
        assert len(tensor(model, "stem/w").quantization.scale) == 1
        assert len(tensor(model, "last/w").quantization.scale) == 4

    def test_codes_of_a_step_are_taken(self, chain, samples):
        index = next(t.index for t in read_model(chain).main.tensors if t.name == "stem/w")
        chosen = np.full((4, 3, 3, 4), 7, np.int8)
        given = WeightCodes(chosen, np.full(4, 0.01, np.float32))
        _, model = quantized(chain, samples, "int8", weights={index: given})
        np.testing.assert_array_equal(tensor(model, "stem/w").data, chosen)
        assert tensor(model, "stem/w").quantization.scale == (pytest.approx(0.01),) * 4

    def test_shared_weights_get_biases_of_their_own(self):
        net = Net()
        x = net.conv(net.image, "a")
        w, b = 1, 2
        one = net.op("CONV_2D", [net.image, w, b], "one", padding="SAME")
        two = net.op("CONV_2D", [x, w, b], "two", padding="SAME")
        data = net.finish(one, two)
        done, model = quantized(data, uniform(data), "int8")
        convs = [op for op in model.main.operators if op.code == "CONV_2D"]
        assert len({op.inputs[1] for op in convs}) == 1
        assert len({model.main.tensors[op.inputs[2]].quantization for op in convs}) == 2
        assert worst(data, done, uniform(data)) < 3

    def test_shared_weights_of_two_granularities(self):
        net = Net()
        x = net.conv(net.image, "a")
        one = net.op("CONV_2D", [net.image, 1, 2], "one", padding="SAME")
        two = net.op("CONV_2D", [x, 1, 2], "two", padding="SAME")
        data = net.finish(one, two)
        some = recipe(overrides=(LayerOverride("two", "per-tensor"),))
        done, model = quantized(data, uniform(data), some)
        weights = [op.inputs[1] for op in model.main.operators]
        assert [len(model.main.tensors[k].quantization.scale) for k in weights] == [4, 4, 1]
        assert len({t.name for t in model.main.tensors}) == len(model.main.tensors)
        assert worst(data, done, uniform(data)) < 3

    def test_a_constant_that_float_and_integer_ops_read(self):
        build = ModelBuilder()
        x = build.tensor((1, 4), "float32", name="x")
        c = build.tensor((1, 4), "float32", data=[[1.0, -2.0, 3.0, 0.5]], name="c")
        y, z = build.tensor((1, 4), "float32", name="y"), build.tensor((1, 4), "float32", name="z")
        build.op("ADD", [x, c], [y])
        build.op("POW", [y, c], [z])
        data = build.build([x], [z])
        samples = uniform(data, low=2.5, high=3.0)
        done, model = quantized(data, samples, recipe(io="float32"))
        assert tensor(model, "c").dtype is DType.FLOAT32
        assert tensor(model, "c/int8").dtype is DType.INT8
        assert worst(data, done, samples) < 0.2


def test_float32_changes_nothing(chain):
    model = read_model(chain)
    assert emit(model, Plan(get_recipe("float32"))) is model


def test_lowered_ops_are_the_same_in_float(chain):
    from quantization.graph.lower import lowered
    from tests.quantization.graph.cases import CASES

    for code in ("SQUARE", "NEG", "DIV", "ADD_N"):
        data = CASES[code](code).model
        rewritten = write_model(lowered(read_model(data)))
        assert code not in codes(read_model(rewritten))
        assert worst(data, rewritten, uniform(data)) < 1e-6

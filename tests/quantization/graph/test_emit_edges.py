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
from quantization.graph.rules import RULES
from quantization.graph.taps import calibrated_tensors
from quantization.recipe import LayerOverride, get_recipe
from quantization.work import Plan, Range, WeightCodes
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

_EXTRA = ("NEG", "SQUARE", "DIV", "ADD_N")


@pytest.fixture(scope="module")
def chain() -> bytes:
    return chain_model()


@pytest.fixture(scope="module")
def samples(chain):
    return uniform(chain)


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
    @pytest.mark.parametrize(
        ("name", "dtype", "floor"), [("int8", "int8", 2 / 2**20), ("int16x8", "int16", 2 / 2**15)]
    )
    def test_a_dead_sum(self, name, dtype, floor):
        """x + (−x): LiteRT ends the process where a sum's scale is tiny beside its inputs'."""
        net = Net()
        x = net.conv(net.image, "a")
        dead = net.op("ADD", [x, net.op("NEG", [x], "minus")], "dead")
        data = net.finish(net.op("SOFTMAX", [net.conv(dead, "b")], "scores", beta=1.0))
        samples = uniform(data, low=-200, high=300)
        done, model = quantized(data, samples, name)
        scales = [tensor(model, key).quantization.scale[0] for key in ("a", "dead")]
        assert scales[1] > floor * scales[0]
        for resolver in ("reference", "auto"):
            assert worst(data, done, samples, resolver) < (3 if name == "int8" else 300)

    @pytest.mark.parametrize("code", sorted({*RULES, *_EXTRA} - {"ELU"}))
    def test_ranges_that_fit_badly_still_run(self, code):
        """An input of ±10⁶ and an output of 0, and the other way round."""
        case = CASES[code](code)
        model = read_model(case.model)
        wanted = calibrated_tensors(model)
        for inner, outer in ((1e6, 0.0), (0.0, 1e6), (3.0, 0.0), (1e-9, 3.0)):
            given = {i: inner if i in model.main.inputs else outer for i in wanted}
            plan = {i: Range(-value, value) for i, value in given.items()}
            for name in ("int8", "int16x8"):
                data = write_model(emit(model, Plan(get_recipe(name), plan)))
                runner = LiteRTPredictor(data, resolver="reference")
                runner.predict({i.name: np.zeros(i.shape, i.dtype) for i in runner.inputs})

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

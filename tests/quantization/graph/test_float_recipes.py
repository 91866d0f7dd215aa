from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.recipe import LayerOverride, get_recipe
from quantization.work import Plan, WeightCodes
from tests.builders import ModelBuilder
from tests.quantization.graph.helpers import codes, quantized, recipe, tensor, uniform, worst


@pytest.fixture(scope="module")
def net() -> bytes:
    """A convolution, a depthwise one, a dense layer; a small convolution; sums."""
    rng = np.random.default_rng(2)
    build = ModelBuilder()

    def constant(name: str, *shape: int) -> int:
        return build.tensor(shape, "float32", data=rng.normal(0, 0.1, shape), name=name)

    x = build.tensor((1, 6, 6, 16), "float32", name="x")
    a = build.tensor((1, 6, 6, 16), "float32", name="conv")
    build.op(
        "CONV_2D", [x, constant("conv/w", 16, 3, 3, 16), constant("b", 16)], [a], padding="SAME"
    )
    b = build.tensor((1, 6, 6, 64), "float32", name="depth")
    build.op(
        "DEPTHWISE_CONV_2D", [a, constant("depth/w", 1, 5, 5, 64), constant("c", 64)], [b],
        padding="SAME", depth_multiplier=4,
    )  # fmt: skip
    c = build.tensor((1, 6, 6, 3), "float32", name="small")
    build.op(
        "CONV_2D", [b, constant("small/w", 3, 1, 1, 64), constant("d", 3)], [c], padding="SAME"
    )
    d = build.tensor((1, 20), "float32", name="dense")
    build.op("FULLY_CONNECTED", [c, constant("dense/w", 20, 108), -1], [d])
    e = build.tensor((1, 20), "float32", name="sum")
    build.op("ADD", [d, constant("offset", 20)], [e])
    build.signature("serve", {"x": x}, {"y": e})
    return build.build([x], [e])


class TestDynamic:
    def test_large_weights_become_int8(self, net):
        samples = uniform(net)
        done, model = quantized(net, samples, "dynamic")
        kinds = {
            name: tensor(model, f"{name}/w").dtype for name in ("conv", "depth", "small", "dense")
        }
        assert kinds == {
            "conv": DType.INT8, "depth": DType.INT8, "small": DType.FLOAT32, "dense": DType.INT8,
        }  # fmt: skip
        assert len(tensor(model, "conv/w").quantization.scale) == 16
        assert tensor(model, "depth/w").quantization.axis == 3
        assert len(tensor(model, "dense/w").quantization.scale) == 1
        # As TensorFlow's converter numbers them.
        assert [op.version for op in model.main.operators] == [5, 6, 1, 9, 1]
        assert model.main.operators[3].options["asymmetric_quantize_inputs"]
        assert len(done) < 0.5 * len(net)
        for resolver in ("reference", "builtin", "auto"):
            assert worst(net, done, samples, resolver) < 0.05

    def test_per_channel_dense(self, net):
        done, model = quantized(net, (), recipe("dynamic", dense_weights="per-channel"))
        assert len(tensor(model, "dense/w").quantization.scale) == 20
        assert model.main.operators[3].version == 12
        assert worst(net, done, uniform(net)) < 0.05

    def test_layers_that_shall_stay_float(self, net):
        kept = recipe("dynamic", overrides=(LayerOverride("conv", "float32"),))
        _, model = quantized(net, (), kept)
        assert tensor(model, "conv/w").dtype is DType.FLOAT32
        _, model = quantized(net, (), "dynamic", precision={1: "float32"})
        assert tensor(model, "depth/w").dtype is DType.FLOAT32
        assert tensor(model, "conv/w").dtype is DType.INT8

    def test_chosen_codes(self, net):
        index = next(t.index for t in read_model(net).main.tensors if t.name == "dense/w")
        codes_ = np.full((20, 108), 5, np.int8)
        given = {index: WeightCodes(codes_, np.array([0.5], np.float32))}
        _, model = quantized(net, (), "dynamic", weights=given)
        np.testing.assert_array_equal(tensor(model, "dense/w").data, codes_)


class TestHalf:
    def test_constants_are_halved(self, net):
        samples = uniform(net)
        done, model = quantized(net, samples, "float16")
        assert codes(model)[:8] == ["DEQUANTIZE"] * 8 and codes(model)[8] == "CONV_2D"
        assert tensor(model, "conv/w/float16").dtype is DType.FLOAT16
        assert len(done) < 0.6 * len(net)
        for resolver in ("reference", "builtin", "auto"):
            assert worst(net, done, samples, resolver) < 0.002

    def test_values_that_float16_lacks_stay(self):
        build = ModelBuilder()
        x = build.tensor((1, 2), "float32", name="x")
        big = build.tensor((1, 2), "float32", data=[[1e6, 1.0]], name="big")
        y = build.tensor((1, 2), "float32", name="y")
        build.op("MUL", [x, big], [y])
        data = build.build([x], [y])
        assert codes(quantized(data, (), "float16")[1]) == ["MUL"]

    def test_bodies_of_loops_too(self):
        build = ModelBuilder()
        x, y = build.tensor((2,), "float32", name="x"), build.tensor((2,), "float32", name="y")
        build.op("RELU", [x], [y])
        inner = build.subgraph()
        p, q = inner.tensor((2,), "float32", name="p"), inner.tensor((2,), "float32", name="q")
        c = inner.tensor((2,), "float32", data=[0.5, 0.25], name="c")
        inner.op("MUL", [p, c], [q])
        build.add_subgraph(inner, [p], [q])
        model = emit(read_model(build.build([x], [y])), Plan(get_recipe("float16")))
        assert [op.code for op in model.subgraphs[1].operators] == ["DEQUANTIZE", "MUL"]
        LiteRTPredictor(write_model(model)).predict({"x": np.ones(2, np.float32)})


@pytest.mark.train
@pytest.mark.parametrize("name", ["dynamic", "float16"])
def test_a_recurrent_keras_model(name):
    nets = pytest.importorskip("tests.quantization.nets")
    from quantization.convert import to_float
    from quantization.freeze import freeze_keras

    image = nets.keras.Input((20, 8), name="image", batch_size=1)
    model = nets.keras.Model(image, nets.layers.Dense(4)(nets.layers.LSTM(48)(image)))
    data = to_float(freeze_keras(model))
    done, _ = quantized(data, (), name)
    assert len(done) < 0.65 * len(data)
    samples = [{"image": s["image"]} for s in nets.samples(3, (20, 8))]
    assert worst(data, done, samples) < 0.05

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.reader import read_model
from quantization import audit as audits
from quantization.audit import collapsed_ranges, require
from quantization.recipe import LayerOverride, get_recipe
from tests.builders import ModelBuilder

INT8, FLOAT = get_recipe("int8"), get_recipe("float32")


def audit(model, recipe=INT8):
    return audits.audit(model, recipe)


def conv(scales, dtype="int8"):
    build = ModelBuilder()
    kind = {"scale": 0.05, "zero_point": 3} if dtype == "int8" else {}
    x = build.tensor((1, 8, 8, 3), dtype, **kind)
    y = build.tensor((1, 8, 8, 4), dtype, **kind)
    weights = np.ones((4, 3, 3, 3), dtype)
    w = build.tensor((4, 3, 3, 3), dtype, scale=scales, data=weights) if scales else build.tensor(
        (4, 3, 3, 3), dtype, data=weights
    )  # fmt: skip
    b = build.tensor(
        (4,), "int32" if scales else dtype, data=np.zeros(4, np.int32 if scales else dtype)
    )
    build.op("CONV_2D", [x, w, b], [y], padding="SAME")
    return read_model(build.build([x], [y]))


def test_full_int8_is_clean():
    assert audit(conv([0.1] * 4)) == ()


def test_per_tensor_filters():
    (finding,) = audit(conv([0.1]))
    assert (finding.index, finding.op) == (0, "CONV_2D")
    assert (finding.got, finding.allowed) == ("1 for 4 channels", "4")


def test_float_model():
    rules = [finding.rule for finding in audit(conv(None, "float32"))]
    assert "the model's inputs are int8" in rules
    assert "the model's outputs are int8" in rules
    assert "every op computes in integers" in rules
    assert audit(conv(None, "float32"), FLOAT) == ()


def test_softmax_that_would_end_the_process_is_refused():
    def softmax(scale):
        build = ModelBuilder()
        x = build.tensor((1, 4), "int8", scale=scale, zero_point=0)
        y = build.tensor((1, 4), "int8", scale=1 / 256, zero_point=-128)
        build.op("SOFTMAX", [x], [y], beta=1.0)
        return read_model(build.build([x], [y]))

    assert audit(softmax(2**-25)) == ()
    (finding,) = audit(softmax(2**-26))
    assert "Train the model first" in finding.cure


def test_collapsed_ranges_are_a_warning():
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", scale=0.1, zero_point=0)
    y = build.tensor((1, 4), "int8", scale=1e-8, zero_point=0)
    z = build.tensor((1, 4), "int8", scale=1e-8, zero_point=0)
    build.op("RELU", [x], [y])
    build.op("RELU", [y], [z])
    (warning,) = collapsed_ranges(read_model(build.build([x], [z])))
    assert "and 1 more ops are (nearly) zero" in warning
    assert collapsed_ranges(conv([0.1] * 4)) == ()


def test_what_the_recipe_allows_is_no_finding():
    per_tensor = get_recipe("int8-per-tensor")
    assert audit(conv([0.1]), per_tensor) == ()
    assert audit(conv([0.1]), replace(INT8, overrides=(LayerOverride("*", "per-tensor"),))) == ()
    float_inside = replace(INT8, io="float32", allow_float=True)
    assert audit(conv(None, "float32"), float_inside) == ()
    wants_uint8 = [finding.op for finding in audit(conv([0.1] * 4), replace(INT8, io="uint8"))]
    assert wants_uint8 == ["input", "output"]


@pytest.mark.train
class TestConverted:
    """What TensorFlow's converter leaves in float without a word."""

    nets = None

    @pytest.fixture(autouse=True)
    def _nets(self):
        self.nets = pytest.importorskip("tests.quantization.nets")

    def convert(self, *middle):
        from tests.quantization.stock import stock_int8

        return read_model(stock_int8(self.nets.head(*middle), self.nets.samples(4)))

    def test_elu_is_named_with_its_cure(self):
        layers = self.nets.layers
        model = self.convert(layers.Conv2D(4, 3, name="first"), layers.ELU(name="my_elu"))
        (finding,) = audit(model)
        assert (finding.op, finding.name, finding.got) == ("ELU", "my_elu", "float32")
        with pytest.raises(QuantizationError, match="1 of .* ops of the quantized") as caught:
            require(model, INT8)
        (detail,) = caught.value.details
        assert "'my_elu'" in detail
        assert "hard_silu instead of elu" in detail
        assert "{" not in detail

    def test_layer_normalization_is_named(self):
        layers = self.nets.layers
        model = self.convert(layers.Conv2D(4, 3), layers.LayerNormalization(name="my_norm"))
        findings = audit(model)
        assert findings
        assert all("my_norm" in finding.name for finding in findings)
        assert any("BatchNormalization" in finding.cure for finding in findings)

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import DType
from edgecnn.core.tflite.reader import read_model
from quantization.graph.rules import RULES, data_slots, rule, weighted_ops
from tests.builders import ModelBuilder, tiny_classifier
from tests.quantization.graph.cases import CASES, draw
from tests.quantization.graph.helpers import codes, quantized, worst

# Largest error in output steps, where an op's slope or a coarse input makes more of one step.
STEPS = {
    "int8": {
        "EXP": 4, "LOG": 4, "RSQRT": 6, "REDUCE_PROD": 6, "RELU_0_TO_1": 4, "RELU_N1_TO_1": 3,
        "SQUARE": 3,
    },
    # int8 weights show in int16 outputs; tables of 513 entries in steep functions.
    "int16x8": {
        "CONV_2D": 300, "DEPTHWISE_CONV_2D": 300, "TRANSPOSE_CONV": 300, "FULLY_CONNECTED": 300,
        "RELU_0_TO_1": 3, "RELU_N1_TO_1": 3, "RSQRT": 400, "EXP": 12, "LOG": 20,
        "REDUCE_PROD": 30, "TANH": 5,
    },
}  # fmt: skip
# What LiteRT's reference kernels lack, or get wrong (SUM): its optimised ones are the judge.
NOT_IN_REF = {"ELU", "SUM"}
WRITTEN_AS = {"SQUARE": "MUL", "NEG": "MUL", "DIV": "MUL", "ADD_N": "ADD"}
COMPARED = {"ARG_MAX", "ARG_MIN", *(code for code in RULES if "EQUAL" in code or "LESS" in code)}


def test_every_row_has_a_case():
    assert not set(RULES) - set(CASES)


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize("code", sorted(CASES))
def test_row(code, recipe):
    case = CASES[code](code)
    rng = np.random.default_rng(0)
    infos = LiteRTPredictor(case.model, resolver="builtin").inputs
    samples = [draw(case, infos, rng) for _ in range(8)]
    done, model = quantized(case.model, samples, recipe)
    row = rule(WRITTEN_AS.get(code, code))
    dtype = "int8" if recipe == "int8" else "int16"
    if row is not None and dtype in row.versions:
        assert not {"QUANTIZE", "DEQUANTIZE"} & set(codes(model))
    else:
        assert code in codes(model)
        assert "DEQUANTIZE" in codes(model)
    limit = 0.1 if code in COMPARED else STEPS[recipe].get(code, 2.1)
    for resolver in ("reference", "builtin", "auto"):
        if resolver != "reference" or code not in NOT_IN_REF:
            assert worst(case.model, done, samples, resolver) <= limit, resolver


def test_tied_operands_share_their_scale():
    for code, row in RULES.items():
        if row.tie and code not in ("FILL", "EMBEDDING_LOOKUP"):
            case = CASES[code](code)
            infos = LiteRTPredictor(case.model, resolver="builtin").inputs
            samples = [draw(case, infos, np.random.default_rng(0)) for _ in range(2)]
            _, model = quantized(case.model, samples, "int8")
            (op,) = model.main.operators
            params = {
                model.main.tensors[k].quantization
                for k in (*op.inputs, *op.outputs)
                if model.main.tensors[k].dtype is DType.INT8
            }
            assert len(params) == 1, code


def test_fixed_outputs():
    """The values of TFLite's quantization specification."""
    assert RULES["SOFTMAX"].fixed["int8"].scale == (1 / 256,)
    assert RULES["SOFTMAX"].fixed["int8"].zero_point == (-128,)
    assert RULES["TANH"].fixed["int8"].scale == (1 / 128,)
    assert RULES["LOG_SOFTMAX"].fixed["int8"].zero_point == (127,)
    assert RULES["LOGISTIC"].fixed["int16"].scale == (1 / 32768,)
    for row in RULES.values():
        assert (row.real is None) == (not row.fixed)


def test_slots_and_weights():
    case = CASES["TRANSPOSE_CONV"]("TRANSPOSE_CONV")
    model = read_model(case.model)
    (op,) = model.main.operators
    assert data_slots(model.main, op) == (2,)
    (found,) = weighted_ops(model)
    assert (found.weights, found.bias) == (op.inputs[1], op.inputs[3])
    assert (found.axis, found.dense) == (0, False)
    dense = read_model(CASES["FULLY_CONNECTED"]("FULLY_CONNECTED").model)
    assert weighted_ops(dense)[0].dense
    assert weighted_ops(read_model(tiny_classifier())) == ()  # int8 weights are not float


def test_computed_weights_are_not_weights():
    build = ModelBuilder()
    x, w = build.tensor((2, 4), "float32", name="x"), build.tensor((3, 4), "float32", name="w")
    y = build.tensor((2, 3), "float32", name="y")
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    data = build.build([x, w], [y])
    assert weighted_ops(read_model(data)) == ()
    samples = [{"x": np.ones((2, 4), np.float32), "w": np.ones((3, 4), np.float32)}]
    done, model = quantized(data, samples, "int8")
    assert codes(model) == ["DEQUANTIZE", "DEQUANTIZE", "FULLY_CONNECTED", "QUANTIZE"]
    assert worst(data, done, samples) < 2

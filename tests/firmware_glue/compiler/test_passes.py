"""Passes and fixed point: what they do, and that they change no value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.tflite.model import DType, Quantization
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.importer import import_model
from firmware_glue.compiler.ir import VIEW, Tensor
from firmware_glue.compiler.passes import FIRST, PASSES
from firmware_glue.compiler.verify import GraphError, verify
from tests.firmware_glue.compiler.exactness import graph_outputs
from tests.firmware_glue.compiler.graphs import GRAPHS, random_graph
from tests.firmware_glue.compiler.harness import random_inputs

INT32 = st.integers(-(1 << 31) + 1, (1 << 31) - 1)


@pytest.mark.parametrize("step", [FIRST, *PASSES], ids=lambda step: step.__name__)
def test_each_pass_is_exact(step: object) -> None:
    models = [make(np.random.default_rng(6)) for make in GRAPHS.values()]
    models += [random_graph(np.random.default_rng([6, i])) for i in range(10)]
    for data in models:
        model = read_model(data)
        before = import_model(model).graph
        after = verify(step(before), "pass")
        inputs = random_inputs(model, np.random.default_rng(0))
        for a, b in zip(graph_outputs(before, inputs), graph_outputs(after, inputs), strict=True):
            np.testing.assert_array_equal(a, b)
        assert step(after).ops == step(step(after)).ops or step is PASSES[-1]


def test_shape_arithmetic_folds_away() -> None:
    model = compile_model(read_model(GRAPHS["dynamic_batch"](np.random.default_rng(0))), name="d")
    assert [step.ops for step in model.steps] == [(4,)]


def test_reshape_costs_nothing() -> None:
    data = GRAPHS["reshaped_input_is_output"](np.random.default_rng(0))
    model = compile_model(read_model(data), name="v")
    assert len(model.steps) == 1
    assert model.outputs[0].offset == model.inputs[0].offset
    assert any(op.code == VIEW for op in model.program.graph.ops)


def test_verify_names_the_pass() -> None:
    graph = import_model(read_model(random_graph(np.random.default_rng(1)))).graph
    with pytest.raises(GraphError, match="shuffle: .* before it is written"):
        verify(graph.with_ops(reversed(graph.ops)), "shuffle")


@given(INT32, st.integers(1 << 30, (1 << 31) - 1), st.integers(0, 31))
def test_double_rounding_as_gemmlowp(acc: int, multiplier: int, right: int) -> None:
    """Against the definition with C's truncating division."""
    product = acc * multiplier
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    high = abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)
    mask = (1 << right) - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    expected = (high >> right) + (1 if (high & mask) > threshold else 0)
    assert int(fixed_point.multiply_double(acc, multiplier, -right)) == expected


@given(st.floats(1e-12, 1e6))
def test_quantize_multiplier_is_close(real: float) -> None:
    multiplier, shift = fixed_point.quantize_multiplier(real)
    if multiplier:
        assert 1 << 30 <= multiplier < 1 << 31
        assert abs(multiplier / 2**31 * 2.0**shift / real - 1) < 2e-9
    else:
        assert real < 2**-31


def _int8(scale: float, zero_point: int) -> Tensor:
    quantization = Quantization((scale,), (zero_point,))
    return Tensor("y", (1,), DType.INT8, quantization=quantization)


def test_activation_ranges() -> None:
    assert fixed_point.activation_range("NONE", _int8(0.1, 5)) == (-128, 127)
    assert fixed_point.activation_range("RELU", _int8(0.1, 5)) == (5, 127)
    assert fixed_point.activation_range("RELU6", _int8(0.1, 5)) == (5, 65)
    assert fixed_point.activation_range("RELU_N1_TO_1", _int8(0.1, 5)) == (-5, 15)

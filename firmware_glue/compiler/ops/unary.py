"""The unary family: int8 → int8 functions of one value, run as a table of 256 entries.

A row is a function that gives the table's entries, with TFLite's own steps and roundings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops.rules import int8_activations, per_tensor
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Rule,
    Variant,
    no_options,
    out_args,
    rule,
    same_shape,
    tensor_args,
)

Ints = NDArray[np.int64]
Function = Callable[[Any, Tensor, Tensor, Ints], Ints]
"""(options, input, output, input values) → output values, not yet clamped to int8."""


def _float_function(function: Callable[[float], float]) -> Function:
    def entries(options: Any, x: Tensor, y: Tensor, q: Ints) -> Ints:
        real = np.float32(x.scale) * (q - x.zero_point).astype(np.float32)
        values = np.array([function(float(v)) for v in real], np.float64).astype(np.float32)
        inverse = np.float32(1) / np.float32(y.scale)
        rescaled = fixed_point.round_half_away(values * inverse) + np.float32(y.zero_point)
        return rescaled.astype(np.int64)

    return entries


def _logistic(x: float) -> float:
    # In float32 steps, as the reference: exp(−x), then 1 / (1 + that).
    with np.errstate(over="ignore"):
        return float(np.float32(1) / (np.float32(1) + np.float32(np.exp(np.float64(-x)))))


def _relu(low: float, high: float | None) -> Function:
    def entries(options: Any, x: Tensor, y: Tensor, q: Ints) -> Ints:
        real = float(np.float32(x.scale) / np.float32(y.scale))
        multiplier, shift = fixed_point.quantize_multiplier(real)
        scaled = fixed_point.multiply_double(q - x.zero_point, multiplier, shift) + y.zero_point
        q_low = max(-128, fixed_point.quantize_float(low, y.scale, y.zero_point))
        q_high = 127
        if high is not None:
            q_high = min(127, fixed_point.quantize_float(high, y.scale, y.zero_point))
        return np.clip(scaled, q_low, q_high)

    return entries


def _leaky_relu(options: Any, x: Tensor, y: Tensor, q: Ints) -> Ints:
    scale_in, scale_out = np.float32(x.scale), np.float32(y.scale)
    positive = fixed_point.quantize_multiplier(float(scale_in / scale_out))
    slope = float(scale_in * np.float32(options) / scale_out)
    # The multiplier of a negative slope is negative: its magnitude is split.
    multiplier, shift = fixed_point.quantize_multiplier(abs(slope))
    value = q - x.zero_point
    up = fixed_point.multiply_double(value, *positive)
    down = fixed_point.multiply_double(value, math.copysign(multiplier, slope), shift)
    return np.where(value >= 0, up, down) + y.zero_point


def _to_int16_multiplier(multiplier: int) -> int:
    return min((multiplier + (1 << 15)) >> 16, 32767)


def _high_mul16(a: Ints, b: int) -> Ints:
    return np.minimum((a * b + (1 << 14)) >> 15, 32767)


def _round_shift16(values: Ints, right: int) -> Ints:
    # From 16 bits on, the reference's int16 mask wraps to −1; it then gives 1 or −1.
    return np.where(values < 0, -1, 1) if right >= 16 else fixed_point.round_shift(values, right)


def _hard_swish_multiplier(x: Tensor, y: Tensor) -> tuple[int, int]:
    hires_scale = np.float32(x.scale) * np.float32(1 / 128)
    return fixed_point.quantize_multiplier(float(hires_scale / np.float32(y.scale)))


@rule("an output scale above 1/128 of the input's")
def hard_swish_scale(graph: Graph, op: Op) -> str | None:
    """The output scale must not be that much finer than the input's."""
    x, y = graph.input(op, 0), graph.output(op)
    return f"{x.scale:g} to {y.scale:g}" if _hard_swish_multiplier(x, y)[1] > 0 else None


def _hard_swish(options: Any, x: Tensor, y: Tensor, q: Ints) -> Ints:
    hires_scale = np.float32(x.scale) * np.float32(1 / 128)
    out_m, out_shift = _hard_swish_multiplier(x, y)
    reluish_scale = np.float32(3.0) / np.float32(32768.0)
    relu_m, relu_shift = fixed_point.quantize_multiplier(float(hires_scale / reluish_scale))
    hires = (q - x.zero_point) * 128
    preshift = _high_mul16(hires, _to_int16_multiplier(out_m))
    reluish = hires
    if relu_shift > 0:
        reluish = fixed_point.saturating_shift_left(reluish, relu_shift - 1, 16)
    reluish = _high_mul16(reluish, _to_int16_multiplier(relu_m))
    if relu_shift > 0:
        reluish = fixed_point.saturating_shift_left(reluish, 1, 16)
    reluish = _round_shift16(reluish, max(-relu_shift, 0))
    reluish = (reluish + (1 << 15)) >> 1
    product = reluish * preshift
    value = np.sign(product) * (np.abs(product) >> 15)
    return _round_shift16(value, -out_shift) + y.zero_point


def requantize(options: Any, x: Tensor, y: Tensor, q: Ints) -> Ints:
    """QUANTIZE between 8-bit types."""
    multiplier, shift = fixed_point.quantize_multiplier(x.scale / y.scale)
    return fixed_point.multiply_double(q - x.zero_point, multiplier, shift) + y.zero_point


def _limits(dtype: DType) -> tuple[int, int]:
    return (0, 255) if dtype is DType.UINT8 else (-128, 127)


def table(function: Function, graph: Graph, op: Op) -> Array:
    """All 256 outputs, indexed by the input's bit pattern, as int8 or uint8."""
    x, y = graph.input(op, 0), graph.output(op)
    patterns = np.arange(256, dtype=np.uint8).view(x.dtype.value)
    values = function(op.options, x, y, patterns.astype(np.int64))
    return np.clip(values, *_limits(y.dtype)).astype(y.dtype.value)


def table_reference(
    function: Function, graph: Graph, op: Op, values: tuple[Array, ...]
) -> tuple[Array, ...]:
    """Looks the input up."""
    return (table(function, graph, op)[values[0].view(np.uint8)],)


def table_call(function: Function, graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_lut_8``; works in place."""
    params = Params("ec_lut_params", (("count", graph.input(op, 0).elements),))
    entries = ConstArg("table", table(function, graph, op))
    args = (*tensor_args(op, 1), entries, *out_args(op))
    overlap = Overlap(op.inputs[0], op.outputs[0], 0)
    return Lowered("lut_8", (Call("ec_lut_8", "edgecnn_lut.h", params, args),), 0, (overlap,))


def _row(
    function: Function,
    parse: Callable[[Mapping[str, Any]], Any] = no_options,
    rules: tuple[Rule, ...] = (),
) -> OpSpec:
    variant = Variant(
        "lut_8",
        lambda graph, op, values: table_reference(function, graph, op, values),
        lambda graph, op: table_call(function, graph, op),
        (*int8_activations(), per_tensor(0), *rules),
    )
    return OpSpec(parse, same_shape, {"int8": variant})


SPECS = {
    "LOGISTIC": _row(_float_function(_logistic)),
    "TANH": _row(_float_function(math.tanh)),
    "RELU": _row(_relu(0.0, None)),
    "RELU6": _row(_relu(0.0, 6.0)),
    "RELU_N1_TO_1": _row(_relu(-1.0, 1.0)),
    "RELU_0_TO_1": _row(_relu(0.0, 1.0)),
    "LEAKY_RELU": _row(_leaky_relu, lambda options: float(options["alpha"])),
    "HARD_SWISH": _row(_hard_swish, rules=(hard_swish_scale,)),
}

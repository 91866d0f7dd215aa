"""SOFTMAX over the last dimension, in TFLite's reference fixed point, or float32.

8-bit inputs: the exponentials of the 256 possible differences to the row's maximum are a table
made here; the reciprocal of their sum is computed on the device. int16: two tables of 513 entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Numerics, Op, Tensor
from firmware_glue.compiler.ops.reduce import SUFFIXES
from firmware_glue.compiler.ops.rules import dtypes, per_tensor, rank
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    out_args,
    rule,
    same_shape,
    tensor_args,
)

_DIFF_BITS = 5
"""Integer bits of the scaled difference (Q5.26)."""
_SUM_BITS = 12
"""Integer bits of the sum of exponentials (Q12.19)."""


@dataclass(frozen=True)
class Options:
    """Factor on the logits."""

    beta: float


def parse(options: Mapping[str, Any]) -> Options:
    """Reads SoftmaxOptions."""
    return Options(float(options["beta"]))


@rule("8 bits: scale 1/256, lowest zero point; int16 to int16: zero points 0")
def output_scale(graph: Graph, op: Op) -> str | None:
    """The output must have the scale and zero point that TFLite fixes."""
    x, out = graph.input(op, 0), graph.output(op)
    if out.dtype is DType.INT16:
        good = x.dtype is not DType.INT16 or x.zero_point == out.zero_point == 0
    else:
        lowest = fixed_point.limits(out.dtype)[0]
        good = out.zero_point == lowest and abs(out.scale * 256 - 1) <= 0.001
    return None if good else f"scale {out.scale:g}, zero point {out.zero_point}"


@rule("at most 65536 values")
def depth_of_sum(graph: Graph, op: Op) -> str | None:
    """The last dimension must fit a sum of 32 bits."""
    depth = graph.input(op, 0).shape[-1]
    return None if depth <= 65536 else f"{depth}"


@rule("beta > 0")
def positive_beta(graph: Graph, op: Op) -> str | None:
    """Beta must be positive."""
    return None if op.options.beta > 0 else f"{op.options.beta:g}"


def q26_factor(beta: float, scale: float) -> float:
    """What an input difference is multiplied by to be Q5.26; capped as in TFLite."""
    return min(beta * scale * (1 << (31 - _DIFF_BITS)), (1 << 31) - 1.0)


def radius(shift: int) -> int:
    """The largest input difference whose exponential counts; ``shift``: of the multiplier."""
    return math.floor(((1 << _DIFF_BITS) - 1) * 2.0 ** (31 - _DIFF_BITS) / 2.0**shift)


def exponentials(beta: float, scale: float) -> Ints:
    """exp(−d · scale · beta) in Q0.31 for d = 0, 1, … until it counts as 0; at most 256 entries."""
    multiplier, left = fixed_point.quantize_multiplier(q26_factor(beta, scale))
    d = np.arange(min(radius(left), 255) + 1, dtype=np.int64)
    q26 = fixed_point.high_mul(-d << max(left, 0), multiplier)
    return fixed_point.exp_negative(q26, _DIFF_BITS)


def leading_zeros(values: Ints) -> Ints:
    """Zeros in front of the highest bit of 32-bit values > 0."""
    return np.array([32 - int(v).bit_length() for v in values.ravel()]).reshape(values.shape)


def rows_of(x: Array) -> Array:
    """(rows, last dimension)."""
    return x.reshape(-1, x.shape[-1])


def sum_of_exponentials(table: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Exponentials in Q0.31 of differences to the row's maximum, and their sum in Q13.19."""
    below = rows.max(axis=1, keepdims=True) - rows
    exps = np.where(below < table.size, table[np.minimum(below, table.size - 1)], 0)
    return exps, fixed_point.round_shift(exps, _SUM_BITS).sum(axis=1, keepdims=True)


def _reference_8(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    out = graph.output(op)
    table = exponentials(op.options.beta, graph.input(op, 0).scale)
    exps, total = sum_of_exponentials(table, rows_of(values[0]).astype(np.int64))
    # The reference aborts from a sum of 512 on (8 bits); there every quotient rounds to 0.
    many = (total >= 512 << 19) & (out.dtype is not DType.INT16)
    total = np.where(many, 1 << 19, total)
    zeros = leading_zeros(total)
    scale = fixed_point.reciprocal_1p((total << zeros) - (1 << 31))
    right = 43 - out.dtype.bits - zeros
    quotient = fixed_point.round_shift(fixed_point.high_mul(exps, scale), right)
    low, high = fixed_point.limits(out.dtype)
    result = np.clip(np.where(many, 0, quotient) + low, low, high)
    return (result.astype(out.dtype.value).reshape(values[0].shape),)


def shape_fields(x: Tensor) -> tuple[tuple[str, int], tuple[str, int]]:
    """Rows and length of the last dimension, for parameter structs."""
    return (("rows", x.elements // x.shape[-1]), ("depth", x.shape[-1]))


def _lower_8(graph: Graph, op: Op) -> Lowered:
    x, y = graph.input(op, 0), graph.output(op)
    table = exponentials(op.options.beta, x.scale).astype(np.int32)
    params = Params("ec_softmax_params", (*shape_fields(x), ("exp_count", table.size)))
    args = (*tensor_args(op, 1), ConstArg("exponentials", table), *out_args(op))
    # A wider output is written from its start while the input's end is still needed.
    overlap = Overlap(op.inputs[0], op.outputs[0], y.nbytes - x.nbytes)
    types = (x.dtype,) if x.dtype is y.dtype else (x.dtype, y.dtype)
    name = "_".join(("softmax", *(SUFFIXES[dtype.value] for dtype in types)))
    call = Call(f"ec_{name}", "edgecnn_softmax.h", params, args)
    return Lowered(name, (call,), overlaps=(overlap,))


def _s16_tables(numerics: Numerics) -> tuple[Array, Array]:
    """Exp over [−10, 0] and 1 / (1 + x) over [0, 1] in Q0.15.

    LiteRT samples them in double, TFLite Micro in float32.
    """
    real: Any = np.float32 if numerics is Numerics.TFLM else np.float64
    step = real(10) / real(65535)
    exps = _sampled(lambda v: np.exp(v), step * real(-65535), step * real(0), real)
    step = real(1) / real(65535)
    inverses = _sampled(lambda v: real(1) / (real(1) + v), step * real(0), step * real(65535), real)
    return exps, inverses


def _sampled(function: Callable[[Any], Any], low: Any, high: Any, real: Any) -> Array:
    """512 steps and the end; each sample is shifted by half the error in the middle of its step."""
    unit = real(2) / real(65535)
    one = real(65536) / (unit * real(32767) - unit * real(-32768))
    step = (high - low) / real(512)
    at = np.arange(512).astype(real)
    rounded = fixed_point.round_half_away
    sample = rounded(function(low + at * step) * one)
    after = function(low + (at + real(1)) * step) * one
    middle = rounded(function(low + at * step + step / real(2)) * one)
    bias = rounded((rounded((after + sample) / real(2)) - middle) / real(2))
    end = rounded(np.array([function(high)]) * one)
    return np.clip(np.concatenate([sample - bias, end]), -32768, 32767).astype(np.int16)


def _s16_multiplier(graph: Graph, op: Op) -> tuple[int, int]:
    unit = 10.0 / 65535.0
    return fixed_point.quantize_multiplier(graph.input(op, 0).scale * op.options.beta / unit)


def _interpolate(table: Array, values: Ints) -> Ints:
    at, wide = 256 + (values >> 7), table.astype(np.int64)
    return wide[at] + (((wide[at + 1] - wide[at]) * (values & 127) + 64) >> 7)


def _reference_s16(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    exp_table, reciprocal_table = _s16_tables(graph.numerics)
    x = rows_of(values[0]).astype(np.int64)
    multiply = fixed_point.multiply(graph.numerics)
    scaled = multiply(x - x.max(axis=1, keepdims=True), *_s16_multiplier(graph, op))
    at = np.clip(fixed_point.wrap_int32(scaled + 32767), -32768, 32767)
    exps = _interpolate(exp_table, at)
    total = exps.sum(axis=1, keepdims=True)
    zeros = leading_zeros(total)
    normal = (((total << (zeros - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16)
    inverse = _interpolate(reciprocal_table, np.clip(normal, -32768, 32767))
    right = 31 - zeros
    result = (exps * inverse + (np.int64(1) << (right - 1))) >> right
    return (np.clip(result, 0, 32767).astype(np.int16).reshape(values[0].shape),)


def _lower_s16(graph: Graph, op: Op) -> Lowered:
    multiplier, shift = _s16_multiplier(graph, op)
    params = Params(
        "ec_softmax_s16_params",
        (*shape_fields(graph.input(op, 0)), ("multiplier", multiplier), ("shift", shift)),
    )
    exp_table, reciprocal_table = _s16_tables(graph.numerics)
    tables = (ConstArg("exp_table", exp_table), ConstArg("reciprocal_table", reciprocal_table))
    args = (*tensor_args(op, 1), *tables, *out_args(op))
    call = Call("ec_softmax_s16", "edgecnn_softmax.h", params, args)
    return Lowered("softmax_s16", (call,), overlaps=(Overlap(op.inputs[0], op.outputs[0], 0),))


def running_sum(values: Array) -> Array:
    """Sums of rows from left to right, as the kernels add: (rows, 1)."""
    return np.cumsum(values, axis=1, dtype=values.dtype)[:, -1:]


def _reference_f32(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x = rows_of(values[0])
    exps = np.exp((x - x.max(axis=1, keepdims=True)) * np.float32(op.options.beta))
    return ((exps / running_sum(exps)).reshape(values[0].shape),)


def _lower_f32(graph: Graph, op: Op) -> Lowered:
    fields = (*shape_fields(graph.input(op, 0)), ("beta", float(op.options.beta)))
    params = Params("ec_softmax_f32_params", fields)
    args = (*tensor_args(op, 1), *out_args(op))
    call = Call("ec_softmax_f32", "edgecnn_softmax.h", params, args)
    return Lowered("softmax_f32", (call,), overlaps=(Overlap(op.inputs[0], op.outputs[0], 0),))


_RULES_8 = (per_tensor(0), output_scale)
SPEC = OpSpec(
    parse, same_shape,
    {
        "int8": Variant(
            "softmax_s8", _reference_8, _lower_8,
            (dtypes(0, DType.INT8, DType.INT16, output=True), *_RULES_8),
        ),
        "uint8": Variant(
            "softmax_u8", _reference_8, _lower_8,
            (dtypes(0, DType.UINT8, DType.INT16, output=True), *_RULES_8),
        ),
        "int16": Variant(
            "softmax_s16", _reference_s16, _lower_s16,
            (dtypes(0, DType.INT16, output=True), *_RULES_8, depth_of_sum),
        ),
        "float32": Variant(
            "softmax_f32", _reference_f32, _lower_f32, (dtypes(0, DType.FLOAT32, output=True),)
        ),
    },
    (rank(0, 1, MAX_DIMS), positive_beta),
)  # fmt: skip

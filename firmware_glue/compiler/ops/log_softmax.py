"""LOG_SOFTMAX over the last dimension, in TFLite's reference fixed point, or float32."""

from __future__ import annotations

import numpy as np

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops import softmax
from firmware_glue.compiler.ops.reduce import SUFFIXES
from firmware_glue.compiler.ops.rules import per_tensor, rank, same_dtype
from firmware_glue.compiler.ops.softmax import leading_zeros, rows_of
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
    no_options,
    out_args,
    rule,
    same_shape,
    tensor_args,
)

_SQRT_HALF, _FOURTH_ROOT_HALF, _LOG_2 = 1518500250, 1805811301, 1488522236
_QUARTER = 1 << 23


@rule("scale 1/16, highest zero point")
def output_scale(graph: Graph, op: Op) -> str | None:
    """The output must have scale 1/16 and zero point 127 (uint8: 255)."""
    out = graph.output(op)
    good = out.scale == 1 / 16 and out.zero_point == fixed_point.limits(out.dtype)[1]
    return None if good else f"scale {out.scale:g}, zero point {out.zero_point}"


@rule("2^-25 or more")
def input_scale(graph: Graph, op: Op) -> str | None:
    """The input scale must not be smaller than the steps of TFLite's exponential."""
    scale = graph.input(op, 0).scale
    return None if scale >= 2.0**-25 else f"{scale:g}"


def logarithm(x: Ints) -> Ints:
    """ln(x) in Q5.26 of x ≥ 1 in Q12.19: the steps of ``ec_ln_q12``."""
    mul, shift = fixed_point.high_mul, _shift_left
    zeros = leading_zeros(x)
    r_a = shift(mul(shift(x, zeros - 1), _SQRT_HALF), 1)
    power_a = (12 - zeros) * (1 << 25) + _QUARTER
    zeros_b = leading_zeros(mul(x, _SQRT_HALF)) - 1
    power_b = (12 - zeros_b) * (1 << 25) - _QUARTER
    r = np.minimum(r_a, shift(x, zeros_b))
    power = np.maximum(power_a, power_b)
    p = (r + _FOURTH_ROOT_HALF + 1) >> 1
    q = 2 * (r - _FOURTH_ROOT_HALF)
    square = mul(q, q)
    numerator = mul(q, r) + mul(mul(q, square), 117049297)
    denominator = mul(p, 1057819769 + q + mul(127690142, square)) + mul(q, 638450708)
    inverse = fixed_point.reciprocal_1p(denominator)
    rest = mul(fixed_point.round_shift(numerator, 6), inverse)
    return shift(mul(power, _LOG_2) + rest, 1)


def _shift_left(values: Ints, left: Ints | int) -> Ints:
    return np.clip(values << left, -(1 << 31), (1 << 31) - 1)


def _factors(x: Tensor) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Differences → Q5.26, Q5.26 → differences (as multiplier, shift), the lowest difference."""
    multiplier, shift = fixed_point.quantize_multiplier(softmax.q26_factor(1.0, x.scale))
    back = fixed_point.quantize_multiplier(2.0 ** (31 - shift) / multiplier)
    radius = softmax.radius(shift)
    # Where no difference counts, none is multiplied: a shift of 31 would not fit the kernel.
    return (multiplier, shift if radius else 0), back, -radius


def _reference_8(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x, out = graph.input(op, 0), graph.output(op)
    low, high = fixed_point.limits(out.dtype)
    multiply = fixed_point.multiply(graph.numerics)
    forth, back, diff_min = _factors(x)
    rows = rows_of(values[0]).astype(np.int64)
    total = softmax.sum_of_exponentials(softmax.exponentials(1.0, x.scale), rows)[1]
    log_sum = logarithm(np.minimum(total, (1 << 31) - 1))
    least = np.maximum(diff_min - 1, multiply(log_sum - (1 << 31), *back))
    below = rows - rows.max(axis=1, keepdims=True)
    real = multiply(below, *forth) - log_sum
    result = np.where(below > least, fixed_point.round_shift(real, 22) + high, low)
    return (np.clip(result, low, high).astype(out.dtype.value).reshape(out.shape),)


def _call(graph: Graph, op: Op, name: str, params: Params, tables: tuple[ConstArg, ...]) -> Lowered:
    args = (*tensor_args(op, 1), *tables, *out_args(op))
    call = Call(f"ec_{name}", "edgecnn_log_softmax.h", params, args)
    return Lowered(name, (call,), overlaps=(Overlap(op.inputs[0], op.outputs[0], 0),))


def _lower_8(graph: Graph, op: Op) -> Lowered:
    x = graph.input(op, 0)
    table = softmax.exponentials(1.0, x.scale).astype(np.int32)
    forth, back, diff_min = _factors(x)
    params = Params(
        "ec_log_softmax_params",
        (
            *softmax.shape_fields(x), ("exp_count", table.size),
            ("multiplier", forth[0]), ("shift", forth[1]),
            ("back_multiplier", back[0]), ("back_shift", back[1]), ("diff_min", diff_min),
        ),
    )  # fmt: skip
    name = f"log_softmax_{SUFFIXES[x.dtype.value]}"
    return _call(graph, op, name, params, (ConstArg("exponentials", table),))


def _reference_f32(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x = rows_of(values[0])
    shifted = x - x.max(axis=1, keepdims=True)
    exps = np.exp(shifted.astype(np.float64)).astype(np.float32)
    result = shifted - np.log(softmax.running_sum(exps))
    return (result.reshape(values[0].shape),)


def _lower_f32(graph: Graph, op: Op) -> Lowered:
    params = Params("ec_log_softmax_f32_params", softmax.shape_fields(graph.input(op, 0)))
    return _call(graph, op, "log_softmax_f32", params, ())


_RULES_8 = (per_tensor(0), output_scale, input_scale)
SPEC = OpSpec(
    no_options, same_shape,
    {
        "int8": Variant("log_softmax_s8", _reference_8, _lower_8, _RULES_8),
        "uint8": Variant("log_softmax_u8", _reference_8, _lower_8, _RULES_8),
        "float32": Variant("log_softmax_f32", _reference_f32, _lower_f32),
    },
    (rank(0, 1, MAX_DIMS), same_dtype),
)  # fmt: skip

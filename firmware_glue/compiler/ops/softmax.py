"""SOFTMAX over the last dimension, in TFLite's reference fixed point.

The exponentials of the 256 possible differences to the row's maximum are a table made here; the
reciprocal of their sum is computed on the device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.rules import int8_activations, per_tensor, rank
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

Ints = NDArray[np.int64]
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


@rule("scale 1/256, zero point −128")
def output_scale(graph: Graph, op: Op) -> str | None:
    """The output must have scale 1/256 and zero point −128."""
    out = graph.output(op)
    good = out.zero_point == -128 and abs(out.scale * 256 - 1) <= 0.001
    return None if good else f"scale {out.scale:g}, zero point {out.zero_point}"


@rule("beta > 0")
def positive_beta(graph: Graph, op: Op) -> str | None:
    """Beta must be positive."""
    return None if op.options.beta > 0 else f"{op.options.beta:g}"


def _exp_quarter(a: Ints) -> Ints:
    """exp(a) for a in [−1/4, 0), Q0.31: a Taylor series around −1/8."""
    mul = fixed_point.high_mul
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4_over_4 = fixed_point.round_shift(mul(x2, x2), 2)
    tail = fixed_point.round_shift(mul(x4_over_4 + x3, 715827883) + x2, 1)
    constant = 1895147668
    return constant + mul(x + tail, constant)


def _exp(q26: Ints) -> Ints:
    """exp(q26) for values ≤ 0 in Q5.26, as Q0.31."""
    quarter = 1 << 24
    low = (q26 & (quarter - 1)) - quarter
    result = _exp_quarter(low << _DIFF_BITS)
    remainder = low - q26
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in enumerate(factors, start=24):
        if bit < 31:
            taken = (remainder & (1 << bit)) != 0
            result = np.where(taken, fixed_point.high_mul(result, factor), result)
    return np.where(q26 == 0, (1 << 31) - 1, result)


def exponentials(beta: float, scale: float) -> Ints:
    """exp(−d · scale · beta) in Q0.31 for d = 0, 1, … until it counts as 0; at most 256 entries."""
    real = min(beta * scale * (1 << (31 - _DIFF_BITS)), (1 << 31) - 1.0)
    multiplier, left = fixed_point.quantize_multiplier(real)
    radius = math.floor(((1 << _DIFF_BITS) - 1) * 2.0 ** (31 - _DIFF_BITS) / 2.0**left)
    d = np.arange(min(radius, 255) + 1, dtype=np.int64)
    return _exp(fixed_point.high_mul(-d << max(left, 0), multiplier))


def _reciprocal(a: Ints) -> Ints:
    """1 / (1 + a), both Q0.31, as ``ec_reciprocal_1p``."""
    mul, shift = fixed_point.high_mul, fixed_point.saturating_shift_left
    half = (a + (1 << 31)) >> 1
    x = 1515870810 + mul(half, -1010580540)
    for _ in range(3):
        x = x + shift(mul(x, (1 << 29) - mul(half, x)), 2)
    return shift(x, 1)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    table = exponentials(op.options.beta, graph.input(op, 0).scale)
    x = values[0].astype(np.int64).reshape(-1, values[0].shape[-1])
    below = x.max(axis=1, keepdims=True) - x
    exps = np.where(below < table.size, table[np.minimum(below, table.size - 1)], 0)
    total = fixed_point.round_shift(exps, _SUM_BITS).sum(axis=1, keepdims=True)
    # The reference aborts from a sum of 512 on; there every quotient rounds to 0.
    many = total >= 512 << 19
    total = np.where(many, 1 << 19, total)
    zeros = np.array([32 - int(v).bit_length() for v in total.ravel()]).reshape(total.shape)
    scale = _reciprocal((total << zeros) - (1 << 31))
    quotient = fixed_point.round_shift(fixed_point.high_mul(exps, scale), 35 - zeros)
    result = np.where(many, 0, quotient) - 128
    return (np.clip(result, -128, 127).astype(np.int8).reshape(values[0].shape),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_softmax_s8``; works in place."""
    x = graph.input(op, 0)
    table = exponentials(op.options.beta, x.scale).astype(np.int32)
    depth = x.shape[-1]
    params = Params(
        "ec_softmax_params",
        (("rows", x.elements // depth), ("depth", depth), ("exp_count", table.size)),
    )
    args = (*tensor_args(op, 1), ConstArg("exponentials", table), *out_args(op))
    overlap = Overlap(op.inputs[0], op.outputs[0], 0)
    call = Call("ec_softmax_s8", "edgecnn_softmax.h", params, args)
    return Lowered("softmax_s8", (call,), overlaps=(overlap,))


SPEC = OpSpec(
    parse, same_shape,
    {
        "int8": Variant(
            "softmax_s8", reference, lower, (*int8_activations(), per_tensor(0), output_scale)
        )
    },
    (rank(0, 1, MAX_DIMS), positive_beta),
)  # fmt: skip

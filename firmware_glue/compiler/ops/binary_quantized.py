"""Quantized arithmetic of two operands: the fixed-point steps of ADD, SUB, MUL and others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints, Multiply
from firmware_glue.compiler.ir import Graph, Numerics, Op
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.rules import per_tensor
from firmware_glue.compiler.ops.spec import Array, Rule, Variant, rule

_MAX_SHIFT = 30
_DIV_SHIFT = 14
"""Beyond it the reference would shift a quotient by more bits than its code is defined for."""


@dataclass(frozen=True)
class Options:
    """Fused activation; pot_scales: int16 sums may use shifts where all scales are powers of 2."""

    activation: str = "NONE"
    pot_scales: bool = True


@dataclass(frozen=True)
class Rescale:
    """The fixed-point steps of one op; multipliers of 0 stand for unused steps."""

    left_shift: int = 0
    input1: tuple[int, int] = (0, 0)
    input2: tuple[int, int] = (0, 0)
    output: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Arithmetic:
    """One op: its real multipliers, and the result of two operands without zero points.

    Attributes:
        kernel: the C kernels' name without suffix.
        scale: the multipliers.
        combine: (multiplication, multipliers, a, b) → result without zero point, not clamped.
        rules: limits of the multipliers.
    """

    kernel: str
    scale: Callable[[Graph, Op], Rescale]
    combine: Callable[[Multiply, Rescale, Ints, Ints], Ints]
    rules: tuple[Rule, ...]


def _float32_scales(graph: Graph, op: Op) -> tuple[np.float32, np.float32, np.float32]:
    tensors = (graph.input(op, 0), graph.input(op, 1), graph.output(op))
    one, two, out = (np.float32(tensor.scale) for tensor in tensors)
    return one, two, out


def _sum_multipliers(graph: Graph, op: Op) -> tuple[int, float, float, float]:
    s1, s2 = graph.input(op, 0).scale, graph.input(op, 1).scale
    twice, out = 2 * max(s1, s2), graph.output(op).scale
    if op.code == "SQUARED_DIFFERENCE":
        left = 7
        return left, s1 / twice, s2 / twice, twice * twice / ((1 << 2 * left) * out)
    left = 15 if graph.output(op).dtype.value == "int16" else 20
    return left, s1 / twice, s2 / twice, twice / ((1 << left) * out)


def _sum_scale(graph: Graph, op: Op) -> Rescale:
    left, *reals = _sum_multipliers(graph, op)
    return Rescale(left, *(fixed_point.quantize_multiplier(real) for real in reals))


def _product_scale(graph: Graph, op: Op) -> Rescale:
    s1, s2, out = _float32_scales(graph, op)
    with np.errstate(over="ignore"):
        return Rescale(output=fixed_point.quantize_multiplier(float(s1 * s2 / out)))


def _quotient_scale(graph: Graph, op: Op) -> Rescale:
    s1, s2, out = _float32_scales(graph, op)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        return Rescale(output=fixed_point.quantize_multiplier(float(s1 / (s2 * out))))


@rule("an output scale above 1e-6 of the inputs'")
def _sum_shrinks(graph: Graph, op: Op) -> str | None:
    """The output scale must not be tiny beside the inputs' scales (TFLite stops there)."""
    real = _sum_multipliers(graph, op)[3]
    return None if real < 1 else f"a multiplier of {real:g}"


def _multiplier_within(scale: Callable[[Graph, Op], Rescale], low: int, high: int) -> Rule:
    @rule(f"below 2^{high}" if low < -_MAX_SHIFT else f"2^{low} to 2^{high}")
    def fits(graph: Graph, op: Op) -> str | None:
        """The inputs' scales must fit the output's: TFLite's multiplier has a range."""
        smallest = np.finfo(np.float32).tiny
        if min(scales := _float32_scales(graph, op)) < smallest:
            return f"scales {', '.join(f'{s:g}' for s in scales)}"
        shift = scale(graph, op).output[1]
        return None if low <= shift <= high else f"a multiplier of 2^{shift}"

    return fits


def _sum(sign: int) -> Callable[[Multiply, Rescale, Ints, Ints], Ints]:
    def combine(multiply: Multiply, r: Rescale, a: Ints, b: Ints) -> Ints:
        left = multiply(a << r.left_shift, *r.input1)
        right = multiply(b << r.left_shift, *r.input2)
        return multiply(left + sign * right, *r.output)

    return combine


def _squared(multiply: Multiply, r: Rescale, a: Ints, b: Ints) -> Ints:
    left = multiply(a << r.left_shift, *r.input1)
    right = multiply(b << r.left_shift, *r.input2)
    return multiply((left - right) ** 2, *r.output)


def _product(multiply: Multiply, r: Rescale, a: Ints, b: Ints) -> Ints:
    return multiply(a * b, *r.output)


def _quotient(multiply: Multiply, r: Rescale, a: Ints, b: Ints) -> Ints:
    """Through the reciprocal of b; 0 where b is 0."""
    x, y = np.where(b < 0, -a, a), np.maximum(np.abs(b), 1)
    zeros = 32 - np.frexp(y.astype(np.float64))[1].astype(np.int64)
    headroom = 31 - np.frexp(np.where(x < 0, ~x, x).astype(np.float64))[1].astype(np.int64)
    inverse = fixed_point.reciprocal_1p((y << zeros) - (1 << 31))
    quotient = multiply(x, inverse, headroom)
    shift = r.output[1] - (31 - zeros) - headroom
    scaled = multiply(quotient, r.output[0], np.maximum(shift, -31))
    # TFLite shifts small quotients by more bits than there are; this is what it gets on x86.
    high = fixed_point.high_mul(quotient, r.output[0])
    beyond = (high >> (-shift & 31)) + (high >= 0)
    return np.where(b == 0, 0, np.where(shift < -31, beyond, scaled))


ADD = Arithmetic("add", _sum_scale, _sum(1), (_sum_shrinks,))
SUB = Arithmetic("sub", _sum_scale, _sum(-1), (_sum_shrinks,))
MUL = Arithmetic(
    "mul", _product_scale, _product, (_multiplier_within(_product_scale, -99, _MAX_SHIFT),)
)
DIV = Arithmetic(
    "div",
    _quotient_scale,
    _quotient,
    (_multiplier_within(_quotient_scale, -_DIV_SHIFT, _DIV_SHIFT),),
)
SQUARED_DIFFERENCE = Arithmetic("squared_difference", _sum_scale, _squared, (_sum_shrinks,))


@rule("zero point 0")
def _symmetric(graph: Graph, op: Op) -> str | None:
    """int16 activations must have zero point 0."""
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs)]
    points = [tensor.zero_point for tensor in tensors]
    return f"zero points {points}" if any(points) else None


def limits(graph: Graph, op: Op) -> tuple[int, int]:
    """The range of the op's fused activation."""
    return fixed_point.activation_range(op.options.activation, graph.output(op))


def _fields(scale: Callable[[Graph, Op], Rescale]) -> Callable[[Graph, Op], broadcast.Fields]:
    def fields(graph: Graph, op: Op) -> broadcast.Fields:
        r, (low, high) = scale(graph, op), limits(graph, op)
        return (
            ("offset1", -graph.input(op, 0).zero_point),
            ("offset2", -graph.input(op, 1).zero_point),
            ("out_offset", graph.output(op).zero_point), ("left_shift", r.left_shift),
            ("multiplier1", r.input1[0]), ("shift1", r.input1[1]),
            ("multiplier2", r.input2[0]), ("shift2", r.input2[1]),
            ("multiplier", r.output[0]), ("shift", r.output[1]),
            ("act_min", low), ("act_max", high),
        )  # fmt: skip

    return fields


def variant(arithmetic: Arithmetic, dtype: str) -> Variant:
    """An op on int8, uint8 or int16."""

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = (values[i].astype(np.int64) - graph.input(op, i).zero_point for i in (0, 1))
        multiply = fixed_point.multiply(graph.numerics)
        r, out = arithmetic.scale(graph, op), graph.output(op)
        result = arithmetic.combine(multiply, r, *np.broadcast_arrays(a, b)) + out.zero_point
        return (np.clip(result, *limits(graph, op)).astype(dtype),)

    kernel = f"{arithmetic.kernel}_{broadcast.SUFFIXES[dtype]}"
    fields = _fields(arithmetic.scale)
    lower = broadcast.lowered(kernel, "edgecnn_binary.h", "ec_binary_params", fields)
    symmetric = (_symmetric,) if dtype == "int16" and arithmetic is not DIV else ()
    rules = (per_tensor(0, 1), *symmetric, *arithmetic.rules)
    note = broadcast.NO_DIVISION if arithmetic is DIV else ""
    return Variant(kernel, reference, lower, rules, note=note)


def shifts(graph: Graph, op: Op) -> tuple[int, int] | None:
    """Right shifts of the inputs if an int16 sum runs on powers of two, else None."""
    if not op.options.pot_scales or graph.numerics is Numerics.TFLM:
        return None
    exponents = []
    for tensor in (graph.input(op, 0), graph.input(op, 1), graph.output(op)):
        exact = math.log2(tensor.scale) if 0 < tensor.scale < math.inf else 0.5
        if abs(exact - round(exact)) >= 1e-3:
            return None
        exponents.append(round(exact))
    one, two, out = exponents
    return out - one, out - two


@rule("one input of the output's scale, the other finer, no broadcasting in ADD")
def _shifts_fit(graph: Graph, op: Op) -> str | None:
    """int16 operands whose scales are powers of two must fit by a shift to the right."""
    found = shifts(graph, op)
    if found is None:
        return None
    if min(found) != 0 or max(found) > 15:
        return f"shifts by {found[0]} and {found[1]}"
    same = graph.input(op, 0).shape == graph.input(op, 1).shape
    return None if same or op.code == "SUB" else "broadcasting"


def _shift_fields(graph: Graph, op: Op) -> broadcast.Fields:
    one, two = shifts(graph, op) or (0, 0)
    low, high = limits(graph, op)
    return (("shift1", one), ("shift2", two), ("act_min", low), ("act_max", high))


def int16_sum(arithmetic: Arithmetic) -> Variant:
    """ADD or SUB of int16: by shifts where the scales are powers of two and the file allows."""
    name, sign = f"{arithmetic.kernel}_shift_s16", -1 if arithmetic is SUB else 1

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        found = shifts(graph, op) or (0, 0)
        a, b = (fixed_point.round_shift(values[i], found[i]) for i in (0, 1))
        total = np.clip(a + sign * b, -(1 << 15), (1 << 15) - 1)
        return (np.clip(total, *limits(graph, op)).astype(np.int16),)

    lower = broadcast.lowered(name, "edgecnn_binary.h", "ec_binary_shift_params", _shift_fields)
    by_shift = Variant(name, reference, lower, (per_tensor(0, 1), _symmetric, _shifts_fit))
    general = variant(arithmetic, "int16")
    return broadcast.choose(general, by_shift, lambda graph, op: shifts(graph, op) is not None)

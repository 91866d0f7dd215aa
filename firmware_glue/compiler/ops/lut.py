"""Functions of one quantized value as tables made at compile time.

8 bits: all 256 outputs. 16 bits: TFLite's 513 points with straight lines between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops.rules import dtypes, per_tensor
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Lowered,
    Overlap,
    Params,
    Rule,
    Variant,
    out_args,
    rule,
    tensor_args,
)

Floats = NDArray[np.float32]
Function = Callable[[Graph, Op, Ints], Ints]
"""(graph, op, input values) → output values, not yet clamped to the output's dtype."""
Real = Callable[[Any, Tensor, Floats], Floats]
"""(options, output, float32 values) → float32 values."""


def in_place(kernel: str, header: str, params: Params, op: Op, *tables: ConstArg) -> Lowered:
    """One call of a kernel ``ec_<kernel>(params, in, tables…, out)`` that works in place."""
    args = (*tensor_args(op, 1), *tables, *out_args(op))
    overlap = Overlap(op.inputs[0], op.outputs[0], 0)
    return Lowered(kernel, (Call(f"ec_{kernel}", header, params, args),), 0, (overlap,))


def count_params(graph: Graph, op: Op) -> Params:
    """The parameters of a table's kernel."""
    return Params("ec_lut_params", (("count", graph.input(op, 0).elements),))


def from_real(real: Real) -> Function:
    """A function of the real value, computed in float32 as TFLite's LUTPopulate does."""

    def entries(graph: Graph, op: Op, q: Ints) -> Ints:
        x, y = graph.input(op, 0), graph.output(op)
        values = real(op.options, y, np.float32(x.scale) * (q - x.zero_point).astype(np.float32))
        with np.errstate(over="ignore"):
            scaled = values * (np.float32(1) / np.float32(y.scale))
        whole = fixed_point.round_half_away(np.clip(scaled, -65536, 65536))
        return (whole + np.float32(y.zero_point)).astype(np.int64)

    return entries


def table(function: Function, graph: Graph, op: Op) -> Array:
    """All 256 outputs, indexed by the input's bit pattern, in the output's dtype."""
    x, y = graph.input(op, 0), graph.output(op)
    patterns = np.arange(256, dtype=np.uint8).view(x.dtype.value)
    values = function(graph, op, patterns.astype(np.int64))
    return np.clip(values, *fixed_point.limits(y.dtype)).astype(y.dtype.value)


def table8(function: Function, *rules: Rule, outputs: tuple[DType, ...] = ()) -> Variant:
    """A variant for int8 or uint8; the output has the input's dtype, or one of ``outputs``."""

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        return (table(function, graph, op)[values[0].view(np.uint8)],)

    def lower(graph: Graph, op: Op) -> Lowered:
        entries = ConstArg("table", table(function, graph, op))
        return in_place("lut_8", "edgecnn_lut.h", count_params(graph, op), op, entries)

    kind = dtypes(0, *outputs, output=True) if outputs else same_dtypes
    return Variant("lut_8", reference, lower, (kind, per_tensor(0), *rules))


@rule("the input's dtype")
def same_dtypes(graph: Graph, op: Op) -> str | None:
    """Input and output must have the same dtype."""
    a, b = graph.input(op, 0).dtype, graph.output(op).dtype
    return None if a is b else f"{a.value} and {b.value}"


@rule("zero point 0")
def symmetric(graph: Graph, op: Op) -> str | None:
    """int16 activations must have zero point 0."""
    for tensor in (graph.input(op, 0), graph.output(op)):
        if tensor.dtype is DType.INT16 and tensor.zero_point != 0:
            return f"'{tensor.name}' has {tensor.zero_point}"
    return None


def points(real: Real, graph: Graph, op: Op) -> Array:
    """The 513 points of LUTPopulateInt16: moved where that halves the error between them."""
    x, y = graph.input(op, 0), graph.output(op)
    lowest, highest = fixed_point.limits(DType.INT16)
    with np.errstate(all="ignore"):
        first, last, bottom, top = (
            np.float32(tensor.scale) * np.float32(limit - tensor.zero_point)
            for tensor in (x, y)
            for limit in (lowest, highest)
        )
        step = (last - first) / np.float32(512)
        inverse = np.float32(65536) / (top - bottom)
        at = first + np.arange(513, dtype=np.float32) * step
        value = real(op.options, y, at) * inverse
        middle = real(op.options, y, at[:-1] + step / np.float32(2)) * inverse
        rounded = fixed_point.round_half_away(value)
        between = fixed_point.round_half_away((value[1:] + rounded[:-1]) / np.float32(2))
        error = between - fixed_point.round_half_away(middle)
        moved = rounded[:-1] - fixed_point.round_half_away(error / np.float32(2))
        end = fixed_point.round_half_away(real(op.options, y, np.array([last])) * inverse)
    whole = np.concatenate([moved, end])
    # std::max(NaN, low) is NaN in C++, and its conversion gives 0.
    clipped = np.clip(np.nan_to_num(whole, nan=0.0, posinf=highest, neginf=lowest), lowest, highest)
    return clipped.astype(np.int16)


def interpolated(real: Real, *rules: Rule) -> Variant:
    """The int16 variant: LUTLookup between 513 points."""

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        lut = points(real, graph, op).astype(np.int64)
        q = values[0].astype(np.int64)
        base = lut[256 + (q >> 7)]
        slope = (lut[257 + (q >> 7)] - base).astype(np.int16).astype(np.int64)
        return ((base + ((slope * (q & 127) + 64) >> 7)).astype(np.int16),)

    def lower(graph: Graph, op: Op) -> Lowered:
        entries = ConstArg("table", points(real, graph, op))
        return in_place("lut_s16", "edgecnn_lut.h", count_params(graph, op), op, entries)

    return Variant("lut_s16", reference, lower, (same_dtypes, per_tensor(0), symmetric, *rules))

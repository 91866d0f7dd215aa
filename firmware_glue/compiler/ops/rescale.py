"""Piecewise linear functions between integer scales: the RELU family, ABS, QUANTIZE.

All are one C kernel, ``ec_rescale_<in>_<out>``; for 8 bits they become tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Numerics, Op, Tensor
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    Overlap,
    Params,
    Planned,
    Rule,
    Variant,
    out_args,
    tensor_args,
)

Multiplier = tuple[int, int]
SUFFIX = {
    DType.INT8: "s8", DType.UINT8: "u8", DType.INT16: "s16", DType.INT32: "s32",
    DType.INT64: "s64", DType.FLOAT32: "f32", DType.BOOL: "bool",
}  # fmt: skip
"""How kernels name dtypes."""
IDENTITY: Multiplier = (1 << 30, 1)
"""Times 1, exactly."""


@dataclass(frozen=True)
class Pieces:
    """A function of v = q − input_zero, of the output q.

    Attributes:
        above, below: (Q31 multiplier, shift) of v ≥ 0 and of v < 0.
        magnitude: take the absolute value of v first.
        low, high: limits of the output q.
    """

    above: Multiplier
    below: Multiplier
    input_zero: int
    output_zero: int
    low: int
    high: int
    magnitude: bool = False


Describe = Callable[[Graph, Op], Pieces]


def ratio(graph: Graph, x: Tensor, y: Tensor) -> Multiplier:
    """x.scale / y.scale as a multiplier: divided in float32, in TFLite Micro in double."""
    if graph.numerics is Numerics.TFLM:
        return fixed_point.quantize_multiplier(x.scale / y.scale)
    return fixed_point.quantize_multiplier(float(np.float32(x.scale) / np.float32(y.scale)))


def linear(graph: Graph, op: Op, multiplier: Multiplier) -> Pieces:
    """One multiplier for all values, the output's zero point and dtype limits."""
    x, y = graph.input(op, 0), graph.output(op)
    low, high = fixed_point.limits(y.dtype)
    return Pieces(multiplier, multiplier, x.zero_point, y.zero_point, low, high)


def apply(describe: Describe, graph: Graph, op: Op, q: Ints) -> Ints:
    """The function on an array of inputs; wraps at 32 bits like the C kernel."""
    pieces = describe(graph, op)
    multiply = fixed_point.multiply(graph.numerics)
    value = fixed_point.wrap_int32(q - pieces.input_zero)
    if pieces.magnitude:
        value = fixed_point.wrap_int32(np.abs(value))
    scaled = np.where(value >= 0, multiply(value, *pieces.above), multiply(value, *pieces.below))
    return np.clip(fixed_point.wrap_int32(scaled + pieces.output_zero), pieces.low, pieces.high)


def convert_overlap(graph: Graph, op: Op) -> Overlap:
    """Element by element from one width to another: forwards or backwards over the input."""
    more = max(0, graph.output(op).nbytes - graph.input(op, 0).nbytes)
    return Overlap(op.inputs[0], op.outputs[0], more, more)


def convert_call(graph: Graph, op: Op, kernel: str, header: str, params: Params) -> Lowered:
    """One call of a kernel made with ``EC_CONVERT``."""
    count = ("count", graph.input(op, 0).elements)
    full = Params(params.struct, (count, ("reverse", Planned.REVERSE), *params.fields))
    call = Call(f"ec_{kernel}", header, full, (*tensor_args(op, 1), *out_args(op)))
    return Lowered(kernel, (call,), 0, (convert_overlap(graph, op),))


def lower(describe: Describe, graph: Graph, op: Op) -> Lowered:
    """One call of the rescale kernel of these dtypes."""
    pieces = describe(graph, op)
    x, y = graph.input(op, 0).dtype, graph.output(op).dtype
    params = Params(
        "ec_rescale_params",
        (
            ("input_zero", pieces.input_zero),
            ("magnitude", int(pieces.magnitude)),
            ("multiplier", pieces.above[0]),
            ("shift", pieces.above[1]),
            ("below_multiplier", pieces.below[0]),
            ("below_shift", pieces.below[1]),
            ("output_zero", pieces.output_zero),
            ("low", pieces.low),
            ("high", pieces.high),
        ),
    )
    kernel = f"rescale_{SUFFIX[x]}_{SUFFIX[y]}"
    return convert_call(graph, op, kernel, "edgecnn_quantize.h", params)


def variant(describe: Describe, kernel: str, *rules: Rule) -> Variant:
    """The variant of a function that is computed, not looked up."""

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        result = apply(describe, graph, op, values[0].astype(np.int64))
        return (result.astype(graph.output(op).dtype.value),)

    return Variant(kernel, reference, lambda graph, op: lower(describe, graph, op), rules)

"""BATCH_MATMUL: matrix products over broadcast batches; either operand constant or computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.channels import Scaling, scaling
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT, dtypes, per_tensor, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Variant,
    out_args,
    rule,
    tensor_args,
)

_HEADER = "edgecnn_batch_matmul.h"
_SIZES = "ec_batch_matmul_sizes"
_BATCHES = 3


@dataclass(frozen=True)
class Options:
    """Which operand has its last two dimensions swapped."""

    adj_x: bool
    adj_y: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads BatchMatMulOptions."""
    return Options(bool(options.get("adj_x", False)), bool(options.get("adj_y", False)))


def _swapped(shape: Shape, swap: bool) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if swap else shape


def _shapes(graph: Graph, op: Op) -> tuple[Shape, Shape]:
    """Both operands as (batches…, rows, depth) and (batches…, depth, columns)."""
    lhs = _swapped(graph.input(op, 0).shape, op.options.adj_x)
    return lhs, _swapped(graph.input(op, 1).shape, op.options.adj_y)


@rule("inner dimensions that agree; batches that agree, or are 1")
def operands_fit(graph: Graph, op: Op) -> str | None:
    """The operands must fit each other."""
    lhs, rhs = _shapes(graph, op)
    got = f"{list(lhs)} and {list(rhs)} (after transposition)"
    if lhs[-1] != rhs[-2]:
        return got
    try:
        np.broadcast_shapes(lhs[:-2], rhs[:-2])
    except ValueError:
        return got
    return None


@rule("zero point 0, multipliers below 128", QUANTIZE_HINT)
def wide_scales(graph: Graph, op: Op) -> str | None:
    """int16 operands and output must be symmetric, and their scales sane."""
    for tensor in (graph.input(op, 0), graph.input(op, 1), graph.output(op)):
        if tensor.zero_point:
            return f"'{tensor.name}' has zero point {tensor.zero_point}"
    shift = int(_scaling(graph, op).shifts[0])
    return None if shift <= 7 else f"a multiplier of about 2^{shift}"


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """(broadcast batches…, rows, columns)."""
    lhs, rhs = _shapes(graph, op)
    return ((*np.broadcast_shapes(lhs[:-2], rhs[:-2]), lhs[-2], rhs[-1]),)


def _scaling(graph: Graph, op: Op) -> Scaling:
    # TFLite multiplies the two scales in float32 before it goes to double.
    product = float(np.float32(graph.input(op, 0).scale) * np.float32(graph.input(op, 1).scale))
    return scaling([product / graph.output(op).scale])


def _operands(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, Array]:
    lhs, rhs = values[:2]
    return (
        np.swapaxes(lhs, -1, -2) if op.options.adj_x else lhs,
        np.swapaxes(rhs, -1, -2) if op.options.adj_y else rhs,
    )


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    lhs, rhs = (
        value.astype(np.int64) - graph.input(op, position).zero_point
        for position, value in enumerate(_operands(graph, op, values))
    )
    out, scale = graph.output(op), _scaling(graph, op)
    wide = out.dtype is DType.INT16
    multiply = fixed_point.multiply_wide if wide else fixed_point.multiply(graph.numerics)
    scaled = multiply(np.matmul(lhs, rhs), scale.multipliers, scale.shifts)
    result = np.clip(scaled + out.zero_point, *fixed_point.limits(out.dtype))
    return (result.astype(out.dtype.value).reshape(out.shape),)


def reference_f32(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Float32, summed in the order of the C kernel."""
    lhs, rhs = _operands(graph, op, values)
    total = np.zeros(graph.output(op).shape, np.float32)
    for k in range(lhs.shape[-1]):
        total += lhs[..., :, k, None] * rhs[..., None, k, :]
    return (total,)


def _strides(shape: Shape, swap: bool) -> tuple[tuple[int, ...], int, int]:
    """Elements between batches (0 where there is one), rows, and columns."""
    batches = (1,) * (_BATCHES + 2 - len(shape)) + shape[:-2]
    step = shape[-1] * shape[-2]
    strides: list[int] = []
    for size in reversed(batches):
        strides.insert(0, 0 if size == 1 else step)
        step *= size
    row, column = (1, shape[-1]) if swap else (shape[-1], 1)
    return tuple(strides), row, column


def _sizes(graph: Graph, op: Op) -> Params:
    out = graph.output(op).shape
    lhs = _strides(graph.input(op, 0).shape, op.options.adj_x)
    rhs = _strides(graph.input(op, 1).shape, op.options.adj_y)
    return Params(
        _SIZES,
        (
            ("batches", (1,) * (_BATCHES + 2 - len(out)) + out[:-2]),
            ("lhs_batch", lhs[0]), ("rhs_batch", rhs[0]),
            ("rows", out[-2]), ("depth", _shapes(graph, op)[0][-1]), ("cols", out[-1]),
            ("lhs_row", lhs[1]), ("lhs_col", lhs[2]), ("rhs_row", rhs[1]), ("rhs_col", rhs[2]),
        ),
    )  # fmt: skip


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of an integer kernel of ``edgecnn_batch_matmul.h``."""
    out, scale = graph.output(op), _scaling(graph, op)
    low, high = fixed_point.limits(out.dtype)
    suffix = "s8" if out.dtype is DType.INT8 else "s16"
    if suffix == "s16" and graph.input(op, 1).dtype is DType.INT8:
        suffix = "s16x8"
    params = Params(
        "ec_batch_matmul_params",
        (
            ("sizes", _sizes(graph, op)),
            ("lhs_offset", -graph.input(op, 0).zero_point),
            ("rhs_offset", -graph.input(op, 1).zero_point),
            ("out_offset", out.zero_point), ("act_min", low), ("act_max", high),
            ("multiplier", int(scale.multipliers[0])), ("shift", int(scale.shifts[0])),
        ),
    )  # fmt: skip
    call = Call(f"ec_batch_matmul_{suffix}", _HEADER, params, (*tensor_args(op, 2), *out_args(op)))
    return Lowered(f"batch_matmul_{suffix}", (call,))


def lower_f32(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_batch_matmul_f32``."""
    args = (*tensor_args(op, 2), *out_args(op))
    call = Call("ec_batch_matmul_f32", _HEADER, _sizes(graph, op), args)
    return Lowered("batch_matmul_f32", (call,))


SPEC = OpSpec(
    parse,
    infer,
    {
        "int8": Variant(
            "batch_matmul_s8", reference, lower,
            (dtypes(1, DType.INT8), dtypes(0, DType.INT8, output=True), per_tensor(0, 1)),
        ),
        "int16": Variant(
            "batch_matmul_s16", reference, lower,
            (
                dtypes(1, DType.INT16, DType.INT8), dtypes(0, DType.INT16, output=True),
                per_tensor(0, 1), wide_scales,
            ),
        ),
        "float32": Variant(
            "batch_matmul_f32", reference_f32, lower_f32,
            (dtypes(1, DType.FLOAT32), dtypes(0, DType.FLOAT32, output=True)),
        ),
    },
    (rank(0, 2, _BATCHES + 2), rank(1, 2, _BATCHES + 2), operands_fit),
)  # fmt: skip

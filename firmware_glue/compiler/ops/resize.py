"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: source rows, columns and weights are tables.

They are made with TFLite's own steps (bilinear: fixed point for int8 and int16, else float32).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fixed_point import round_half_away
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.reduce import SUFFIXES
from firmware_glue.compiler.ops.rules import (
    constant,
    rank,
    same_dtype,
)
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    Params,
    Variant,
    known_ints,
    out_args,
    rule,
    tensor_args,
)


@dataclass(frozen=True)
class Options:
    """How output positions map to input positions."""

    align_corners: bool
    half_pixel_centers: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads ResizeNearestNeighborOptions and ResizeBilinearOptions."""
    return Options(bool(options["align_corners"]), bool(options["half_pixel_centers"]))


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NHWC with the new height and width."""
    batches, _, _, depth = graph.input(op, 0).shape
    height, width = known_ints(graph, op, 1)
    return ((batches, height, width, depth),)


def source(options: Options, in_size: int, out_size: int) -> NDArray[np.uint16]:
    """The input position of each output position along one axis."""
    corners = options.align_corners and out_size > 1
    numbers = (in_size - 1, out_size - 1) if corners else (in_size, out_size)
    scale = np.float32(numbers[0]) / np.float32(numbers[1])
    half = np.float32(0.5 if options.half_pixel_centers else 0.0)
    at = (np.arange(out_size, dtype=np.float32) + half) * scale
    at = round_half_away(at) if options.align_corners else np.floor(at)
    return np.clip(at.astype(np.int64), 0, in_size - 1).astype(np.uint16)


def _tables(graph: Graph, op: Op) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    x, y = graph.input(op, 0).shape, graph.output(op).shape
    return source(op.options, x[1], y[1]), source(op.options, x[2], y[2])


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Gathers rows and columns."""
    rows, columns = _tables(graph, op)
    return (values[0][:, rows][:, :, columns],)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_resize_nearest``."""
    x, y = graph.input(op, 0), graph.output(op)
    rows, columns = _tables(graph, op)
    params = Params(
        "ec_resize_params",
        (
            ("batches", x.shape[0]), ("in_h", x.shape[1]), ("in_w", x.shape[2]),
            ("out_h", y.shape[1]), ("out_w", y.shape[2]),
            ("pixel_bytes", x.shape[3] * x.dtype.bits // 8),
        ),
    )  # fmt: skip
    tables = (ConstArg("rows", rows), ConstArg("columns", columns))
    args = (*tensor_args(op, 1), *tables, *out_args(op))
    call = Call("ec_resize_nearest", "edgecnn_resize.h", params, args)
    return Lowered("resize_nearest", (call,))


@rule("two sizes from 1 to 65535")
def sizes(graph: Graph, op: Op) -> str | None:
    """The new size must be two positive numbers."""
    values = known_ints(graph, op, 1)
    good = len(values) == 2 and all(1 <= v <= 65535 for v in values)
    return None if good else f"{values}"


@rule("at most one of them")
def one_grid(graph: Graph, op: Op) -> str | None:
    """align_corners and half_pixel_centers exclude each other."""
    both = op.options.align_corners and op.options.half_pixel_centers
    return "both" if both else None


@rule("at most 32767 rows and columns")
def small_input(graph: Graph, op: Op) -> str | None:
    """The input must not be larger than the tables can say."""
    sides = graph.input(op, 0).shape[1:3]
    return None if max(sides) <= 32767 else f"{list(sides)}"


def fixed_positions(options: Options, in_size: int, out_size: int) -> NDArray[np.int64]:
    """Per output position of an axis: two input positions, the second one's weight · 1024."""
    scale = ((in_size << 10) + out_size // 2) // out_size
    if options.align_corners and out_size > 1:
        scale = (((in_size - 1) << 10) + (out_size - 1) // 2) // (out_size - 1)
    at = np.arange(out_size, dtype=np.int64) * scale
    if options.half_pixel_centers:
        at += scale // 2 - 512
    # TFLite divides towards zero, which only matters where the result is clamped to 0 anyway.
    # Beyond the last row, where its rounded scale may lead, it would read other memory.
    lower = np.clip(at >> 10, 0, in_size - 1)
    upper = np.clip((at + 1023) >> 10, 0, in_size - 1)
    return np.stack([lower, upper, at - (lower << 10)], axis=1)


def real_positions(
    options: Options, in_size: int, out_size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Per output position of an axis: two input positions; the second one's weight."""
    corners = options.align_corners and out_size > 1
    numbers = (in_size - 1, out_size - 1) if corners else (in_size, out_size)
    scale = np.float32(numbers[0]) / np.float32(numbers[1])
    at = np.arange(out_size, dtype=np.float32)
    half = np.float32(0.5)
    at = (at + half) * scale - half if options.half_pixel_centers else at * scale
    lower = np.clip(np.floor(at).astype(np.int64), 0, in_size - 1)
    upper = np.clip(np.ceil(at).astype(np.int64), 0, in_size - 1)
    return np.stack([lower, upper], axis=1), at - lower.astype(np.float32)


def _axes(graph: Graph, op: Op) -> tuple[tuple[int, int], tuple[int, int]]:
    x, y = graph.input(op, 0).shape, graph.output(op).shape
    return (x[1], y[1]), (x[2], y[2])


def _corners(x: Array, rows: Array, columns: Array) -> tuple[Array, Array, Array, Array]:
    """Top left, bottom left, top right, bottom right of each output element."""
    top, bottom = x[:, rows[:, 0]], x[:, rows[:, 1]]
    left, right = columns[:, 0], columns[:, 1]
    return top[:, :, left], bottom[:, :, left], top[:, :, right], bottom[:, :, right]


def _mix(corners: tuple[Array, Array, Array, Array], down: Array, east: Array, one: Any) -> Array:
    down, east = down[:, None, None], east[:, None]
    weights = ((one - down, one - east), (down, one - east), (one - down, east), (down, east))
    first, *others = (c * v * h for c, (v, h) in zip(corners, weights, strict=True))
    for other in others:
        first = first + other
    return first


def _reference_fixed(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    rows, columns = (fixed_positions(op.options, *axis) for axis in _axes(graph, op))
    corners = _corners(values[0].astype(np.int64), rows, columns)
    mixed = _mix(corners, rows[:, 2], columns[:, 2], 1024)
    half = 1 << 19
    result = np.where(mixed > 0, (mixed + half) >> 20, -((half - mixed) >> 20))
    return (result.astype(values[0].dtype),)


def _reference_real(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    (rows, down), (columns, east) = (real_positions(op.options, *a) for a in _axes(graph, op))
    corners = _corners(values[0].astype(np.float32), rows, columns)
    result = _mix(corners, down, east, np.float32(1))
    if values[0].dtype != np.float32:
        result = np.floor(result + np.float32(0.5))
    return (result.astype(values[0].dtype),)


def _bilinear(graph: Graph, op: Op, tables: tuple[ConstArg, ...]) -> Lowered:
    x, y = graph.input(op, 0), graph.output(op)
    params = Params(
        "ec_bilinear_params",
        (
            ("batches", x.shape[0]), ("in_h", x.shape[1]), ("in_w", x.shape[2]),
            ("out_h", y.shape[1]), ("out_w", y.shape[2]), ("depth", x.shape[3]),
        ),
    )  # fmt: skip
    name = f"resize_bilinear_{SUFFIXES[x.dtype.value]}"
    args = (*tensor_args(op, 1), *tables, *out_args(op))
    return Lowered(name, (Call(f"ec_{name}", "edgecnn_resize.h", params, args),))


def _lower_fixed(graph: Graph, op: Op) -> Lowered:
    rows, columns = (fixed_positions(op.options, *a).astype(np.int16) for a in _axes(graph, op))
    return _bilinear(graph, op, (ConstArg("rows", rows), ConstArg("columns", columns)))


def _lower_real(graph: Graph, op: Op) -> Lowered:
    (rows, down), (columns, east) = (real_positions(op.options, *a) for a in _axes(graph, op))
    tables = (
        ConstArg("rows", rows.astype(np.int16)), ConstArg("columns", columns.astype(np.int16)),
        ConstArg("downs", down), ConstArg("easts", east),
    )  # fmt: skip
    return _bilinear(graph, op, tables)


_LIMITS = (rank(0, 4, 4), same_dtype, constant(1, "new size"), sizes)
SPECS = {
    "RESIZE_NEAREST_NEIGHBOR": OpSpec(
        parse, infer,
        {
            dtype: Variant("resize_nearest", reference, lower)
            for dtype in ("int8", "uint8", "int16", "int32", "float32", "bool")
        },
        _LIMITS,
    ),
    "RESIZE_BILINEAR": OpSpec(
        parse, infer,
        {
            "int8": Variant("resize_bilinear_s8", _reference_fixed, _lower_fixed),
            "uint8": Variant("resize_bilinear_u8", _reference_real, _lower_real),
            "int16": Variant("resize_bilinear_s16", _reference_fixed, _lower_fixed),
            "float32": Variant("resize_bilinear_f32", _reference_real, _lower_real),
        },
        (*_LIMITS, one_grid, small_input),
    ),
}  # fmt: skip

"""RESIZE_NEAREST_NEIGHBOR: source rows and columns are tables, made with TFLite's float32 steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fixed_point import round_half_away
from firmware_glue.compiler.ir import Graph, Op, Shape
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
    """Reads ResizeNearestNeighborOptions."""
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


SPEC = OpSpec(
    parse,
    infer,
    {
        dtype: Variant("resize_nearest", reference, lower)
        for dtype in ("int8", "uint8", "int16", "float32")
    },
    (
        rank(0, 4, 4),
        same_dtype,
        constant(1, "new size"),
        sizes,
    ),
)

"""DEPTHWISE_CONV_2D: any depth multiplier, stride, dilation, SAME and VALID."""

from __future__ import annotations

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import conv_2d, window
from firmware_glue.compiler.ops.convolution import Family
from firmware_glue.compiler.ops.rules import rank
from firmware_glue.compiler.ops.spec import Array, OpSpec, Overlap, Params, RowReach, Value, rule


@rule("filters of shape 1 × height × width × output channels, a multiple of the input channels")
def multiplier(graph: Graph, op: Op) -> str | None:
    """Output channels must be a multiple of the input channels."""
    in_c = graph.input(op, 0).shape[3]
    first, _, _, out_c = graph.input(op, 1).shape
    if first == 1 and in_c and out_c % in_c == 0:
        return None
    return f"filters {list(graph.input(op, 1).shape)} for {in_c} input channels"


def geometry(graph: Graph, op: Op) -> window.Geometry:
    """The window's geometry."""
    _, k_h, k_w, out_c = graph.input(op, 1).shape
    return window.geometry(graph.input(op, 0).shape, (k_h, k_w), out_c, op.options.window)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NHWC."""
    return (geometry(graph, op).out_shape,)


def sums(graph: Graph, op: Op, x: Array, filters: Array) -> Array:
    """The accumulators."""
    g = geometry(graph, op)
    x = np.repeat(x, g.out_c // g.in_c, axis=3)
    acc = np.zeros(g.out_shape, x.dtype)
    for ky, kx, rows, columns, in_rows, in_columns in g.taps():
        acc[:, rows, columns] += x[:, in_rows, in_columns] * filters[0, ky, kx]
    return acc


def fields(graph: Graph, op: Op) -> tuple[tuple[str, Value | Params], ...]:
    """The first fields of the C struct."""
    g = geometry(graph, op)
    return ("window", Params("ec_window", g.fields())), ("depth_multiplier", g.out_c // g.in_c)


def overlaps(graph: Graph, op: Op) -> tuple[Overlap, ...]:
    """A channel reads its own input channel only, which later channels do not need."""
    g = geometry(graph, op)
    pending = g.out_c - g.in_c
    return g.overlaps(op, graph.input(op, 0).dtype.bits // 8, (pending, pending))


def reach(graph: Graph, op: Op) -> RowReach:
    """Which input rows an output row is made of."""
    return geometry(graph, op).row_reach(op)


FAMILY = Family(
    "depthwise_conv2d", "edgecnn_depthwise_conv2d.h", 3, 0, 2, fields, sums, overlaps, reach=reach
)
SPEC = OpSpec(
    conv_2d.parse,
    infer,
    FAMILY.variants(),
    (rank(0, 4, 4), rank(1, 4, 4), conv_2d.steps, window.spans, multiplier),
)

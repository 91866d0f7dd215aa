"""CONV_2D: stride, dilation, groups, SAME and VALID, per-channel or per-tensor filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import window
from firmware_glue.compiler.ops.convolution import Family, narrow_bias
from firmware_glue.compiler.ops.rules import parse_activation, rank
from firmware_glue.compiler.ops.spec import Array, OpSpec, Overlap, Params, RowReach, Value, rule


@dataclass(frozen=True)
class Options:
    """Window and fused activation; the same for depthwise convolutions.

    Attributes:
        narrow_bias: int16 activations get an int32 bias and accumulators (``quantized_bias_type``).
    """

    window: window.Window
    activation: str
    narrow_bias: bool = False


def parse(options: Mapping[str, Any]) -> Options:
    """Reads the schema's Conv2DOptions or DepthwiseConv2DOptions."""
    return Options(
        window.Window(
            (int(options["stride_h"]), int(options["stride_w"])),
            options["padding"] == "SAME",
            (int(options["dilation_h_factor"]), int(options["dilation_w_factor"])),
        ),
        parse_activation(options["fused_activation_function"]),
        narrow_bias(options),
    )


@rule("strides and dilations ≥ 1")
def steps(graph: Graph, op: Op) -> str | None:
    """Strides and dilations must be positive."""
    values = (*op.options.window.stride, *op.options.window.dilation)
    return None if min(values) > 0 else f"{values}"


@rule("input channels = groups · filter depth, groups divide the output channels")
def groups(graph: Graph, op: Op) -> str | None:
    """Input and output channels must divide into groups."""
    in_c = graph.input(op, 0).shape[3]
    out_c, _, _, depth = graph.input(op, 1).shape
    if depth and in_c % depth == 0 and in_c and out_c % (in_c // depth) == 0:
        return None
    return f"{in_c} input channels, filter depth {depth}, {out_c} output channels"


def geometry(graph: Graph, op: Op) -> window.Geometry:
    """The window's geometry."""
    out_c, k_h, k_w, _ = graph.input(op, 1).shape
    return window.geometry(graph.input(op, 0).shape, (k_h, k_w), out_c, op.options.window)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NHWC."""
    return (geometry(graph, op).out_shape,)


def add_dot(acc: Array, patch: Array, filters: Array) -> Array:
    """Adds (…, depth) · (channels, depth) to (…, channels); float32 one by one, in order."""
    if patch.dtype != np.float32:
        return np.asarray(acc + patch @ filters.T)
    for i in range(patch.shape[-1]):
        acc = acc + patch[..., i, None] * filters[:, i]
    return acc


def sums(graph: Graph, op: Op, x: Array, filters: Array) -> Array:
    """The accumulators."""
    g = geometry(graph, op)
    acc = np.zeros(g.out_shape, x.dtype)
    depth = filters.shape[3]
    count = g.in_c // depth
    per_group = g.out_c // count
    for ky, kx, rows, columns, in_rows, in_columns in g.taps():
        patch = x[:, in_rows, in_columns]
        for group in range(count):
            some = slice(group * per_group, (group + 1) * per_group)
            part = patch[..., group * depth : (group + 1) * depth]
            old = acc[:, rows, columns, some]
            acc[:, rows, columns, some] = add_dot(old, part, filters[some, ky, kx])
    return acc


def fields(graph: Graph, op: Op) -> tuple[tuple[str, Value | Params], ...]:
    """The first fields of the C struct."""
    g = geometry(graph, op)
    depth = graph.input(op, 1).shape[3]
    return (
        ("window", Params("ec_window", g.fields())),
        ("group_in_c", depth),
        ("group_out_c", g.out_c // (g.in_c // depth)),
    )


def overlaps(graph: Graph, op: Op) -> tuple[Overlap, ...]:
    """How the output may lie over the input."""
    g = geometry(graph, op)
    return g.overlaps(op, graph.input(op, 0).dtype.bits // 8, window.rereading(g.out_c))


def reach(graph: Graph, op: Op) -> RowReach:
    """Which input rows an output row is made of."""
    return geometry(graph, op).row_reach(op)


FAMILY = Family(
    "conv2d", "edgecnn_conv2d.h", 0, 0, 2, fields, sums, overlaps, narrow_bias=True, reach=reach
)
SPEC = OpSpec(
    parse,
    infer,
    FAMILY.variants(),
    (rank(0, 4, 4), rank(1, 4, 4), steps, window.spans, groups),
)

"""CONV_2D: stride, dilation, groups, SAME and VALID, per-channel or per-tensor filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import channels, window
from firmware_glue.compiler.ops.rules import parse_activation, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    out_args,
    rule,
)


@dataclass(frozen=True)
class Options:
    """Window and fused activation; the same for depthwise convolutions."""

    window: window.Window
    activation: str


def parse(options: Mapping[str, Any]) -> Options:
    """Reads the schema's Conv2DOptions or DepthwiseConv2DOptions."""
    return Options(
        window.Window(
            (int(options["stride_h"]), int(options["stride_w"])),
            options["padding"] == "SAME",
            (int(options["dilation_h_factor"]), int(options["dilation_w_factor"])),
        ),
        parse_activation(options["fused_activation_function"]),
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


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    g = geometry(graph, op)
    x = values[0].astype(np.int64) - graph.input(op, 0).zero_point
    filters = values[1].astype(np.int64)
    acc = np.zeros(g.out_shape, np.int64)
    depth = filters.shape[3]
    per_group = g.out_c // (g.in_c // depth)
    for ky, kx, rows, columns, in_rows, in_columns in g.taps():
        patch = x[:, in_rows, in_columns]
        for group in range(g.in_c // depth):
            some = slice(group * per_group, (group + 1) * per_group)
            part = patch[..., group * depth : (group + 1) * depth]
            acc[:, rows, columns, some] += part @ filters[some, ky, kx].T
    scale = channels.conv_scaling(graph, op, g.out_c)
    return (channels.finish(acc, values[2], scale, graph, op),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_conv2d_s8``."""
    g = geometry(graph, op)
    scale = channels.conv_scaling(graph, op, g.out_c)
    depth = graph.input(op, 1).shape[3]
    params = Params(
        "ec_conv2d_params",
        (
            ("window", Params("ec_window", g.fields())),
            ("group_in_c", depth),
            ("group_out_c", g.out_c // (g.in_c // depth)),
            *channels.activation_fields(graph, op, op.options.activation),
            ("per_channel", scale.per_channel),
            ("all_right", scale.all_right),
        ),
    )
    args = channels.weighted_args(op, scale, out_args(op))
    overlap = Overlap(op.inputs[0], op.outputs[0], g.lead())
    call = Call("ec_conv2d_s8", "edgecnn_conv2d.h", params, args)
    return Lowered("conv2d_s8", (call,), overlaps=(overlap,))


SPEC = OpSpec(
    parse,
    infer,
    {"int8": Variant("conv2d_s8", reference, lower, channels.weight_rules(0))},
    (rank(0, 4, 4), rank(1, 4, 4), steps, groups),
)

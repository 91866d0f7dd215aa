"""DEPTHWISE_CONV_2D: any depth multiplier, stride, dilation, SAME and VALID."""

from __future__ import annotations

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import channels, conv_2d, window
from firmware_glue.compiler.ops.rules import rank
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


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    g = geometry(graph, op)
    x = values[0].astype(np.int64) - graph.input(op, 0).zero_point
    x = np.repeat(x, g.out_c // g.in_c, axis=3)
    filters = values[1].astype(np.int64)
    acc = np.zeros(g.out_shape, np.int64)
    for ky, kx, rows, columns, in_rows, in_columns in g.taps():
        acc[:, rows, columns] += x[:, in_rows, in_columns] * filters[0, ky, kx]
    scale = channels.conv_scaling(graph, op, g.out_c)
    return (channels.finish(acc, values[2], scale, graph, op),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_depthwise_conv2d_s8``."""
    g = geometry(graph, op)
    scale = channels.conv_scaling(graph, op, g.out_c)
    params = Params(
        "ec_depthwise_params",
        (
            ("window", Params("ec_window", g.fields())),
            ("depth_multiplier", g.out_c // g.in_c),
            *channels.activation_fields(graph, op, op.options.activation),
            ("per_channel", scale.per_channel),
            ("all_right", scale.all_right),
        ),
    )
    args = channels.weighted_args(op, scale, out_args(op))
    overlap = Overlap(op.inputs[0], op.outputs[0], g.lead())
    call = Call("ec_depthwise_conv2d_s8", "edgecnn_depthwise_conv2d.h", params, args)
    return Lowered("depthwise_conv2d_s8", (call,), overlaps=(overlap,))


SPEC = OpSpec(
    conv_2d.parse,
    infer,
    {"int8": Variant("depthwise_conv2d_s8", reference, lower, channels.weight_rules(3))},
    (rank(0, 4, 4), rank(1, 4, 4), conv_2d.steps, multiplier),
)

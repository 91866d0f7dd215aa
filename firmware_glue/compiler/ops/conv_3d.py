"""CONV_3D, float32 alone, as in LiteRT: stride, dilation, SAME and VALID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fixed_point import float_range
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import channels, window
from firmware_glue.compiler.ops.conv_2d import add_dot
from firmware_glue.compiler.ops.convolution import not_hybrid
from firmware_glue.compiler.ops.rules import dtypes, parse_activation, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Planned,
    Variant,
    out_args,
    rule,
    tensor_args,
)

_AXES = range(3)
_LETTERS = "dhw"


@dataclass(frozen=True)
class Options:
    """Stride and dilation as (depth, height, width); padding; fused activation."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    same: bool
    activation: str


def parse(options: Mapping[str, Any]) -> Options:
    """Reads Conv3DOptions."""
    return Options(
        tuple(int(options[f"stride_{axis}"]) for axis in _LETTERS),
        tuple(int(options[f"dilation_{axis}_factor"]) for axis in _LETTERS),
        options["padding"] == "SAME",
        parse_activation(options["fused_activation_function"]),
    )


@rule("strides and dilations ≥ 1")
def steps(graph: Graph, op: Op) -> str | None:
    """Strides and dilations must be positive."""
    values = (*op.options.stride, *op.options.dilation)
    return None if min(values) > 0 else f"{values}"


@rule("a span below 2^24")
def spans(graph: Graph, op: Op) -> str | None:
    """Dilated filters must not span more than 2^24 positions along an axis."""
    kernel, dilation = graph.input(op, 1).shape, op.options.dilation
    worst = max((kernel[i] - 1) * dilation[i] + 1 for i in _AXES)
    return None if worst < 1 << 24 else f"{worst}"


@rule("filters of shape depth × height × width × input channels × output channels")
def channels_fit(graph: Graph, op: Op) -> str | None:
    """The filters must have the input's channels."""
    in_c, depth = graph.input(op, 0).shape[4], graph.input(op, 1).shape[3]
    return None if in_c == depth else f"{in_c} input channels, filter depth {depth}"


def _fits(graph: Graph, op: Op) -> list[tuple[int, int]]:
    """(output positions, padding before) per axis."""
    sizes, kernel, o = graph.input(op, 0).shape[1:4], graph.input(op, 1).shape, op.options
    return [window.fit(sizes[i], kernel[i], o.stride[i], o.dilation[i], same=o.same) for i in _AXES]


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NDHWC."""
    out = (count for count, _ in _fits(graph, op))
    return ((graph.input(op, 0).shape[0], *out, graph.input(op, 1).shape[4]),)


def _taps(graph: Graph, op: Op, axis: int) -> list[tuple[int, slice, slice]]:
    """(tap, outputs, inputs) of the taps that lie inside the input somewhere."""
    count, pad = _fits(graph, op)[axis]
    o = op.options
    found = (
        (k, window.tap(k, graph.input(op, 0).shape[1 + axis], count, o.stride[axis],
                       o.dilation[axis], pad))
        for k in range(graph.input(op, 1).shape[axis])
    )  # fmt: skip
    return [(k, *slices) for k, slices in found if slices is not None]


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """float32, summed in the C kernel's order."""
    x, filters, bias = values[:3]
    acc = np.zeros(graph.output(op).shape, np.float32)
    for (z, out_z, in_z), (y, out_y, in_y), (t, out_x, in_x) in product(
        *(_taps(graph, op, axis) for axis in _AXES)
    ):
        where = (slice(None), out_z, out_y, out_x)
        acc[where] = add_dot(acc[where], x[:, in_z, in_y, in_x], filters[z, y, t].T)
    if bias is not None:
        acc = acc + bias.reshape(-1)
    return (channels.clamp_real(acc, op.options.activation),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_conv3d_f32``."""
    shape, filters, o = graph.input(op, 0).shape, graph.input(op, 1).shape, op.options
    fits = _fits(graph, op)
    out, pad = tuple(count for count, _ in fits), tuple(before for _, before in fits)
    low, high = float_range(o.activation)
    params = Params(
        "ec_conv3d_params",
        (
            ("batches", shape[0]), ("in_c", shape[4]), ("out_c", filters[4]),
            ("in", shape[1:4]), ("out", out), ("kernel", filters[:3]), ("stride", o.stride),
            ("dilation", o.dilation), ("pad", pad), ("reverse", Planned.REVERSE),
            ("act_min", low), ("act_max", high),
        ),
    )  # fmt: skip
    reaches = tuple(
        window.reach(shape[1 + i], out[i], filters[i], o.stride[i], o.dilation[i], pad[i])
        for i in _AXES
    )
    pixel = (shape[4] * 4, filters[4] * 4)
    forwards, backwards = window.rereading(filters[4])
    call = Call("ec_conv3d_f32", "edgecnn_conv3d.h", params, (*tensor_args(op, 3), *out_args(op)))
    overlaps = window.overlaps(op, 0, reaches, shape[0], pixel, (forwards * 4, backwards * 4))
    return Lowered("conv3d_f32", (call,), overlaps=overlaps)


SPEC = OpSpec(
    parse,
    infer,
    {
        "float32": Variant(
            "conv3d_f32",
            reference,
            lower,
            (
                not_hybrid,
                dtypes(2, DType.FLOAT32),
                dtypes(0, DType.FLOAT32, output=True),
                channels.bias_size(4, 2),
            ),  # fmt: skip
        )
    },
    (rank(0, 5, 5), rank(1, 5, 5), steps, spans, channels_fit),
)

"""TRANSPOSE_CONV: any stride, SAME and VALID, per-channel or per-tensor filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import window
from firmware_glue.compiler.ops.conv_2d import add_dot
from firmware_glue.compiler.ops.convolution import Family, narrow_bias
from firmware_glue.compiler.ops.rules import constant, dtypes, parse_activation, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    OpSpec,
    Overlap,
    Params,
    Value,
    known_ints,
    rule,
)

_SHAPE, _FILTERS, _DATA, _BIAS = range(4)


@dataclass(frozen=True)
class Options:
    """Stride (height, width), padding, fused activation; ``narrow_bias`` as in CONV_2D."""

    stride: tuple[int, int]
    same: bool
    activation: str
    narrow_bias: bool = False


def parse(options: Mapping[str, Any]) -> Options:
    """Reads TransposeConvOptions."""
    return Options(
        (int(options["stride_h"]), int(options["stride_w"])),
        options["padding"] == "SAME",
        parse_activation(options.get("fused_activation_function")),
        narrow_bias(options),
    )


@rule("strides ≥ 1")
def strides(graph: Graph, op: Op) -> str | None:
    """Strides must be positive."""
    return None if min(op.options.stride) > 0 else f"{op.options.stride}"


@rule("the input's batches × height × width × the filters' output channels")
def output_shape(graph: Graph, op: Op) -> str | None:
    """The output's shape must fit the input's batches and the filters' channels."""
    shape = known_ints(graph, op, _SHAPE)
    batches, _, _, in_c = graph.input(op, _DATA).shape
    out_c, _, _, depth = graph.input(op, _FILTERS).shape
    if len(shape) == 4 and shape[0] == batches and shape[3] == out_c and in_c == depth:
        return None
    return f"{list(shape)}, filters {list(graph.input(op, _FILTERS).shape)}, {in_c} input channels"


@rule("a height and width that a convolution of this stride and padding turns into the input's")
def sizes_fit(graph: Graph, op: Op) -> str | None:
    """The output's height and width must belong to those of the input."""
    shape, size = known_ints(graph, op, _SHAPE), graph.input(op, _DATA).shape
    fits = _fits(shape[1:3], graph, op)
    if (fits[0][0], fits[1][0]) == size[1:3]:
        return None
    return f"output {list(shape[1:3])}, input {list(size[1:3])}"


def _fits(size: tuple[int, ...], graph: Graph, op: Op) -> list[tuple[int, int]]:
    """(input positions, padding) of the convolution from the output to the input."""
    kernel, same = graph.input(op, _FILTERS).shape[1:3], op.options.same
    axes = zip(size, kernel, op.options.stride, strict=True)
    return [window.fit(n, k, step, 1, same=same) for n, k, step in axes]


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """What the operand says."""
    return (known_ints(graph, op, _SHAPE),)


def geometry(graph: Graph, op: Op) -> window.Geometry:
    """Sizes and padding; the padding is that of the convolution from output to input."""
    batches, in_h, in_w, in_c = graph.input(op, _DATA).shape
    _, out_h, out_w, out_c = graph.output(op).shape
    kernel = graph.input(op, _FILTERS).shape[1:3]
    pad = [before for _, before in _fits((out_h, out_w), graph, op)]
    return window.Geometry(
        batches, (in_h, in_w), in_c, (out_h, out_w), out_c, (kernel[0], kernel[1]),
        op.options.stride, (1, 1), (pad[0], pad[1]),
    )  # fmt: skip


def _sources(g: window.Geometry, axis: int) -> Iterator[tuple[int, slice, slice]]:
    """Per input position: (position, outputs that it reaches, taps that it reaches them by)."""
    for position in range(g.in_size[axis]):
        start = position * g.stride[axis] - g.pad[axis]
        first, end = max(0, start), min(g.out_size[axis], start + g.kernel[axis])
        if first < end:
            yield position, slice(first, end), slice(first - start, end - start)


def sums(graph: Graph, op: Op, x: Array, filters: Array) -> Array:
    """The accumulators; inputs are added row by row, as in the kernel."""
    g = geometry(graph, op)
    acc = np.zeros(g.out_shape, x.dtype)
    columns = list(_sources(g, 1))
    for y, out_y, taps_y in _sources(g, 0):
        for column, out_x, taps_x in columns:
            taps = filters[:, taps_y, taps_x]
            flat = taps.reshape(-1, g.in_c)
            old = np.moveaxis(acc[:, out_y, out_x], 3, 1)
            new = add_dot(old.reshape(g.batches, -1), x[:, y, column], flat)
            acc[:, out_y, out_x] = np.moveaxis(new.reshape(old.shape), 1, 3)
    return acc


def fields(graph: Graph, op: Op) -> tuple[tuple[str, Value | Params], ...]:
    """The first fields of the C struct."""
    return (("window", Params("ec_window", geometry(graph, op).fields())),)


def overlaps(graph: Graph, op: Op) -> tuple[Overlap, ...]:
    """How the output may lie over the input."""
    g = geometry(graph, op)
    reaches = tuple(
        window.transposed_reach(g.in_size[i], g.out_size[i], g.kernel[i], g.stride[i], g.pad[i])
        for i in (0, 1)
    )
    width = graph.input(op, _DATA).dtype.bits // 8
    pixel = (g.in_c * width, g.out_c * width)
    forwards, backwards = window.rereading(g.out_c)
    pending = (forwards * width, backwards * width)
    return window.overlaps(op, _DATA, reaches, g.batches, pixel, pending)


FAMILY = Family(
    "transpose_conv",
    "edgecnn_transpose_conv.h",
    0,
    _DATA,
    _BIAS,
    fields,
    sums,
    overlaps,
    narrow_bias=True,
)
SPEC = OpSpec(
    parse,
    infer,
    FAMILY.variants(),
    (
        constant(_SHAPE, "output shape"),
        dtypes(_SHAPE, DType.INT32),
        rank(_DATA, 4, 4),
        rank(_FILTERS, 4, 4),
        strides,
        output_shape,
        sizes_fit,
    ),  # fmt: skip
    data=_DATA,
)

"""What the depthwise kernels for Armv6-M have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.fast.v6m.top_byte import LOW_BITS, TopByte
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d
from firmware_glue.compiler.ops.spec import Overlap
from firmware_glue.compiler.ops.window import Geometry

_MAC, _OUTPUT = 10.5, 65
"""Instructions of the generic kernel per product inside the image, and per output."""


class Numbers(NamedTuple):
    """A requantization as the kernels have it, per channel; ``add`` for sums instead of t."""

    high: Ints
    low_factor: Ints
    top: Ints
    low: Ints
    add: Ints
    kink: Ints
    drop: Ints


@dataclass(frozen=True)
class Depthwise:
    """An op with constant filters, int64 (height, width, output channels)."""

    op: Op
    geometry: Geometry
    layer: Layer
    filters: Ints

    @classmethod
    def of(cls, graph: Graph, op: Op) -> Self | None:
        """The op, or None if it is none of int8 with constant filters."""
        filters = graph.input(op, 1).data
        if filters is None or graph.input(op, 0).data is not None:
            return None
        g = depthwise_conv_2d.geometry(graph, op)
        layer = int8_layer(graph, op, filters.reshape(-1, g.out_c).T, graph.numerics)
        return None if layer is None else cls(op, g, layer, np.asarray(filters[0], np.int64))

    @property
    def multiplier(self) -> int:
        """Output channels per input channel."""
        return self.geometry.out_c // self.geometry.in_c

    @cached_property
    def requant(self) -> TopByte | None:
        """The proven requantization, if every channel has one."""
        return TopByte.of(self.layer)

    @cached_property
    def numbers(self) -> Numbers:
        """The requantization as the kernels have it.

        Raises:
            ValueError: there is none.
        """
        found = self.requant
        if found is None:
            raise ValueError(f"'{self.op.name}' has no proven requantization")
        high, low = found.factor >> LOW_BITS, found.factor & ((1 << LOW_BITS) - 1)
        add = found.addend - found.low * high
        return Numbers(high, low, found.top, found.low, add, found.kink, found.drop)

    @property
    def kinked(self) -> int:
        """1 where some channel has a kink, else 0."""
        return int(self.requant is not None and self.requant.kinked)

    @property
    def ends(self) -> tuple[tuple[str, int], ...]:
        """The last fields of the C structs."""
        return (
            ("kinked", self.kinked), ("in_zero", self.layer.in_zero),
            ("act_min", self.layer.act_min), ("act_max", self.layer.act_max),
        )  # fmt: skip

    @property
    def covers(self) -> tuple[Overlap, ...]:
        """A channel's output may cover its own input, or what lies before: see the headers.

        Rows go through a ring, so output row y may cover what lies before the first row that is not
        in it yet.
        """
        if self.multiplier > 1 or self.op.inputs.count(self.op.inputs[0]) > 1:
            return ()
        g = self.geometry
        (in_h, in_w), (out_h, out_w) = g.in_size, g.out_size
        below = (g.kernel[0] - 1) * g.dilation[0] + 1 - g.pad[0]
        ahead = [
            (y + 1) * out_w - max(y * g.stride[0] + below, 0) * in_w
            for y in range(out_h)
            if y * g.stride[0] + below < in_h
        ]
        growth = max(0, (g.batches - 1) * (out_h * out_w - in_h * in_w))
        pixels = max((0, *ahead)) + growth
        # The kernel moves the input down to whole pixels: up to one less apart than planned.
        lead = (pixels + 1) * g.in_c if pixels else 0
        return (Overlap(self.op.inputs[0], self.op.outputs[0], lead),)


def swapped(g: Geometry) -> Geometry:
    """The window with height and width in each other's place."""
    return replace(
        g, in_size=g.in_size[::-1], out_size=g.out_size[::-1], kernel=g.kernel[::-1],
        stride=g.stride[::-1], dilation=g.dilation[::-1], pad=g.pad[::-1],
    )  # fmt: skip


def is_line(g: Geometry) -> bool:
    """Whether pixels lie under each other only: in memory the same as beside each other."""
    return g.in_size[1] == g.out_size[1] == 1


def generic_instructions(g: Geometry) -> int:
    """What the generic kernel executes on a Cortex-M0+, roughly."""
    outputs = g.out_size[0] * g.out_size[1]
    return g.batches * g.out_c * int(_MAC * int(g.counts().sum()) + _OUTPUT * outputs)

"""DEPTHWISE_CONV_2D on RV32IM: offers of ``edgecnn_rv32_depthwise.h``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.requant import Requant, requantization
from firmware_glue.compiler.fast.rv32.finish import FORMS, INSTRUCTIONS, starts
from firmware_glue.compiler.fast.rv32.gemm import conv_2d_offer
from firmware_glue.compiler.fast.single_channel import convolved
from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d
from firmware_glue.compiler.ops.spec import (
    NULL,
    Call,
    ConstArg,
    Lowered,
    Overlap,
    Params,
    Rows,
    ScratchArg,
    out_args,
    tensor_args,
)
from firmware_glue.compiler.ops.window import Geometry

_HEADER = "edgecnn_rv32_depthwise.h"
_KERNEL = "rv32_depthwise3"
_SIDE = 3
_MOST_BAND = 8
"""The C side's EC_RV32_BAND."""
_BAND_OUTPUTS = 24
"""Outputs of a channel for which its weights are loaded once; the more, the farther the output has
to keep away from an input that it covers."""
_CALL, _BAND, _CHANNEL, _ROW, _OUTPUT, _LAST = 110, 120, 62, 54, (25, 33), (3, 12)
"""Instructions: of a call, a band, one of its channels, a row of that; by stride: of an output but
for its requantization, and of the last one where a column lies outside."""


class _Side(NamedTuple):
    """Where 3 taps lie along an axis: the first real one, and positions outside at the ends."""

    shift: int
    before: int
    behind: int


@dataclass(frozen=True)
class _Depthwise:
    """A layer as the kernel sees it, and where its windows lie, widened to 3×3."""

    op: Op
    g: Geometry
    layer: Layer
    requant: Requant
    rows: _Side
    columns: _Side

    @classmethod
    def of(cls, graph: Graph, op: Op) -> Self | None:
        """The op, or None if the kernel does not do it, exactly."""
        filters = graph.constant(op, 1)
        if filters is None or filters.dtype != np.int8:
            return None
        g = depthwise_conv_2d.geometry(graph, op)
        sides = [_sides(g, axis) for axis in (0, 1)] if _fits(g) else [[], []]
        beside = [side for side in sides[1] if side.before <= 1 and side.behind <= 1]
        layer = int8_layer(graph, op, filters.reshape(-1, g.out_c).T, graph.numerics)
        if not beside or layer is None:
            return None
        requant = requantization(layer)
        if requant is None:
            return None
        above = min(sides[0], key=lambda side: max(side.before, 0) + max(side.behind, 0))
        return cls(op, g, layer, requant, above, beside[0])

    @property
    def right(self) -> int:
        """1 where the last window of a row has a column outside, else 0."""
        return max(self.columns.behind, 0)

    @property
    def band(self) -> int:
        """Rows of outputs at a time."""
        g = self.g
        return min(_MOST_BAND, g.out_size[0], -(-_BAND_OUTPUTS // g.out_size[1]))

    @property
    def scratch_bytes(self) -> int:
        """A row of zero points."""
        outside = self.rows.before > 0 or self.rows.behind > 0
        return self.g.in_size[1] * self.g.in_c if outside else 0

    def instructions(self, rows: int, band: int) -> int:
        """Executed for so many output rows, in such bands."""
        g, stride = self.g, self.g.stride[0] - 1
        finish = INSTRUCTIONS[self.requant.form]
        body = g.out_size[1] - self.right
        row = _ROW + body * (_OUTPUT[stride] + finish) + self.right * (_LAST[stride] + finish)
        bands = -(-rows // band)
        return bands * (_BAND + g.out_c * _CHANNEL) + rows * g.out_c * row

    @property
    def filters(self) -> NDArray[np.int8]:
        """The C kernel's constant array: (channels, 9), column by column."""
        (height, width), count = self.g.kernel, self.g.out_c
        top, left = self.rows.shift, self.columns.shift
        taps: Ints = np.zeros((count, _SIDE, _SIDE), np.int64)
        own = self.layer.filters.reshape(count, height, width)
        taps[:, left : left + width, top : top + height] = own.transpose(0, 2, 1)
        return taps.reshape(count, -1).astype(np.int8)

    @property
    def numbers(self) -> NDArray[np.int32]:
        """The C kernel's constant array: (channels, 4): start, m, C, s."""
        found = self.requant
        start = starts(self.layer, found)
        words = np.stack([start, found.multipliers, found.addends, found.shifts], axis=1)
        return (words & 0xFFFFFFFF).astype(np.uint32).view(np.int32)

    @property
    def overlaps(self) -> tuple[Overlap, ...]:
        """How the output may cover the input: see the header."""
        g = self.g
        if g.out_c == g.in_c and self.op.inputs.count(self.op.inputs[0]) == 1:
            # The kernel moves the input down to whole pixels: up to one less apart than planned.
            lead = (self._pixels_ahead + 1) * g.in_c
            return (Overlap(self.op.inputs[0], self.op.outputs[0], lead),)
        # All of a band is written before the last channel's inputs are read.
        return g.overlaps(self.op, 1, (self.band * g.out_size[1] * g.out_c, 0))

    @property
    def _pixels_ahead(self) -> int:
        """By how many pixels outputs have to lie before the inputs that are read after them."""
        g = self.g
        (in_h, in_w), (out_h, out_w) = g.in_size, g.out_size
        y, x = np.arange(out_h)[:, None], np.arange(out_w)[None, :]
        row, next_row = (np.maximum((y + i) * g.stride[0] - g.pad[0], 0) for i in (0, 1))
        after = row * in_w + np.maximum((x + 1) * g.stride[1] - g.pad[1], 0)
        needed = np.where(x < out_w - 1, np.minimum(after, next_row * in_w), next_row * in_w)
        needed[-1, -1] = out_h * out_w + in_h * in_w
        growth = max(0, (g.batches - 1) * (out_h * out_w - in_h * in_w))
        return max(0, int((y * out_w + x - needed).max()) + 1) + growth


def offer(graph: Graph, op: Op) -> Candidate | None:
    """Windows of up to 3×3, of stride 1 or 2."""
    work = _Depthwise.of(graph, op)
    if work is None:
        return None
    g = work.g
    instructions = _CALL + g.batches * work.instructions(g.out_size[0], work.band)
    call = _call(work, "")
    lowered = Lowered(
        _KERNEL, (call,), work.scratch_bytes, work.overlaps,
        _rows(work) if g.batches == 1 else None,
    )  # fmt: skip
    added = sum(arg.data.nbytes for arg in call.args if isinstance(arg, ConstArg))
    # Filters, bias, multipliers and shifts go.
    return Candidate(lowered, instructions, added - work.layer.filters.size - 9 * g.out_c)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"DEPTHWISE_CONV_2D": (offer, convolved(conv_2d_offer))}
)
"""Depthwise kernels of RV32."""


def _fits(g: Geometry) -> bool:
    dense = all(k == 1 or d == 1 for k, d in zip(g.kernel, g.dilation, strict=True))
    return dense and max(g.kernel) <= _SIDE and g.stride in ((1, 1), (2, 2))


def _sides(g: Geometry, axis: int) -> list[_Side]:
    """The ways to widen the window along an axis that read no more than needed first."""
    found = []
    for shift in range(_SIDE - g.kernel[axis] + 1):
        before = g.pad[axis] + shift
        last = (g.out_size[axis] - 1) * g.stride[axis] - before + _SIDE - 1
        found.append(_Side(shift, before, last - (g.in_size[axis] - 1)))
    return found


def _rows(work: _Depthwise) -> Rows:
    g = work.g
    return Rows(
        _call(work, "_rows"), (g.row_reach(work.op),), work.scratch_bytes,
        _CALL + _BAND + g.out_c * _CHANNEL,
        work.instructions(1, 1) - _BAND - g.out_c * _CHANNEL,
    )  # fmt: skip


def _call(work: _Depthwise, suffix: str) -> Call:
    """The call of the kernel for the whole tensor or (suffix ``_rows``) for some rows."""
    g, layer = work.g, work.layer
    params = Params(
        f"ec_{_KERNEL}_params",
        (
            ("window", Params("ec_window", g.fields())), ("multiplier", g.out_c // g.in_c),
            ("band", work.band), ("up", work.rows.before), ("left", work.columns.before),
            ("body", g.out_size[1] - work.right), ("outside", work.scratch_bytes),
            ("in_zero", layer.in_zero), ("shift", work.requant.shift),
            ("act_min", layer.act_min), ("act_max", layer.act_max),
        ),
    )  # fmt: skip
    args = (
        *tensor_args(work.op, 1), ConstArg("filters", work.filters, from_file=True),
        ConstArg("numbers", work.numbers, from_file=True),
        ScratchArg("int8_t") if work.scratch_bytes else NULL, *out_args(work.op),
    )  # fmt: skip
    name = f"ec_{_KERNEL}_s{g.stride[0]}_{FORMS[work.requant.form][0]}"
    return Call(f"ec_{_KERNEL}{suffix}", _HEADER, params, args, functions=(name,))

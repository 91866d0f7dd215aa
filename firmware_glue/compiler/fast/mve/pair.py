"""A 1×1 convolution that writes the planes of the depthwise convolution behind it.

Both are the kernels that they are alone; only the layout between them is another one:
``edgecnn_mve_pair.h``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.mve.depthwise import MOST_OFFSET, Depthwise, depthwise_layer
from firmware_glue.compiler.fast.mve.gemm import Gemm, conv_2d_gemm
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import (
    Arg,
    Call,
    ConstArg,
    Lowered,
    Overlap,
    Params,
    ScratchArg,
    TensorArg,
)
from firmware_glue.compiler.ops.window import overlaps_by_rows

_HEADER = "edgecnn_mve_pair.h"
_KERNEL = "mve_conv2d_depthwise"
_LANES = 16
_SET_UP, _BAND, _RUN, _COPY, _PAD, _CHANNEL, _EIGHT = 250, 200, 65, 100, 3, 8, 5
"""Instructions beside those of the kernels: of a call, a band, a run of pixels; of the last
pixels, if they are copied; of a row pair's padding; of a channel's row pair that is copied or
spread, and of eight of its columns."""


@dataclass(frozen=True)
class _Pair:
    """Both layers, and how the second one is cut into bands.

    Attributes:
        op: the pair.
    """

    op: Op
    first: Gemm
    second: Depthwise

    @property
    def planes(self) -> int:
        """Channels between the two, in whole groups of four."""
        return len(self.first.order)

    @property
    def row_pairs(self) -> int:
        """Per plane: what a band's outputs read."""
        return self.second.band + 1 if self.second.singles else -(-self.second.band // 2) + 1

    @property
    def plane(self) -> int:
        """Bytes of a plane."""
        return self.row_pairs * self.second.pitch

    @property
    def kept(self) -> int:
        """Row pairs at the end of a band that the next one begins with."""
        return self.filled(self.second.band) - self.second.band * self.stride // 2

    @property
    def stride(self) -> int:
        """Of the second layer's rows."""
        return self.second.geometry.stride[0]

    @property
    def bands(self) -> list[tuple[int, int]]:
        """First row of outputs, and the one behind the last."""
        height, band = self.second.geometry.out_size[0], self.second.band
        return [(y, min(y + band, height)) for y in range(0, height, band)]

    def filled(self, rows: int) -> int:
        """Row pairs that some rows of outputs are made of."""
        return -(-((rows - 1) * self.stride + self.second.spans[0]) // 2)

    @property
    def scratch_bytes(self) -> int:
        """Patches that are copied, four bytes, the planes, what padding them reaches behind."""
        g, first = self.second.geometry, self.first
        patches = 2 * first.chunks * _LANES if first.geometry.in_c % _LANES else 0
        return patches + 4 + self.planes * self.plane + 2 * g.pad[1] + _LANES

    @property
    def fits(self) -> bool:
        """Whether all offsets do."""
        return self.second.fits and 7 * self.plane < MOST_OFFSET

    def instructions(self) -> int:
        """Of one run, an estimate."""
        bands, g = self.bands, self.second.geometry
        kept = (len(bands) - 1) * self.kept * g.in_c
        copied = kept * (_CHANNEL + _EIGHT * -(-self.second.pitch // _LANES))
        padding = _PAD * self.row_pairs * g.in_c
        padding += _COPY if self.first.geometry.in_c % _LANES else 0
        return _SET_UP + padding + copied + sum(self._band(*band) for band in bands)

    def _band(self, first: int, end: int) -> int:
        top = first * self.stride - self.second.geometry.pad[0]
        begin = self.kept if first else 0
        rows = range(top + 2 * begin, top + 2 * self.filled(end - first), 2)
        each = self.second.channel_instructions(end - first)
        filled = sum(self._row_pair(y) for y in rows)
        return _BAND + filled + self.second.geometry.out_c * each

    def _row_pair(self, top: int) -> int:
        """Filled from image row ``top`` on."""
        (height, width), channels = self.second.geometry.in_size, self.second.geometry.in_c
        inside = (0 <= top < height) + (0 <= top + 1 < height)
        if inside == 2:
            return _RUN + width * self.first.pair_instructions
        spread = channels * (_CHANNEL + _EIGHT * -(-width // 8))
        if not inside:
            return spread
        runs = (width > 1) + width % 2
        return spread + runs * _RUN + -(-width // 2) * self.first.pair_instructions

    def overlaps(self) -> tuple[Overlap, ...]:
        """A band is written when all of its input is read, and before the next one's is."""
        g, in_c = self.second.geometry, self.first.geometry.in_c
        (in_h, in_w), (out_h, out_w) = g.in_size, g.out_size
        needs = np.full(out_h, in_h, np.int64)
        for (start, end), (after, _) in zip(self.bands, self.bands[1:], strict=False):
            top = after * self.stride - g.pad[0] + 2 * self.kept
            needs[start:end] = min(max(top, 0), in_h)
        return overlaps_by_rows(self.op, in_h, (in_w * in_c, out_w * g.out_c), needs)


def offer(graph: Graph, op: Op) -> tuple[Candidate, ...]:
    """Ways to run a pair, by the height of their bands; the fewest instructions first."""
    conv, depthwise = op.options
    first = conv_2d_gemm(graph, conv)
    second = depthwise_layer(graph, depthwise)
    if first is None or second is None or not _serves(first, second):
        return ()
    height, width = second.geometry.out_size
    layers = [replace(second, band=band) for band in (*range(2, height, 2), height)]
    layers.append(replace(second, turned=True, band=width))
    plans = [_Pair(op, first, layer) for layer in layers]
    found = [_candidate(plan) for plan in plans if plan.fits]
    return tuple(sorted(found, key=lambda way: way.instructions))


def _serves(first: Gemm, second: Depthwise) -> bool:
    """Whether the kernel can run both."""
    return first.direct and first.geometry.batches == 1 and (second.pairs or second.singles)


def _candidate(plan: _Pair) -> Candidate:
    first, second = plan.first, plan.second
    two = first.planes_core
    args: tuple[Arg, ...] = (
        TensorArg(plan.op.inputs[0]), ConstArg("filters", first.packed, from_file=True),
        ConstArg("finish", first.made.table(first.order), from_file=True),
        *(replace(each, role=f"depthwise_{each.role}") for each in second.constants()),
        ScratchArg("int8_t"), TensorArg(plan.op.outputs[0]),
    )  # fmt: skip
    call = Call(
        f"ec_{_KERNEL}", _HEADER, _params(plan), args, (two, *second.instances),
        (two.name, *second.functions),
    )  # fmt: skip
    lowered = Lowered(_KERNEL, (call,), plan.scratch_bytes, plan.overlaps())
    return Candidate(lowered, plan.instructions())


def _params(plan: _Pair) -> Params:
    g = plan.first.geometry
    steps = (g.in_c, g.in_size[1] * g.in_c)
    step_x, step_y = steps[::-1] if plan.second.turned else steps
    return Params(
        "ec_mve_pair_params",
        (
            ("first", plan.first.params(0)), ("second", plan.second.params(plan.plane)),
            ("step_x", step_x), ("step_y", step_y), ("kept", plan.kept),
        ),
    )  # fmt: skip

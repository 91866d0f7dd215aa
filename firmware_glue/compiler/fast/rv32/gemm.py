"""CONV_2D and FULLY_CONNECTED on RV32IM: offers of ``edgecnn_rv32_gemm.h``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.dense import dense_layer
from firmware_glue.compiler.fast.requant import Requant, requantization
from firmware_glue.compiler.fast.rv32.finish import FORMS, INSTRUCTIONS, numbers, starts
from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import conv_2d
from firmware_glue.compiler.ops.spec import (
    NULL,
    Call,
    ConstArg,
    Lowered,
    Params,
    Planned,
    Rows,
    ScratchArg,
    TensorArg,
)
from firmware_glue.compiler.ops.window import Geometry

_HEADER = "edgecnn_rv32_gemm.h"
_SUM_BITS = 21
"""Of a signed sum in a word that three pixels share."""
_LEAST_SCRATCH = 3072
"""Bytes that patches may take in any layer; else half more than its input and output together."""


@dataclass(frozen=True)
class _Gemm:
    """A layer as the kernels see it; for fully connected layers, rows are pixels.

    Attributes:
        thrifty: never six pixels at a time.
    """

    g: Geometry
    layer: Layer
    requant: Requant
    thrifty: bool = False

    @property
    def depth(self) -> int:
        """Products per output."""
        return self.layer.filters.shape[1]

    @property
    def pointwise(self) -> bool:
        """Pixels follow each other in input and output."""
        return self.g.kernel == (1, 1) and self.g.stride == (1, 1) and self.g.clipped == (0, 0)

    @property
    def runs(self) -> int:
        """Runs of memory in a row of a patch."""
        return self.g.kernel[1] if self.g.dilation[1] > 1 else 1

    @property
    def run_bytes(self) -> int:
        return self.g.kernel[1] // self.runs * self.g.in_c

    @property
    def group(self) -> int:
        """Pixels at a time."""
        g = self.g
        held = g.in_size[0] * g.in_size[1] * g.in_c + g.out_size[0] * g.out_size[1] * g.out_c
        few = self.thrifty or self.pixels <= 3
        return 3 if few or self._scratch(6) > max(_LEAST_SCRATCH, g.batches * held * 3 // 2) else 6

    def _scratch(self, group: int) -> int:
        if self.pixels == 1:
            return 0 if self.pointwise else self.depth
        return self.depth * (8 * group // 3 + (0 if self.pointwise else 3))

    @property
    def scratch_bytes(self) -> int:
        """As ``ec_rv32_gemm_params`` says."""
        return self._scratch(self.group)

    @property
    def pixels(self) -> int:
        """Of the output that follow each other."""
        count = self.g.out_size[0] * self.g.out_size[1]
        return count * self.g.batches if self.pointwise else count

    @property
    def whole(self) -> bool:
        """Whether numbers begin with the words that sums of three pixels start from."""
        return self._fits and self.pixels > 1

    @property
    def shared(self) -> bool:
        """Whether numbers are those of all channels, but for what sums start from."""
        found = self.requant
        rows = np.stack([found.multipliers, found.addends, found.shifts])
        return self.pixels == 1 and bool(np.all(rows == rows[:, :1]))

    @cached_property
    def _fits(self) -> bool:
        """Whether accumulators fit what a third of two words holds of one."""
        betas, reach = self.requant.betas, 1 << (_SUM_BITS - 1)
        low, high = self.layer.low + betas, self.layer.high + betas
        return bool(np.all(low >= -reach) and np.all(high < reach))

    @cached_property
    def part(self) -> int:
        """Inputs of a part: as few parts as have sums that fit."""
        sizes = np.abs(self.layer.filters)
        count = 1
        while True:
            part = -(-self.depth // count)
            begins = np.arange(0, self.depth, part)
            worst = int(np.add.reduceat(sizes, begins, axis=1).max())
            if self.pixels == 1 or self._fits or 128 * worst < 1 << (_SUM_BITS - 1):
                return part
            count += 1

    @property
    def parts(self) -> int:
        """Parts that a patch's inputs go in."""
        return -(-self.depth // self.part)

    def instructions(self, pixels: int) -> int:
        """Executed for so many pixels that follow each other."""
        sixes, rest = divmod(pixels, 6) if self.group == 6 else (0, pixels)
        if self.group == 6 and rest > 3:
            sixes, rest = sixes + 1, 0
        threes, ones = divmod(rest, 3)
        if ones > 1:
            threes, ones = threes + 1, 0
        fours, depth = -(-self.g.out_c // 4), self.depth
        output = INSTRUCTIONS[self.requant.form]
        finish, cut = (6, 0) if self.whole else (25, 60 + self.parts * 25)
        six = fours * (41.5 * depth + 75 + 24 * (output + finish) + 10 * cut) + 160
        three = fours * (22.7 * depth + 60 + 12 * (output + finish + 2) + 5 * cut) + 110
        one = fours * (13.8 * depth + 40 + 4 * (output + 8)) + 80 + 3 * depth
        gathered = (6 * sixes + 3 * threes) * self._gather
        return int(sixes * six + threes * three + ones * one + gathered)

    @property
    def _gather(self) -> float:
        """Of one pixel's inputs."""
        if self.pointwise:
            return 3.5 * self.depth + 5
        runs, rest = self.runs * self.g.kernel[0], self.run_bytes % 4
        # Three pixels go by way of bytes if one of them has to.
        outside = min(1.0, 1.7 * (1 - self._inside))
        apart = 20 * self.g.kernel[0] + (45 + 2 * rest) * runs + 3 * self.depth
        return 45 + 3.5 * self.depth + (1 - outside) * 10 * runs + outside * apart

    @property
    def _inside(self) -> float:
        """Of all windows, those that do not leave the input."""
        g, shares = self.g, 1.0
        for axis in (0, 1):
            first = -(-g.pad[axis] // g.stride[axis])
            span = (g.kernel[axis] - 1) * g.dilation[axis] + 1
            last = (g.in_size[axis] + g.pad[axis] - span) // g.stride[axis]
            shares *= max(0, min(last + 1, g.out_size[axis]) - first) / g.out_size[axis]
        return shares


def conv_2d_offer(graph: Graph, op: Op, *, thrifty: bool = False) -> Candidate | None:
    """CONV_2D without groups; ``thrifty``: with less scratch memory."""
    filters, g = graph.constant(op, 1), conv_2d.geometry(graph, op)
    if filters is None or filters.dtype != np.int8 or filters.shape[3] != g.in_c:
        return None
    layer = int8_layer(graph, op, filters.reshape(len(filters), -1), graph.numerics)
    return _candidate(op, g, layer, thrifty=thrifty)


def fully_connected_offer(graph: Graph, op: Op) -> Candidate | None:
    """FULLY_CONNECTED: its rows are the pixels of one image."""
    layer = dense_layer(graph, op)
    if layer is None:
        return None
    units, depth = layer.filters.shape
    rows, ones = graph.input(op, 0).elements // depth, (1, 1)
    g = Geometry(1, (1, rows), depth, (1, rows), units, ones, ones, ones, (0, 0))
    return _candidate(op, g, layer, rows=False)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"CONV_2D": (conv_2d_offer,), "FULLY_CONNECTED": (fully_connected_offer,)}
)
THRIFTY: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"CONV_2D": (partial(conv_2d_offer, thrifty=True),)}
)


def packed_filters(filters: Ints) -> NDArray[np.int8]:
    """The constant array ``filters`` of the C kernels: (fours of channels, products, 4)."""
    channels, depth = filters.shape
    padded = np.zeros((-(-channels // 4) * 4, depth), np.int8)
    padded[:channels] = filters
    return np.ascontiguousarray(padded.reshape(-1, 4, depth).transpose(0, 2, 1))


def _candidate(
    op: Op, g: Geometry, layer: Layer | None, *, rows: bool = True, thrifty: bool = False
) -> Candidate | None:
    if layer is None:
        return None
    requant = requantization(layer)
    if requant is None:
        return None
    gemm = _Gemm(g, layer, requant, thrifty)
    images = 1 if gemm.pointwise else g.batches
    instructions = (60 if gemm.pointwise else 210) + images * gemm.instructions(gemm.pixels)
    call = _call(op, gemm, gemm.pixels)
    lowered = Lowered(
        call.kernel.removeprefix("ec_"), (call,), gemm.scratch_bytes,
        g.overlaps(op, 1, (0, 0)) if gemm.scratch_bytes else (),
        _rows(op, gemm) if rows and g.batches == 1 else None,
    )  # fmt: skip
    added = sum(arg.data.nbytes for arg in call.args if isinstance(arg, ConstArg))
    # Filters, bias, multipliers and shifts go.
    return Candidate(lowered, instructions, added - layer.filters.size - 9 * g.out_c)


def _rows(op: Op, gemm: _Gemm) -> Rows:
    call = _call(op, gemm, None)
    return Rows(
        replace(call, kernel=f"{call.kernel}_rows"), (gemm.g.row_reach(op),),
        gemm.scratch_bytes, row_instructions=gemm.instructions(gemm.g.out_size[1]),
    )  # fmt: skip


def _call(op: Op, gemm: _Gemm, pixels: int | None) -> Call:
    """The call for so many pixels that follow each other; None: any number."""
    g, layer, requant = gemm.g, gemm.layer, gemm.requant
    fields = (
        ("window", Params("ec_window", g.fields())), ("depth", gemm.depth),
        ("group", gemm.group), ("part", gemm.part), ("whole", int(gemm.whole)),
        ("shared", int(gemm.shared)), ("runs", gemm.runs),
        ("run_bytes", gemm.run_bytes), ("in_zero", layer.in_zero),
        ("form", FORMS[requant.form][1]), ("shift", requant.shift),
        ("act_min", layer.act_min), ("act_max", layer.act_max), ("reverse", Planned.REVERSE),
    )  # fmt: skip
    args = (
        TensorArg(op.inputs[0]),
        ConstArg("filters", packed_filters(layer.filters), from_file=True),
        ConstArg("numbers", _numbers(gemm), from_file=True),
        ScratchArg("uint32_t") if gemm.scratch_bytes else NULL,
        TensorArg(op.outputs[0]),
    )
    kernel = "ec_rv32_pointwise" if gemm.pointwise else "ec_rv32_conv2d"
    params = Params("ec_rv32_gemm_params", fields)
    return Call(kernel, _HEADER, params, args, functions=_loops(gemm, pixels))


def _numbers(gemm: _Gemm) -> NDArray[np.int32]:
    start = starts(gemm.layer, gemm.requant)
    if gemm.shared:
        once = numbers((), gemm.requant, len(start))[0]
        return np.concatenate([once, (start & 0xFFFFFFFF).astype(np.uint32).view(np.int32)])
    words = (start + (start << 21), start + (start << 10))
    first = words if gemm.whole else (start, np.zeros_like(start))
    return numbers(first, gemm.requant, -(-gemm.g.out_c // 4) * 4)


def _loops(gemm: _Gemm, pixels: int | None) -> tuple[str, str, str]:
    """The loops over six, three and one pixel; "NULL" for those that are not needed."""
    rest = None if pixels is None else pixels % gemm.group
    many = pixels is None or pixels > 3
    needed = {
        "six": gemm.group == 6 and many,
        "three": rest in (None, 2, 3) or gemm.group == 3 and (many or pixels != 1),
        "one": rest in (None, 1),
    }
    form = FORMS[gemm.requant.form][0]
    names = {"six": "sums", "three": "sums"} if not gemm.whole else {}
    six, three, one = (
        f"ec_rv32_{loop}_{names.get(loop, form)}" if used else "NULL"
        for loop, used in needed.items()
    )
    return six, three, one

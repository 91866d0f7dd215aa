"""CONV_2D as a matrix product for Armv6-M: offers of ``edgecnn_v6m_gemm.h``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.fast.v6m.finish import Finish, finish
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import conv_2d
from firmware_glue.compiler.ops.spec import (
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

_HEADER = "edgecnn_v6m_gemm.h"
_PIXELS, _BLOCK_BYTES = 16, 2048
"""A block has so many pixels, or more where so many bytes hold them: they share the unpacking of
the weights, 2 instructions each, and of two channels' numbers."""
_LEAST_SCRATCH = 3072
"""Bytes that patches may take in any layer; else no more than its input and output together."""
_PAIRS = ("ec_v6m_pair_straight", "ec_v6m_pair_kinked", "ec_v6m_pair_sums", "ec_v6m_pair_sums")
"""The inner loop of each kind of finish."""
_TURNS = 8
"""Times that the inner loop is unrolled."""


@dataclass(frozen=True)
class Gemm:
    """A layer as the kernels see it.

    Attributes:
        share: pixels of a block, or more where few bytes hold them.
        by_rows: calls are for a row of the output, and not for all of it.
    """

    g: Geometry
    layer: Layer
    finish: Finish
    share: int = _PIXELS
    by_rows: bool = False

    @property
    def depth(self) -> int:
        """Products per output."""
        return self.layer.filters.shape[1]

    @property
    def quads(self) -> int:
        """Words of packed weights per output."""
        return -(-self.depth // 4)

    @property
    def pointwise(self) -> bool:
        """Pixels follow each other in input and output."""
        return self.g.kernel == (1, 1) and self.g.stride == (1, 1) and self.g.clipped == (0, 0)

    @property
    def block(self) -> int:
        """Pixels of a block."""
        g = self.g
        pixels = g.out_size[0] * g.out_size[1]
        held = g.in_size[0] * g.in_size[1] * g.in_c + pixels * g.out_c
        room = max(_LEAST_SCRATCH, held) // (8 * self.quads)
        few = _BLOCK_BYTES * self.share // _PIXELS // (8 * self.quads)
        most = max(1, min(max(self.share, few), room))
        total = pixels * (g.batches if self.pointwise else 1)
        if self.by_rows:
            total = g.out_size[1]
        # Blocks of equal size, as few as that.
        return -(-total // -(-total // most))

    @property
    def scratch_bytes(self) -> int:
        """As ``ec_v6m_gemm_params`` says."""
        words = self.block * self.quads * 2 + self.quads * 4 + 16
        if self.finish.exact:
            words += self.quads + 2 * self.block
        elif not self.pointwise:
            words += self.quads
        return 4 * words

    def instructions(self, pixels: int) -> int:
        """Executed for so many pixels that follow each other."""
        pairs, blocks = -(-self.g.out_c // 2), -(-pixels // self.block)
        outputs = 2 * self.finish.instructions + 14
        turn = 14.6 * self.quads + 2 * -(-self.quads // _TURNS) + outputs
        block = pairs * (14 * self.quads + 240) + 50
        return int(pixels * (pairs * turn + self._gather) + blocks * block) + 150

    @property
    def _gather(self) -> float:
        """Instructions to gather a pixel's patch, on average."""
        g, straight = self.g, self.g.in_c % 4 == 0
        if self.pointwise:
            return 9.2 * self.quads if straight else 80 + 13 * self.quads
        per_byte = 2.9 if straight else 6.6
        counts, window = g.counts(), g.kernel[0] * g.kernel[1]
        inside = float(np.mean(counts == window)) if _per_row(g) == 1 else 0.0
        runs = g.kernel[0] * _per_row(g)
        apart = inside * (165 + 23 * runs) + (1 - inside) * (200 + 125 * runs)
        return apart + per_byte * self.depth


def conv_2d_offer(graph: Graph, op: Op, share: int = _PIXELS) -> Candidate | None:
    """CONV_2D without groups, of at least two output channels; ``share`` as in :class:`Gemm`."""
    filters, g = graph.constant(op, 1), conv_2d.geometry(graph, op)
    if filters is None or filters.dtype != np.int8 or filters.shape[3] != g.in_c or g.out_c < 2:
        return None
    layer = int8_layer(graph, op, filters.reshape(len(filters), -1), graph.numerics)
    if layer is None or not pairs_fit(layer.filters):
        return None
    made = finish(layer)
    return None if made is None else candidate(op, Gemm(g, layer, made, share))


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType({"CONV_2D": (conv_2d_offer,)})
THRIFTY: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"CONV_2D": tuple(partial(conv_2d_offer, share=share) for share in (8, 4, 2))}
)
"""The same with smaller blocks: less scratch memory, more instructions."""


def quads_of(filters: Ints) -> Ints:
    """Filters (channels, products) as (channels, quads, 4), zeros behind the last product."""
    channels, depth = filters.shape
    padded = np.zeros((channels, -(-depth // 4) * 4), np.int64)
    padded[:, :depth] = filters
    return padded.reshape(channels, -1, 4)


def pairs_fit(filters: Ints) -> bool:
    """Whether two products that share a word fit 16 bits for any input: all but −128 twice."""
    quads = quads_of(filters)
    return not bool(np.any((quads[..., :2] == -128) & (quads[..., 2:] == -128)))


def packed_filters(filters: Ints) -> NDArray[np.uint32]:
    """The constant array ``filters`` of the C kernels, (pairs of channels, quads, 2)."""
    quads = (quads_of(filters)[..., [2, 3, 0, 1]] + 128).astype(np.uint8)
    words = np.ascontiguousarray(quads).view("<u4")[..., 0]
    first = np.minimum(np.arange(0, len(words), 2), len(words) - 2)
    return np.stack([words[first], words[first + 1]], axis=2).astype(np.uint32)


def candidate(op: Op, gemm: Gemm, *, rows: bool = True) -> Candidate:
    """The kernel call of a layer; ``rows``: with its rows form, where it has one."""
    g, call = gemm.g, _call(op, gemm)
    kernel = call.kernel.removeprefix("ec_")
    lowered = Lowered(
        kernel,
        (call,),
        gemm.scratch_bytes,
        g.overlaps(op, 1, (0, 0)),
        _rows(op, gemm) if rows and g.batches == 1 else None,
    )
    pixels = g.batches * g.out_size[0] * g.out_size[1]
    added = sum(arg.data.nbytes for arg in call.args[1:4] if isinstance(arg, ConstArg))
    # Filters, bias, multipliers and shifts go.
    replaced = gemm.layer.filters.size + 9 * g.out_c
    return Candidate(lowered, gemm.instructions(pixels), added - replaced)


def _per_row(g: Geometry) -> int:
    """Runs of memory in a row of a patch."""
    return g.kernel[1] if g.dilation[1] > 1 else 1


def _rows(op: Op, whole: Gemm) -> Rows:
    gemm = replace(whole, by_rows=True)
    call = _call(op, gemm)
    return Rows(
        replace(call, kernel=f"{call.kernel}_rows"), (gemm.g.row_reach(op),),
        gemm.scratch_bytes, row_instructions=gemm.instructions(gemm.g.out_size[1]),
    )  # fmt: skip


def _call(op: Op, gemm: Gemm) -> Call:
    g, layer = gemm.g, gemm.layer
    per_row = _per_row(g)
    fields = (
        ("window", Params("ec_window", g.fields())), ("depth", gemm.depth),
        ("quads", gemm.quads), ("block", gemm.block), ("per_row", per_row),
        ("run_bytes", g.kernel[1] // per_row * g.in_c), ("in_zero", layer.in_zero),
        ("finish", gemm.finish.kind), ("out_zero", layer.out_zero), ("act_min", layer.act_min),
        ("act_max", layer.act_max), ("reverse", Planned.REVERSE),
    )  # fmt: skip
    args = (
        TensorArg(op.inputs[0]),
        ConstArg("filters", packed_filters(layer.filters), from_file=True),
        ConstArg("starts", gemm.finish.starts(layer.folded_bias), from_file=True),
        ConstArg("numbers", gemm.finish.numbers, from_file=True),
        ScratchArg("uint32_t"),
        TensorArg(op.outputs[0]),
    )
    kernel = "ec_v6m_pointwise" if gemm.pointwise else "ec_v6m_conv2d"
    pair = _PAIRS[gemm.finish.kind]
    return Call(kernel, _HEADER, Params("ec_v6m_gemm_params", fields), args, functions=(pair,))

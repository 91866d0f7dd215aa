"""CONV_2D for Helium: one blocked matrix product for every kernel size, ``edgecnn_mve_gemm.h``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.mve.finish import FORM_NAMES, Finish, finish
from firmware_glue.compiler.fast.sums import int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import conv_2d
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Instance,
    Lowered,
    Params,
    Planned,
    Rows,
    ScratchArg,
    TensorArg,
    Value,
    out_args,
)
from firmware_glue.compiler.ops.window import Geometry

_HEADER = "edgecnn_mve_gemm.h"
_LANES = 16
_UNROLLED = 5
"""Most chunks per round of the inner loop: more would cost flash, and save less than 1 %."""
_TILE_BYTES = 1024
"""Patches are gathered up to this size, so that a call of the core does some work."""
_SHORT_LINE = 128


@dataclass(frozen=True)
class Gemm:
    """A convolution as a matrix product.

    Attributes:
        geometry: its window.
        packed: the filters as the C side wants them.
        order: of the channels, as :func:`channel_order`.
        made: how sums become outputs.
        in_zero: the input's zero point.
    """

    geometry: Geometry
    packed: Array
    order: NDArray[np.int64]
    made: Finish
    in_zero: int

    @property
    def chunks(self) -> int:
        """Of 16 taps, per patch."""
        g = self.geometry
        return -(-g.kernel[0] * g.kernel[1] * g.in_c // _LANES)

    @property
    def unrolled(self) -> int:
        """Chunks per round of the core's inner loop."""
        return max(n for n in range(1, _UNROLLED + 1) if self.chunks % n == 0)

    @property
    def direct(self) -> bool:
        """Whether patches are read where they lie."""
        g = self.geometry
        return g.kernel == (1, 1) and g.stride == (1, 1)

    @property
    def pitch(self) -> int:
        """Bytes per patch in scratch: each of its rows is copied by 16 bytes."""
        g = self.geometry
        run = g.kernel[1] * g.in_c
        return max(self.chunks * _LANES, g.kernel[0] * run + -run % _LANES)

    @property
    def tile(self) -> int:
        """Patches that scratch holds."""
        most = -(-self.geometry.out_size[0] * self.geometry.out_size[1] // 2) * 2
        return min(max(_TILE_BYTES // self.pitch // 2 * 2, 2), most)

    @property
    def line(self) -> int:
        """Bytes of an input row with its borders, where patches are made of a copy of it."""
        g = self.geometry
        width = (g.out_size[1] - 1) * g.stride[1] + g.kernel[1]
        short = g.clipped[1] and g.dilation[1] == 1 and g.in_size[1] * g.in_c <= _SHORT_LINE
        # Windows that leave columns on the right unread copy them nevertheless.
        return max(width, g.pad[1] + g.in_size[1]) * g.in_c if short else 0

    @property
    def scratch_bytes(self) -> int:
        """In place a core would read too far behind the last pixels, less than 16 bytes of them."""
        if self.direct:
            return self.pitch + _LANES if self.geometry.in_c % _LANES else 0
        return -(-(self.tile * self.pitch + self.line + _LANES) // 4) * 4

    @property
    def core(self) -> Instance:
        """The core made for this layer."""
        tail = int(self.geometry.out_c % 8 > 0)
        name, values = self._core
        return Instance("EC_MVE_GEMM", f"ec_mve_gemm_{name}{'t' * tail}", (*values, tail))

    @property
    def planes_core(self) -> Instance:
        """The same that writes planes."""
        tail = int(len(self.order) % 8 > 0)
        name, values = self._core
        name = f"ec_mve_gemm_planes_{name}{'t' * tail}"
        return Instance("EC_MVE_GEMM_PLANES", name, (*values, tail))

    @property
    def _core(self) -> tuple[str, tuple[int, ...]]:
        """FORM, SHIFT, UNROLL, LOOP, CLAMP, and a name for them."""
        made, loop = self.made, int(self.chunks > self.unrolled)
        name = f"{FORM_NAMES[made.form]}{made.shift}_{self.unrolled}{'l' * loop}{'c' * made.clamp}"
        return name, (made.form, made.shift, self.unrolled, loop, made.clamp)

    def params(self, reverse: Value) -> Params:
        """The C struct."""
        made = self.made
        return Params(
            "ec_mve_gemm_params",
            (
                ("window", Params("ec_window", self.geometry.fields())),
                ("direct", int(self.direct)), ("chunks", self.chunks),
                ("trips", self.chunks // self.unrolled), ("tile", self.tile),
                ("pitch", self.pitch), ("line", self.line),
                ("in_zero", self.in_zero),
                ("act_min", made.act_min), ("act_max", made.act_max), ("reverse", reverse),
            ),
        )  # fmt: skip

    def pending(self) -> tuple[int, int]:
        """Bytes of outputs that are written before a pixel's patch is read for the last time.

        A pair of pixels in place: all but the last eight channels of both.
        """
        out_c = self.geometry.out_c
        return (2 * out_c, 2 * out_c) if self.direct and out_c > 8 else (0, 0)

    @property
    def pair_instructions(self) -> int:
        """Of two pixels, an estimate."""
        rest = 29 if self.chunks > 1 else 15
        return len(self.order) // 4 * (16 * self.chunks + 14) + rest

    def instructions(self) -> int:
        """Of one run, an estimate: measured figures per part."""
        g = self.geometry
        pixels = g.out_size[0] * g.out_size[1]
        work = -(-pixels // 2) * self.pair_instructions + 145
        if self.direct:
            return g.batches * (work + (99 if g.in_c % _LANES else 0))
        per_tap = g.dilation[1] > 1 and g.kernel[1] > 1
        runs = g.kernel[0] * (g.kernel[1] if per_tap else 1)
        vectors = -(-g.kernel[1] * g.in_c // _LANES) if not per_tap else -(-g.in_c // _LANES)
        run = 5 * vectors + (20 if per_tap else 13 if any(g.clipped) and not self.line else 2)
        lines = 12 * g.out_size[0] * g.kernel[0] if self.line else 0
        tiles = -(-pixels // self.tile)
        return g.batches * (work + 168 * tiles + pixels * runs * run + lines)


def channel_order(channels: int) -> NDArray[np.int64]:
    """Channels in the order of the packed filters, −1 where a group of four is filled up.

    >>> channel_order(11).tolist()
    [0, 2, 4, 6, 1, 3, 5, 7, 8, 9, 10, -1]
    """
    spread = np.array([0, 2, 4, 6, 1, 3, 5, 7], np.int64)
    whole = -(-channels // 8) if channels % 8 > 4 else channels // 8
    order = (np.arange(whole, dtype=np.int64)[:, None] * 8 + spread).reshape(-1)
    if whole * 8 < channels:
        order = np.append(order, whole * 8 + np.arange(4, dtype=np.int64))
    return np.where(order < channels, order, -1)


def pack(filters: Array, biases: NDArray[np.int32], order: NDArray[np.int64]) -> Array:
    """(channels, taps) as groups of four channels of chunks of 16 taps: see the C header.

    Args:
        filters: int8 (channels, taps).
        biases: of the channels in order.
        order: as :func:`channel_order`.
    """
    channels, taps = filters.shape
    padded = np.zeros((channels + 1, -(-taps // _LANES) * _LANES), np.int8)
    padded[:channels, :taps] = filters
    chunks = padded[order].reshape(len(order) // 4, 4, -1, _LANES).transpose(0, 2, 1, 3)
    taps_of = np.ascontiguousarray(chunks).reshape(len(order) // 4, -1)
    heads = biases.astype("<i4").view(np.int8).reshape(len(order) // 4, -1)
    return np.concatenate([heads, taps_of], axis=1).reshape(-1)


def offer(graph: Graph, op: Op) -> Candidate | None:
    """A convolution without groups, or None."""
    gemm = conv_2d_gemm(graph, op)
    if gemm is None:
        return None
    out_c, order = gemm.geometry.out_c, gemm.order
    extra = gemm.packed.size - graph.input(op, 1).elements + len(order) * gemm.made.words
    return Candidate(_lowered(op, gemm), gemm.instructions(), extra - 4 * out_c)


def conv_2d_gemm(graph: Graph, op: Op) -> Gemm | None:
    """The layer of a CONV_2D without groups, or None where no requantization is exact."""
    filters = graph.constant(op, 1)
    if filters is None or filters.shape[3] != graph.input(op, 0).shape[3]:
        return None
    rows = filters.reshape(len(filters), -1)
    layer = int8_layer(graph, op, rows, graph.numerics)
    made = finish(layer) if layer is not None else None
    if layer is None or made is None:
        return None
    order = channel_order(len(rows))
    packed = pack(rows, made.biases(order), order)
    return Gemm(conv_2d.geometry(graph, op), packed, order, made, layer.in_zero)


def _lowered(op: Op, gemm: Gemm) -> Lowered:
    g, core = gemm.geometry, gemm.core
    args = (
        TensorArg(op.inputs[0]),
        ConstArg("filters", gemm.packed, from_file=True),
        ConstArg("finish", gemm.made.table(gemm.order), from_file=True),
        ScratchArg("int8_t") if gemm.scratch_bytes else None,
        *out_args(op),
    )
    call = Call("ec_mve_gemm", _HEADER, gemm.params(Planned.REVERSE), args, (core,), (core.name,))
    rows_call = Call("ec_mve_gemm_rows", _HEADER, gemm.params(0), args, (core,), (core.name,))
    per_row = gemm.instructions() // (g.batches * g.out_size[0])
    rows = Rows(rows_call, (g.row_reach(op),), gemm.scratch_bytes, 100, per_row)
    return Lowered(
        "mve_gemm", (call,), gemm.scratch_bytes, g.overlaps(op, 1, gemm.pending()),
        rows if g.batches == 1 else None,
    )  # fmt: skip

"""DEPTHWISE_CONV_2D for Helium: windows of 4 × 4 inputs on planes, ``edgecnn_mve_depthwise.h``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.mve.finish import FORM_NAMES, Finish, finish
from firmware_glue.compiler.fast.sums import int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Instance,
    Lowered,
    Overlap,
    Params,
    Rows,
    ScratchArg,
    TensorArg,
    out_args,
)
from firmware_glue.compiler.ops.window import Geometry, Reach, overlaps

_HEADER = "edgecnn_mve_depthwise.h"
_WINDOW, _LANES = 4, 16
_BAND = 8
"""Output rows at once: fewer gather more rows twice, more need more memory."""
_MOST_BLOCKS = 16
_SPARE = 1024
"""Bytes of memory that the whole image at once may cost: it is faster."""
_MOST_TAPS = 255
"""Indices of a gather of bytes have 8 bits."""
MOST_OFFSET = 1 << 16
"""Offsets of gathers and scatters have 16 bits."""


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution by planes.

    Attributes:
        original: its window.
        filters: per output channel, its taps row by row, then a 0.
        made: how sums become outputs.
        in_zero: the input's zero point.
        turned: the window's rows are the image's columns: longer rows waste fewer lanes.
        band: output rows computed at once.
    """

    original: Geometry
    filters: Array
    made: Finish
    in_zero: int
    turned: bool
    band: int

    @property
    def geometry(self) -> Geometry:
        """The window as the kernel sees it."""
        g = self.original
        if not self.turned:
            return g
        return Geometry(
            g.batches, g.in_size[::-1], g.in_c, g.out_size[::-1], g.out_c, g.kernel[::-1],
            g.stride[::-1], g.dilation[::-1], g.pad[::-1],
        )  # fmt: skip

    @property
    def steps(self) -> tuple[int, int, int, int]:
        """Bytes from column to column and from row to row: of the input, of the output."""
        g = self.original
        inner, outer = (g.in_c, g.in_size[1] * g.in_c), (g.out_c, g.out_size[1] * g.out_c)
        return (*inner[::-1], *outer[::-1]) if self.turned else (*inner, *outer)

    @property
    def spans(self) -> tuple[int, int]:
        """Rows and columns that a window covers."""
        g = self.geometry
        height, width = ((g.kernel[i] - 1) * g.dilation[i] + 1 for i in (0, 1))
        return height, width

    @property
    def pairs(self) -> bool:
        """Whether the core for pairs of rows serves."""
        return self.geometry.stride == (1, 1) and max(self.spans) < _WINDOW

    @property
    def singles(self) -> bool:
        """Whether the core for single rows serves."""
        return self.geometry.stride == (2, 2) and max(self.spans) <= _WINDOW

    @property
    def several(self) -> bool:
        """Whether a core for several blocks serves: it wants the vectors of taps in scratch."""
        even = self.geometry.stride in ((1, 1), (2, 2))
        return even and 1 < self.blocks[0] * self.blocks[1] <= _MOST_BLOCKS

    @property
    def turns(self) -> tuple[int, int]:
        """Parities of the rows and columns that windows start at."""
        height, width = (1 + step % 2 for step in self.geometry.stride)
        return height, width

    @property
    def blocks(self) -> tuple[int, int]:
        """Windows of 4 × 4 that an output takes."""
        pairs = zip(self.spans, self.turns, strict=True)
        height, width = (-(-(span + turn - 1) // _WINDOW) for span, turn in pairs)
        return height, width

    @property
    def pitch(self) -> int:
        """Bytes per pair of rows of the plane: room for what the last windows read."""
        g = self.geometry
        outputs = -(-g.out_size[1] // _WINDOW) * _WINDOW
        width = (outputs - 1) * g.stride[1] + self.blocks[1] * _WINDOW
        return 2 * (-(-max(width, g.in_size[1] + g.pad[1]) // 2) * 2)

    @property
    def plane(self) -> int:
        """Bytes of the plane."""
        rows = -(-self.band // self.rows) * self.rows
        height = (rows - 1) * self.geometry.stride[0] + self.blocks[0] * _WINDOW
        return -(-height // 2) * self.pitch

    @property
    def vectors(self) -> int:
        """Vectors of taps."""
        return self.turns[0] * self.turns[1] * self.blocks[0] * self.blocks[1]

    @property
    def rows(self) -> int:
        """Output rows that the core computes at once."""
        return 2 if self.kind else 1

    @property
    def taps(self) -> int:
        """Per output channel, and one that is 0."""
        return self.geometry.kernel[0] * self.geometry.kernel[1] + 1

    @property
    def scratch_bytes(self) -> int:
        """The vectors of taps, four bytes, the plane."""
        return self.vectors * self.several * _LANES + 4 + self.plane

    @property
    def fits(self) -> bool:
        """Whether all offsets do."""
        in_x, in_y, out_x, out_y = self.steps
        most = max(7 * in_x + in_y, 7 * out_x, 3 * out_x + out_y)
        return most < MOST_OFFSET and self.taps <= _MOST_TAPS and self.vectors <= _MOST_TAPS

    def places(self) -> NDArray[np.uint8]:
        """Which tap lies in which lane of each vector: see the C header."""
        g, (rows, columns) = self.geometry, self.blocks
        shape = (rows, columns, *self.turns, _LANES)
        found = np.full(shape, self.taps - 1, np.uint8)
        for dy, dx in np.ndindex(*self.turns):
            for ky, kx in np.ndindex(*g.kernel):
                y, x = dy + ky * g.dilation[0], dx + kx * g.dilation[1]
                lane = y % _WINDOW // 2 * 8 + x % _WINDOW * 2 + y % 2
                tap = kx * g.kernel[0] + ky if self.turned else ky * g.kernel[1] + kx
                found[y // _WINDOW, x // _WINDOW, dy, dx, lane] = tap
        return found.reshape(-1)

    @property
    def kind(self) -> str:
        """Which core serves; "": the one for all."""
        if self.several:
            return "ones" if self.geometry.stride[0] == 1 else "twos"
        return "pairs" if self.pairs else "singles" if self.singles else ""

    @property
    def core(self) -> Instance | None:
        """The core made for this layer; None: the one for all."""
        made = self.made
        if not self.kind:
            return None
        name = f"ec_mve_{self.kind}_{FORM_NAMES[made.form]}{made.shift}{'c' * made.clamp}"
        values = (made.form, made.shift, made.clamp)
        return Instance(f"EC_MVE_DEPTHWISE_{self.kind.upper()}", name, values)

    @property
    def functions(self) -> tuple[str, ...]:
        """The core, and the one for what is left of an odd number of rows."""
        name = self.core.name if self.core else "ec_mve_depthwise_any"
        return name, f"{name}_row" if self.pairs else name

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What has to be made for them."""
        return (self.core,) if self.core else ()

    def constants(self) -> tuple[ConstArg, ...]:
        """The C side's arrays, in the order of its arguments."""
        made = self.made
        return (
            ConstArg("filters", self.filters.reshape(-1), from_file=True),
            ConstArg("places", self.places()),
            ConstArg("bias", made.bias, from_file=True),
            ConstArg("finish", made.columns.reshape(-1), from_file=True),
        )

    def params(self, plane: int | None = None) -> Params:
        """The C struct; ``plane``: bytes per plane, if not its own."""
        g, made = self.geometry, self.made
        in_x, in_y, out_x, out_y = self.steps
        return Params(
            "ec_mve_depthwise_params",
            (
                ("window", Params("ec_window", g.fields())),
                ("multiplier", g.out_c // g.in_c), ("band", self.band), ("pitch", self.pitch),
                ("plane", self.plane if plane is None else plane), ("taps", self.taps),
                ("words", made.columns.shape[1]),
                ("rows", self.rows), ("vectors", self.vectors * self.several),
                ("blocks_h", self.blocks[0]), ("blocks_w", self.blocks[1]), ("in_x", in_x),
                ("in_y", in_y), ("out_x", out_x), ("out_y", out_y), ("in_zero", self.in_zero),
                ("form", made.form), ("shift", made.shift), ("act_min", made.act_min),
                ("act_max", made.act_max),
            ),
        )  # fmt: skip

    def instructions(self) -> int:
        """Of one run, an estimate from counted parts."""
        bands = -(-self.geometry.out_size[0] // self.band)
        return 300 + self.geometry.batches * bands * self.band_instructions(self.band)

    def band_instructions(self, rows: int) -> int:
        """Of some rows of all output channels, the input gathered for them, an estimate."""
        g = self.geometry
        read = min((rows - 1) * g.stride[0] + self.spans[0], g.in_size[0])
        gather = 45 + read // 2 * (7 + -(-g.in_size[1] // 8) * 6)
        return g.out_c * self.channel_instructions(rows) + g.in_c * gather

    def channel_instructions(self, rows: int) -> int:
        """Of some rows of an output channel whose plane is filled, an estimate."""
        width, blocks = self.geometry.out_size[1], self.blocks[0] * self.blocks[1]
        quads, tail = width // 4, 23 if width % 4 else 0
        if self.pairs:
            compute = rows // 2 * (quads * 28 + tail + 17)
            compute += rows % 2 * (width // 8 * 30 + 24 + 40)
        elif self.singles:
            compute = -(-rows // 2) * (quads * 33 + tail + 20)
        elif self.several:
            each = 26 * blocks if self.kind == "ones" else 34 * blocks
            compute = -(-rows // 2) * -(-width // 4) * (each + 40) + 28 * self.vectors
        else:
            compute = rows * width * (12 * blocks + 50)
        return 60 + compute


def offer(graph: Graph, op: Op) -> Candidate | None:
    """A depthwise convolution, or None."""
    whole = depthwise_layer(graph, op)
    plan = min(_plans(whole), key=Depthwise.instructions, default=None) if whole else None
    if plan is None:
        return None
    extra = plan.original.out_c * 9 + plan.vectors * _LANES
    return Candidate(_lowered(op, plan), plan.instructions(), extra)


def depthwise_layer(graph: Graph, op: Op) -> Depthwise | None:
    """A depthwise convolution, the whole image at once; None if no requantization is exact."""
    filters = graph.constant(op, 1)
    if filters is None:
        return None
    rows = np.ascontiguousarray(filters.reshape(-1, filters.shape[3]).T)
    layer = int8_layer(graph, op, rows, graph.numerics)
    made = finish(layer) if layer is not None else None
    if layer is None or made is None:
        return None
    packed = np.concatenate([rows, np.zeros((len(rows), 1), np.int8)], axis=1)
    g = depthwise_conv_2d.geometry(graph, op)
    return Depthwise(g, packed, made, layer.in_zero, False, g.out_size[0])


def _plans(whole: Depthwise) -> list[Depthwise]:
    """The whole image at once, by rows or by columns; by bands where that takes less memory."""
    g = whole.original
    found = [whole, replace(whole, turned=True, band=g.out_size[1])]
    if _same(g):
        band = replace(whole, band=min(_BAND, g.out_size[0]))
        spare = band.scratch_bytes + (band.band + 2) * g.out_size[1] * g.out_c
        found = [plan for plan in found if plan.scratch_bytes <= spare + _SPARE] or [band]
    return [plan for plan in found if plan.fits]


def _same(g: Geometry) -> bool:
    """Whether the output may lie exactly over the input: channel by channel, image by image."""
    smaller = g.out_size[0] * g.out_size[1] <= g.in_size[0] * g.in_size[1]
    return g.in_c == g.out_c and (smaller or g.batches == 1)


def _lowered(op: Op, plan: Depthwise) -> Lowered:
    band = replace(plan, turned=False, band=min(_BAND, plan.original.out_size[0]))
    return Lowered(
        "mve_depthwise", (_call(op, plan, "ec_mve_depthwise"),), plan.scratch_bytes,
        _overlaps(op, plan), _rows(op, band) if plan.original.batches == 1 and band.fits else None,
    )  # fmt: skip


def _call(op: Op, plan: Depthwise, kernel: str) -> Call:
    args = (
        TensorArg(op.inputs[0]), *plan.constants(), ScratchArg("int8_t"), *out_args(op),
    )  # fmt: skip
    return Call(kernel, _HEADER, plan.params(), args, plan.instances, plan.functions)


def _rows(op: Op, plan: Depthwise) -> Rows:
    """The rows form: by bands, never by columns."""
    call, reads = _call(op, plan, "ec_mve_depthwise_rows"), (plan.original.row_reach(op),)
    two = plan.band_instructions(2)
    row = (plan.band_instructions(4) - two) // 2
    # Most cores compute two rows at once, or one in the time of two.
    step = 2 if plan.singles or plan.several else 1
    return Rows(call, reads, plan.scratch_bytes, max(300 + two - 2 * row, 0), row, step)


def _overlaps(op: Op, plan: Depthwise) -> tuple[Overlap, ...]:
    """The whole image: a channel is taken before its outputs are written, over it and no other.

    A band is written while its input rows are still read: it counts as one pixel, pending.
    """
    g, band = plan.original, plan.band
    if op.inputs.count(op.inputs[0]) > 1:
        return ()
    if plan.turned or band == g.out_size[0]:
        bytes_out = g.batches * g.out_size[0] * g.out_size[1] * g.out_c
        pair = op.inputs[0], op.outputs[0]
        return (Overlap(*pair, bytes_out, same=True),) if _same(g) else ()
    bands = np.arange(-(-g.out_size[0] // band), dtype=np.int64)
    first = bands * band * g.stride[0] - g.pad[0]
    last = first + (band - 1) * g.stride[0] + plan.spans[0] - 1
    top = g.in_size[0] - 1
    reach = Reach(g.in_size[0], len(bands), bands, np.clip(first, 0, top), np.clip(last, 0, top))
    sizes = (g.in_size[1] * g.in_c, band * g.out_size[1] * g.out_c)
    return overlaps(op, 0, (reach,), g.batches, sizes, (sizes[1], sizes[1]))

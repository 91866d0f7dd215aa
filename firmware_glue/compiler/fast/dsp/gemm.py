"""CONV_2D and FULLY_CONNECTED on the DSP extension: offers of ``edgecnn_dsp_gemm.h``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.dense import dense_layer
from firmware_glue.compiler.fast.dsp.packing import FORMS, Packed, pack
from firmware_glue.compiler.fast.requant import Form, Requant, requantization
from firmware_glue.compiler.fast.sums import Layer, int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import conv_2d
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Instance,
    Lowered,
    Params,
    Rows,
    ScratchArg,
    TensorArg,
)
from firmware_glue.compiler.ops.window import Geometry

HEADER = "edgecnn_dsp_gemm.h"
SHORT_PAIRS = 8
"""Patches of up to so many pairs get straight code of their own."""
_SHORT_RUN, _SHORT_PATCH, _MOST_SKIP = 16, 48, 4095
"""Bytes of runs and patches that get a gather of their own, and the reach of its ADDW."""


@dataclass(frozen=True)
class Gemm:
    """A layer as the kernels see it.

    Attributes:
        g: the window; for fully connected layers, one row of pixels.
        runs: runs of bytes that a patch is gathered from; see ``ec_dsp_gemm_params``.
        pointwise: pixels follow each other in input and output.
    """

    g: Geometry
    layer: Layer
    requant: Requant
    packed: Packed
    runs: int
    pointwise: bool

    @property
    def run_bytes(self) -> int:
        """Of one run."""
        return self.layer.filters.shape[1] // self.runs

    @property
    def run_skip(self) -> int:
        """Bytes between the end of a run and the next."""
        return self.g.dilation[0] * self.g.in_size[1] * self.g.in_c - self.run_bytes

    @property
    def pixels(self) -> int:
        """Of the output, all images."""
        return self.g.batches * self.g.out_size[0] * self.g.out_size[1]

    @property
    def singles(self) -> int:
        """Pixels that go alone when the whole tensor is computed."""
        return self.pixels % 2 if self.pointwise else self._per_image % 2 * self.g.batches

    @property
    def inner(self) -> int:
        """Pixels that are taken by twos with their windows inside."""
        if self.pointwise:
            return self.pixels - self.singles
        g, spans = self.g, []
        for axis in (0, 1):
            first = -(-g.pad[axis] // g.stride[axis])
            span = (g.kernel[axis] - 1) * g.dilation[axis] + 1
            last = (g.in_size[axis] + g.pad[axis] - span) // g.stride[axis]
            spans.append(max(0, min(last + 1, g.out_size[axis]) - first))
        by_rows = self.runs == g.kernel[0]
        return g.batches * spans[0] * (spans[1] // 2 * 2) if by_rows else 0

    @property
    def _per_image(self) -> int:
        return self.g.out_size[0] * self.g.out_size[1]


def conv_2d_offer(graph: Graph, op: Op) -> Candidate | None:
    """CONV_2D without groups."""
    gemm = conv_2d_gemm(graph, op)
    return None if gemm is None else _candidate(op, gemm)


def conv_2d_gemm(graph: Graph, op: Op) -> Gemm | None:
    """The layer of a CONV_2D without groups, or None where the kernels do not do it, exactly."""
    filters = graph.constant(op, 1)
    g = conv_2d.geometry(graph, op)
    if filters is None or filters.dtype != np.int8 or filters.shape[3] != g.in_c:
        return None
    layer = int8_layer(graph, op, filters.reshape(len(filters), -1), graph.numerics)
    pointwise = g.kernel == (1, 1) and g.stride == (1, 1) and g.clipped == (0, 0)
    by_taps = g.dilation[1] > 1 and g.kernel[1] > 1
    runs = g.kernel[0] * (g.kernel[1] if by_taps else 1)
    return _gemm(g, layer, 1 if pointwise else runs, pointwise=pointwise)


def fully_connected_offer(graph: Graph, op: Op) -> Candidate | None:
    """FULLY_CONNECTED: its rows are the pixels of one image."""
    layer = dense_layer(graph, op)
    if layer is None:
        return None
    units, depth = layer.filters.shape
    rows = graph.input(op, 0).elements // depth
    ones = (1, 1)
    g = Geometry(1, (1, rows), depth, (1, rows), units, ones, ones, ones, (0, 0))
    gemm = _gemm(g, layer, 1, pointwise=True)
    return None if gemm is None else _candidate(op, gemm)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"CONV_2D": (conv_2d_offer,), "FULLY_CONNECTED": (fully_connected_offer,)}
)


def _gemm(g: Geometry, layer: Layer | None, runs: int, *, pointwise: bool) -> Gemm | None:
    requant = None if layer is None else requantization(layer)
    if layer is None or requant is None:
        return None
    return Gemm(g, layer, requant, pack(layer, requant, runs), runs, pointwise)


def _candidate(op: Op, gemm: Gemm) -> Candidate:
    layer = gemm.layer
    call = _call(op, gemm, even=not gemm.singles, several=gemm.pixels > 1)
    kernel = call.kernel.removeprefix("ec_")
    overlaps = gemm.g.overlaps(op, 1, (0, 0))
    # Packed words stand for filters, bias, multipliers and shifts.
    replaced = layer.filters.size + 9 * len(layer.filters)
    return Candidate(
        Lowered(kernel, (call,), scratch_of(gemm, gemm.pixels > 1), overlaps, _rows(op, gemm)),
        instructions_of(gemm),
        gemm.packed.words.nbytes - replaced,
    )


def _rows(op: Op, gemm: Gemm) -> Rows | None:
    if gemm.g.batches != 1 or op.code != "CONV_2D":
        return None
    call = _call(op, gemm, even=False, several=True)
    return Rows(
        replace(call, kernel=f"{call.kernel}_rows"), (gemm.g.row_reach(op),),
        scratch_of(gemm, True), row_instructions=instructions_of(gemm) // gemm.g.out_size[0],
    )  # fmt: skip


def _call(op: Op, gemm: Gemm, *, even: bool, several: bool) -> Call:
    """The call; ``even``: no pixel goes alone; ``several``: not all of them do."""
    gather, two, one = gather_of(gemm), _two(gemm), _one(gemm)
    instances = [made for made in (gather, two) if several and made is not None]
    instances += [] if even else [one]
    names = (gather.name if gather else "ec_dsp_gather_any", two.name) if several else ("NULL",) * 2
    name = "ec_dsp_pointwise" if gemm.pointwise else "ec_dsp_conv2d"
    args = (
        TensorArg(op.inputs[0]),
        ConstArg("weights", gemm.packed.words, from_file=True),
        ScratchArg("uint32_t"),
        TensorArg(op.outputs[0]),
    )
    functions = (*names, "NULL" if even else one.name)
    return Call(name, HEADER, params_of(gemm), args, tuple(instances), functions)


def params_of(gemm: Gemm) -> Params:
    """The struct ``ec_dsp_gemm_params``."""
    layer, packed = gemm.layer, gemm.packed
    quads, rest = divmod(gemm.g.out_c, 4)
    return Params(
        "ec_dsp_gemm_params",
        (
            ("window", Params("ec_window", gemm.g.fields())),
            ("runs", gemm.runs), ("run_bytes", gemm.run_bytes), ("run_skip", gemm.run_skip),
            ("pairs", packed.pairs), ("in_zero", layer.in_zero),
            ("quads", quads), ("rest", rest), ("quad_words", packed.four_words),
            ("clamp", int(gemm.requant.clamp is not None)),
            ("act_min", layer.act_min), ("act_max", layer.act_max),
        ),
    )  # fmt: skip


def scratch_of(gemm: Gemm, several: bool) -> int:
    """A word per pair and pixel; two runs for what windows that leave the input read."""
    lines = 2 * (-(-gemm.run_bytes // 4) * 4) if any(gemm.g.clipped) else 0
    # The lines lie behind the patches of two pixels.
    return (8 if several or lines else 4) * gemm.packed.pairs + lines


def literals_of(gemm: Gemm) -> tuple[int, int, int]:
    """RAW, FORM, SHIFT."""
    return int(gemm.packed.raw), FORMS[gemm.requant.form], max(gemm.requant.shift, 1)


def name_of(kind: str, *values: int) -> str:
    """Of a function made for some literals."""
    return "_".join((f"ec_dsp_{kind}", *map(str, values)))


def _two(gemm: Gemm) -> Instance:
    values, pairs = literals_of(gemm), gemm.packed.pairs
    if pairs <= SHORT_PAIRS:
        return Instance("EC_DSP_TWO_SHORT", name_of("two", *values, pairs), (*values, pairs))
    return Instance("EC_DSP_TWO", name_of("two", *values), values)


def _one(gemm: Gemm) -> Instance:
    return Instance("EC_DSP_ONE", name_of("one", *literals_of(gemm)), literals_of(gemm))


def gather_of(gemm: Gemm) -> Instance | None:
    """A gather of its own for patches of few bytes, all rows of which have the same distance."""
    size, skip = gemm.run_bytes, gemm.run_skip if gemm.runs > 1 else 0
    if size > _SHORT_RUN or gemm.runs * size > _SHORT_PATCH or not 0 <= skip <= _MOST_SKIP:
        return None
    values = gemm.runs, size, skip
    return Instance("EC_DSP_GATHER", name_of("gather", *values), values)


def single_instructions(gemm: Gemm) -> int:
    """Of a pixel that goes alone, but for its patch: an estimate."""
    fours, each, per_four, rest = _parts(gemm)
    return fours * (gemm.packed.pairs * (each - 1) + per_four // 2) + rest + 70


def _parts(gemm: Gemm) -> tuple[int, int, int, int]:
    """Fours of channels; of a pair of two pixels, of their outputs, and of channels left over."""
    fours, left = -(-gemm.g.out_c // 4), gemm.g.out_c % 4
    per_four = {Form.AFFINE: 40, Form.TWICE: 62, Form.ONCE: 54}[gemm.requant.form]
    rest = (37 + 10 * left) * (left > 0) + 2 * gemm.g.out_c * (gemm.requant.clamp is not None)
    return fours, 12 if gemm.packed.raw else 15, per_four, rest


def instructions_of(gemm: Gemm) -> int:
    """An estimate for the whole tensor."""
    inner, single, pairs = gemm.inner, gemm.singles, gemm.packed.pairs
    fours, per_pair, per_four, rest = _parts(gemm)
    two = fours * (pairs * per_pair + per_four) + rest + 40
    one = single_instructions(gemm)
    gathered = gemm.runs * (8 + gemm.run_bytes * 5 // 2) + 25
    by_taps = gemm.runs > gemm.g.kernel[0]
    apart = (20 if by_taps else 60) + 10 * (gemm.run_bytes % 4 > 0)
    edge = 160 + gemm.runs * (apart + (3 if by_taps else 4) * gemm.run_bytes)
    edges = gemm.pixels - inner - (single if gemm.pointwise else 0)
    rows = 0 if gemm.pointwise else 60 * gemm.g.batches * gemm.g.out_size[0] + 100
    return (
        70 + rows + inner // 2 * gathered + edges * edge
        + (gemm.pixels - single) // 2 * two + single * one
    )  # fmt: skip

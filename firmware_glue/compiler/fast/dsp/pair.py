"""A convolution that writes the planes of the depthwise convolution behind it (edgecnn_dsp_pair.h).

Both are the kernels that they are alone; only the layout between them is another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.dsp import depthwise_planes, gemm
from firmware_glue.compiler.fast.dsp.depthwise_layer import Depthwise
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import depthwise_conv_2d
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Instance,
    Lowered,
    Overlap,
    Params,
    ScratchArg,
    TensorArg,
)
from firmware_glue.compiler.ops.window import overlaps_by_rows

_HEADER = "edgecnn_dsp_pair.h"
_SET_UP, _ROW, _TWO, _LONE, _PAD, _BLOCK = 750, 75, 4, 90, 10, 9
"""Instructions beside those of the kernels: of a call, a row of the convolution, two of its pixels,
two that end their rows;
of four channels of a pixel pair in a row of padding; of a block of padding, or one that is kept."""


@dataclass(frozen=True)
class _Pair:
    """Both layers, and how the second one is cut into bands.

    Attributes:
        op: the pair.
    """

    op: Op
    first: gemm.Gemm
    second: depthwise_planes.Plan

    @property
    def groups(self) -> int:
        """Of four channels between the two."""
        return -(-self.first.g.out_c // 4)

    @property
    def group_bytes(self) -> int:
        """Of the planes of four channels."""
        return self.second.column_pairs * self.second.pitch

    @cached_property
    def planes_at(self) -> int:
        """Bytes of scratch before the planes: the convolution's own."""
        return -(-gemm.scratch_of(self.first, True) // 4) * 4

    @property
    def scratch_bytes(self) -> int:
        """Of both."""
        return self.planes_at + self.groups * self.group_bytes

    def instructions(self) -> int:
        """An estimate for the whole tensor."""
        g, bands = self.second.geometry, self.second.bands
        height, width = g.in_size
        stored = height * -(-width // 2) * (_TWO + 3 * self.groups)
        # The last pixels of two rows go together, or one of them twice.
        alone = width % 2 * (len(bands) + height % 2)
        odd = width % 2 * height // 2 * _LONE + alone * gemm.single_instructions(self.first)
        columns = (g.pad[1] + 1) // 2 + self.second.column_pairs - (g.pad[1] + width) // 2
        blocks = columns * self.second.row_pairs(self.second.band)
        blocks += (len(bands) - 1) * self.second.column_pairs
        padding = self.groups * (_BLOCK * blocks + 2 * _PAD * self.second.column_pairs)
        return (
            _SET_UP + gemm.instructions_of(self.first) + height * _ROW + stored + odd + padding
            + sum(self.second.compute_instructions(end - start) for start, end in bands)
        )  # fmt: skip

    def overlaps(self) -> tuple[Overlap, ...]:
        """A band is written when the input's rows before those that the next one needs are done."""
        first, second, bands = self.first.g, self.second.geometry, self.second.bands
        needs = np.full(second.out_size[0], first.in_size[0], np.int64)
        for (start, end), (after, _) in zip(bands, bands[1:], strict=False):
            # The next band finds in the planes what it shares with this one.
            row = after * second.stride[0] - second.pad[0] + 3 - second.stride[0]
            top = row * first.stride[0] - first.pad[0]
            needs[start:end] = min(max(top, 0), first.in_size[0])
        sizes = first.in_size[1] * first.in_c, second.out_size[1] * second.out_c
        return overlaps_by_rows(self.op, first.in_size[0], sizes, needs)


def offer(graph: Graph, op: Op) -> tuple[Candidate, ...]:
    """Ways to run a pair, by the height of their bands; the fewest instructions first."""
    conv, depthwise = op.options
    g = depthwise_conv_2d.geometry(graph, depthwise)
    # Of windows of one row or column, planes hold more than is read.
    if g.batches != 1 or min(g.kernel) < 2 or not depthwise_planes.fits(g):
        return ()
    first = gemm.conv_2d_gemm(graph, conv)
    if first is None or first.requant.clamp is not None:
        return ()
    layer = Depthwise.of(graph, depthwise)
    if layer is None:
        return ()
    records = depthwise_planes.records_of(layer)
    plans = [_Pair(op, first, plan) for plan in depthwise_planes.plans_of(layer)]
    found = [_candidate(plan, ConstArg("records", records, from_file=True)) for plan in plans]
    return tuple(sorted(found, key=lambda way: way.instructions))


def _candidate(plan: _Pair, records: ConstArg) -> Candidate:
    functions, instances = depthwise_planes.loops_of(plan.second)
    gather, two = gemm.gather_of(plan.first), _two(plan.first)
    made = (*(one for one in (gather,) if one is not None), two)
    names = (gather.name if gather else "ec_dsp_gather_any", two.name)
    weights = ConstArg("weights", plan.first.packed.words, from_file=True)
    args = (
        TensorArg(plan.op.inputs[0]), weights, ScratchArg("uint32_t"), records,
        ScratchArg("uint32_t", plan.planes_at), TensorArg(plan.op.outputs[0]),
    )  # fmt: skip
    call = Call(
        "ec_dsp_conv2d_depthwise3", _HEADER, _params(plan), args, (*made, *instances),
        (*names, *functions),
    )  # fmt: skip
    lowered = Lowered("dsp_conv2d_depthwise3", (call,), plan.scratch_bytes, plan.overlaps())
    return Candidate(lowered, plan.instructions())


def _params(plan: _Pair) -> Params:
    return Params(
        "ec_dsp_pair_params",
        (
            ("first", gemm.params_of(plan.first)),
            ("second", depthwise_planes.params_of(plan.second, reverse=0)),
            ("group", plan.group_bytes // 4), ("groups", plan.groups),
        ),
    )  # fmt: skip


def _two(layer: gemm.Gemm) -> Instance:
    values, pairs = gemm.literals_of(layer), layer.packed.pairs
    if pairs <= gemm.SHORT_PAIRS:
        name = gemm.name_of("two_planes", *values, pairs)
        return Instance("EC_DSP_TWO_PLANES_SHORT", name, (*values, pairs))
    return Instance("EC_DSP_TWO_PLANES", gemm.name_of("two_planes", *values), values)

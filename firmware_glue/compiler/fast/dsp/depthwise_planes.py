"""Depthwise convolutions of up to 3×3 over planes of 16-bit values (edgecnn_dsp_depthwise.h).

The sums are those of the op modulo 2³²: raw inputs times filters, the zero point in the bias, and
padding as inputs of the zero point. The requantization is proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.dsp.depthwise_layer import Depthwise
from firmware_glue.compiler.fast.requant import Form
from firmware_glue.compiler.ir import Op
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Instance,
    Lowered,
    Overlap,
    Params,
    Planned,
    Rows,
    ScratchArg,
    Value,
    out_args,
    tensor_args,
)
from firmware_glue.compiler.ops.window import Geometry, Reach, overlaps

_SIDE = 3
_BLOCK = 32
"""Bytes of a block: two pixels of two rows of four channels."""
_MOST_ROW_PAIRS = 16
"""EC_DSP_DEPTHWISE_ROW_PAIRS."""
_MOVW = (1 << 16) - 1
_STRB = 4095
_SET_UP = 400
_WORTH_CODE = 40_000
"""Instructions of a layer from which on a loop of its own (a few hundred bytes) is worth it."""
_EXTRA = {Form.AFFINE: 0, Form.TWICE: 10, Form.ONCE: 9}
"""Instructions per output beyond the affine form."""


def fits(g: Geometry) -> bool:
    """Whether windows are 3×3 or smaller, undilated, of stride 1 or 2, and literals have room."""
    dense = all(k == 1 or d == 1 for k, d in zip(g.kernel, g.dilation, strict=True))
    small = max(g.kernel) <= _SIDE and g.stride in ((1, 1), (2, 2))
    if not (dense and small and g.in_c >= 4 and g.out_c <= _STRB):
        return False
    pitch = _BLOCK * _MOST_ROW_PAIRS
    return max(g.out_size[1] * g.out_c, (g.out_size[1] // 2) * g.stride[1] * pitch) <= _MOVW


@dataclass(frozen=True)
class Plan:
    """How a layer is cut into bands.

    Attributes:
        band: output rows per filling of the planes, even.
    """

    layer: Depthwise
    band: int

    @property
    def geometry(self) -> Geometry:
        """The op's window."""
        return self.layer.geometry

    def row_pairs(self, rows: int) -> int:
        """Row pairs of the planes for some output rows."""
        return ((rows - 1) * self.geometry.stride[0] + _SIDE + 1) // 2

    @property
    def column_pairs(self) -> int:
        """Pixel pairs of a row of the planes."""
        width = self.geometry.out_size[1]
        return width // 2 + width % 2 + 1 if self.geometry.stride[1] == 1 else width + 1

    @property
    def pitch(self) -> int:
        """Bytes between neighbouring pixel pairs."""
        return _BLOCK * self.row_pairs(self.band)

    @property
    def scratch_bytes(self) -> int:
        """The planes and a pixel of padding."""
        return self.column_pairs * self.pitch + self.geometry.in_c

    @property
    def bands(self) -> tuple[tuple[int, int], ...]:
        """(first, end) output rows."""
        height = self.geometry.out_size[0]
        return tuple((y, min(y + self.band, height)) for y in range(0, height, self.band))

    def instructions(self, rows: int) -> int:
        """Of one band, an estimate."""
        g, groups = self.geometry, -(-self.geometry.in_c // 4)
        fill = self.row_pairs(rows) * (14 + 28 * min(self.column_pairs, g.in_size[1] // 2 + 1))
        return groups * (50 + fill) + 60 * self.row_pairs(rows) + self.compute_instructions(rows)

    def compute_instructions(self, rows: int) -> int:
        """Of one band whose planes are filled, an estimate."""
        g = self.geometry
        width = g.out_size[1]
        extra = _EXTRA[self.layer.requant.form]
        four = (44 if g.stride[0] == 1 else 49) + 4 * extra
        two = (25 if g.stride[0] == 1 else 27) + 2 * extra
        pairs = rows // 2 * (16 + width // 2 * four + width % 2 * two)
        single = rows % 2 * (40 + width * (22 + extra))
        clamp = 2 * g.out_c * rows * width if self.layer.requant.clamp else 0
        return g.out_c * (85 + pairs + single) + clamp

    @cached_property
    def total_instructions(self) -> int:
        """Of the op, an estimate."""
        once = sum(self.instructions(end - first) for first, end in self.bands)
        return _SET_UP + self.geometry.batches * once


def _plan(op: Op, layer: Depthwise) -> Plan:
    """The band with the least instructions · √bytes: higher ones fill less, but hold more."""
    return min(plans_of(layer), key=lambda plan: plan.total_instructions**2 * _held(op, plan))


def plans_of(layer: Depthwise) -> list[Plan]:
    """All bands that there can be."""
    rows = layer.geometry.out_size[0]
    plans = [Plan(layer, band) for band in range(2, rows + 2, 2)]
    return [plan for plan in plans if plan.row_pairs(plan.band) <= _MOST_ROW_PAIRS]


def _held(op: Op, plan: Plan) -> int:
    """Bytes of input, output and scratch, the output over the input as far as it may be."""
    g = plan.geometry
    data = g.batches * g.in_size[0] * g.in_size[1] * g.in_c
    out = g.batches * g.out_size[0] * g.out_size[1] * g.out_c
    leads = [0 if allowed.same else allowed.lead for allowed in _overlaps(op, plan)]
    return max(data, min([data, *leads]) + out) + plan.scratch_bytes


def candidate(op: Op, layer: Depthwise) -> Candidate:
    """The kernel calls of a layer that :func:`fits`."""
    plan = _plan(op, layer)
    g, records = layer.geometry, records_of(layer)
    functions, instances = loops_of(plan)
    call = Call(
        "ec_dsp_depthwise3", "edgecnn_dsp_depthwise.h", params_of(plan),
        (
            *tensor_args(op, 1), ConstArg("records", records, from_file=True),
            ScratchArg("uint32_t"), *out_args(op),
        ),
        instances, functions,
    )  # fmt: skip
    rows = None
    if g.batches == 1:
        one, more = plan.instructions(2), plan.instructions(4)
        row_functions, row_instances = loops_of(plan, odd=True)
        rows = Rows(
            replace(
                call, kernel="ec_dsp_depthwise3_rows", functions=row_functions,
                instances=row_instances,
            ),
            (g.row_reach(op),), plan.scratch_bytes, _SET_UP + 2 * one - more, (more - one) // 2,
            step=2,
        )  # fmt: skip
    lowered = Lowered("dsp_depthwise3", (call,), plan.scratch_bytes, _overlaps(op, plan), rows)
    old_bytes = g.out_c * (g.kernel[0] * g.kernel[1] + 9)
    return Candidate(lowered, plan.total_instructions, records.nbytes - old_bytes)


def loops_of(plan: Plan, *, odd: bool = False) -> tuple[tuple[str, ...], tuple[Instance, ...]]:
    """The inner loops over two rows and one row, by name, and what defines them.

    Args:
        plan: a layer.
        odd: define the second one even if no band has an odd number of rows.
    """
    odd = odd or any((end - first) % 2 for first, end in plan.bands)
    sizes = (2, 1) if odd else (2,)
    loops = [_loop(plan, rows) for rows in sizes]
    names = [loop.name for loop in loops] + ["NULL"] * (2 - len(loops))
    return tuple(names), (*(_shared(plan, rows) for rows in sizes), *loops)


def _loop(plan: Plan, rows: int) -> Instance:
    """The inner loop over some rows at a time: made for the layer if that saves enough."""
    g = plan.geometry
    values = (rows, g.stride[0], plan.layer.shift, g.out_size[1], g.out_c, plan.pitch)
    share = sum(
        (end - first) // 2 * 2 if rows == 2 else (end - first) % 2 for first, end in plan.bands
    )
    own = share * plan.total_instructions > _WORTH_CODE * g.out_size[0]
    macro = "EC_DSP_DEPTHWISE3" if own else "EC_DSP_DEPTHWISE3_SHARED"
    return Instance(macro, f"ec_dsp_depthwise3_{'_'.join(map(str, values))}", values)


def _shared(plan: Plan, rows: int) -> Instance:
    """The inner loop that layers share; all do with EDGECNN_SHARED_KERNELS."""
    values = (rows, plan.geometry.stride[0], plan.layer.shift)
    name = "_".join(map(str, values))
    return Instance("EC_DSP_DEPTHWISE3_CODE", f"ec_dsp_depthwise3_code_{name}", values)


def params_of(plan: Plan, reverse: Value = Planned.REVERSE) -> Params:
    """The struct ``ec_dsp_depthwise_params``."""
    layer = plan.layer
    return Params(
        "ec_dsp_depthwise_params",
        (
            ("window", Params("ec_window", plan.geometry.fields())),
            ("multiplier", layer.multiplier), ("band", plan.band),
            ("column_pairs", plan.column_pairs), ("pitch", plan.pitch), ("shift", layer.shift),
            ("in_zero", layer.layer.in_zero), *layer.limits, ("reverse", reverse),
        ),
    )  # fmt: skip


def records_of(layer: Depthwise) -> Array:
    """Per output channel: bias, multiplier, addend, the rows of the filter; maybe its shift."""
    g, requant = layer.geometry, layer.requant
    filters = np.zeros((g.out_c, _SIDE, _SIDE), np.int8)
    filters[:, : g.kernel[0], : g.kernel[1]] = layer.layer.filters.reshape(g.out_c, *g.kernel)
    words = np.ascontiguousarray(filters[:, :, [0, 1, 1, 2]]).view("<i4").reshape(g.out_c, _SIDE)
    head = np.stack([layer.bias, requant.multipliers, requant.addends], axis=1)
    tail = requant.shifts.reshape(-1, 1)[:, : int(layer.requant.form is not Form.AFFINE)]
    return np.concatenate([head, words, tail], axis=1).astype(np.int32).reshape(-1)


def _overlaps(op: Op, plan: Plan) -> tuple[Overlap, ...]:
    """A band reads its inputs until its last output is written.

    Where one band is all rows, channels are taken whole, one after the other: each may lie where
    its input lay, if inputs and outputs are of one shape.
    """
    g = plan.geometry
    in_h = g.in_size[0]
    same = len(plan.bands) == 1 and (g.in_size, g.in_c) == (g.out_size, g.out_c)
    first = np.empty(g.out_size[0], np.int64)
    last = np.empty(g.out_size[0], np.int64)
    for start, end in plan.bands:
        top = start * g.stride[0] - g.pad[0]
        first[start:end] = min(max(top, 0), in_h - 1)
        bottom = top + 2 * plan.row_pairs(end - start) - 1
        last[start:end] = min(max(bottom, 0), in_h - 1)
    rows = Reach(in_h, g.out_size[0], np.arange(g.out_size[0]), first, last)
    sizes = (g.in_size[1] * g.in_c, g.out_size[1] * g.out_c)
    found = overlaps(op, 0, (rows,), g.batches, sizes, (sizes[1], sizes[1]))
    return tuple(replace(one, same=same) for one in found)

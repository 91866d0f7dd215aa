"""DEPTHWISE_CONV_2D of any window, a row of outputs at a time (edgecnn_v6m_depthwise_any.h)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.sums import Ints
from firmware_glue.compiler.fast.v6m.depthwise_layer import (
    Depthwise,
    generic_instructions,
    is_line,
    swapped,
)
from firmware_glue.compiler.fast.v6m.top_byte import LOW_BITS
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    ConstArg,
    Instance,
    Lowered,
    Params,
    Rows,
    ScratchArg,
    out_args,
    tensor_args,
)
from firmware_glue.compiler.ops.window import Geometry

_HEADER = "edgecnn_v6m_depthwise_any.h"
_KERNEL = "v6m_depthwise_any"
_CALL, _CHANNEL, _ROW, _OUTPUT = 250, 150, 90, 32
_TRIPLE, _TAP, _COLUMN, _MOVED = 10, 11, 9, 2
"""Instructions: of three products, per tap of a channel's filters, per column of a new row and per
word of it."""


def candidate(work: Depthwise) -> Candidate | None:
    """Any window, where all channels are proven and generic loops slower."""
    g = work.geometry
    by_rows = Plan(g)
    plan = Plan(swapped(g)) if is_line(g) else by_rows
    if plan.instructions >= generic_instructions(g) or work.requant is None:
        return None
    rows = Rows(
        _call(work, by_rows, "_rows"), (g.row_reach(work.op),), by_rows.scratch_bytes,
        by_rows.call_instructions, by_rows.row_instructions,
    )  # fmt: skip
    lowered = Lowered(
        _KERNEL, (_call(work, plan, ""),), plan.scratch_bytes, work.covers,
        rows if g.batches == 1 else None,
    )  # fmt: skip
    return Candidate(lowered, plan.instructions, _packed(plan, work).nbytes - work.filters.size)


@dataclass(frozen=True)
class Plan:
    """Sizes and costs of an op."""

    geometry: Geometry

    @property
    def span(self) -> tuple[int, int]:
        """Height and width of a window, dilation included."""
        pairs = zip(self.geometry.kernel, self.geometry.dilation, strict=True)
        height, width = ((k - 1) * d + 1 for k, d in pairs)
        return height, width

    @property
    def taps(self) -> int:
        """Of a window, zeros included: a multiple of 3."""
        return -(-self.span[0] * self.span[1] // 3) * 3

    @property
    def _columns(self) -> int:
        return (self.geometry.out_size[1] - 1) * self.geometry.stride[1] + self.span[1]

    @property
    def filled(self) -> int:
        """Columns of the ring that input fills."""
        return min(self.geometry.in_size[1], self._columns - self.geometry.pad[1])

    @property
    def ring(self) -> int:
        """Words of the ring; the last window's zeros reach two beyond the columns."""
        return self._columns * self.span[0] + 2

    @property
    def scratch_bytes(self) -> int:
        """Ring, taps and factors."""
        return 4 * (self.ring + self.taps + 5)

    @property
    def row_instructions(self) -> int:
        """Of one output row of all channels."""
        g = self.geometry
        new = min(g.stride[0], self.span[0]) * self._row
        return g.out_c * (_ROW + g.out_size[1] * (_OUTPUT + _TRIPLE * self.taps // 3) + new)

    @property
    def _row(self) -> int:
        return 40 + self.filled * (_COLUMN + _MOVED * (self.span[0] - 1))

    @property
    def call_instructions(self) -> int:
        """Of a call, beside its rows."""
        first = max(self.span[0] - self.geometry.stride[0], 0) * self._row
        return _CALL + 6 * self.ring + self.geometry.out_c * (_CHANNEL + _TAP * self.taps + first)

    @property
    def instructions(self) -> int:
        """Of the whole op."""
        g = self.geometry
        return g.batches * (self.call_instructions + g.out_size[0] * self.row_instructions)


def _call(work: Depthwise, plan: Plan, suffix: str) -> Call:
    """The call of the kernel for the whole tensor or (suffix ``_rows``) for some rows."""
    packed = _packed(plan, work)
    fields = (
        ("window", Params("ec_window", plan.geometry.fields())), ("multiplier", work.multiplier),
        ("span", plan.span[0]), ("ring", plan.ring), ("filled", plan.filled),
        ("taps", plan.taps), ("words", packed.shape[1]), *work.ends,
    )  # fmt: skip
    args = (
        *tensor_args(work.op, 1), ConstArg("packed", packed, from_file=True),
        ScratchArg("int32_t"), *out_args(work.op),
    )  # fmt: skip
    height = plan.span[0]
    names = (f"ec_{_KERNEL}_row{'_kinked' * work.kinked}", f"ec_{_KERNEL}_fill{height}")
    instances = (
        Instance("EC_V6M_DEPTHWISE_ANY", names[0], (work.kinked,)),
        Instance("EC_V6M_DEPTHWISE_FILL", names[1], (height,)),
    )
    params = Params(f"ec_{_KERNEL}_params", fields)
    return Call(f"ec_{_KERNEL}{suffix}", _HEADER, params, args, instances, names)


def _packed(plan: Plan, work: Depthwise) -> Array:
    """The constants of all channels: uint32 (output channels, words); see the header."""
    numbers, g = work.numbers, plan.geometry
    filters = work.filters if g == work.geometry else work.filters.transpose(1, 0, 2)
    count = filters.shape[2]
    spread: Ints = np.zeros((*plan.span[::-1], count), np.int64)
    rows, columns = g.dilation
    spread[::columns, ::rows] = filters.transpose(1, 0, 2)
    taps = np.zeros((count, -(-plan.taps // 4) * 4), np.uint8)
    taps[:, : plan.span[0] * plan.span[1]] = spread.reshape(-1, count).T & 0xFF
    head = [numbers.high, numbers.low_factor | numbers.top << LOW_BITS, numbers.low, numbers.add]
    if work.kinked:
        head += [numbers.kink, numbers.drop]
    words = np.stack(head, axis=1) & 0xFFFFFFFF
    return np.concatenate([words.astype(np.uint32), taps.view("<u4")], axis=1)

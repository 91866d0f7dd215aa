"""DEPTHWISE_CONV_2D channel by channel, over a ring of input rows (edgecnn_v6m_depthwise.h)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.v6m import depthwise_any
from firmware_glue.compiler.fast.v6m.depthwise_layer import (
    Depthwise,
    generic_instructions,
    is_line,
    swapped,
)
from firmware_glue.compiler.fast.v6m.top_byte import LOW_BITS
from firmware_glue.compiler.ir import Graph, Op
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

_SIDE = 3
_HEADER = "edgecnn_v6m_depthwise.h"
_KERNEL = "v6m_depthwise3"
_CALL, _CHANNEL, _ROW, _PAIR, _COLUMN = 450, 170, 42, 77, (5.5, 6.5)
"""What this one costs: once, per channel, row of outputs, two outputs, column of the new rows."""


def offer(graph: Graph, op: Op) -> Candidate | None:
    """The op on a Cortex-M0+: by rings of three rows, or where they do not fit, any window."""
    work = Depthwise.of(graph, op)
    if work is None:
        return None
    return small(work) if fits(work.geometry) else depthwise_any.candidate(work)


def small(work: Depthwise, share: float = 1.0) -> Candidate | None:
    """Windows of up to 3×3, where all channels are proven and generic loops slower.

    Args:
        work: an op that fits.
        share: of the generic kernel's instructions on a Cortex-M0+ that these kernels' may be.
    """
    by_rows = Plan(work.geometry)
    plan = min((by_rows, *by_rows.others()), key=lambda found: found.instructions)
    most = share * generic_instructions(work.geometry)
    if plan.instructions >= most or work.requant is None:
        return None
    rows = Rows(
        _call(work, by_rows, "_rows"), (work.geometry.row_reach(work.op),), by_rows.scratch_bytes,
        by_rows.call_instructions, by_rows.row_instructions,
    )  # fmt: skip
    lowered = Lowered(
        _KERNEL, (_call(work, plan, ""),), plan.scratch_bytes, work.covers,
        rows if work.geometry.batches == 1 else None,
    )  # fmt: skip
    flash = _packed(plan, work).nbytes - work.filters.size
    return Candidate(lowered, plan.instructions, flash)


def fits(g: Geometry) -> bool:
    """Whether windows are 3×3 or smaller, undilated, of stride 1 or 2."""
    dense = all(k == 1 or d == 1 for k, d in zip(g.kernel, g.dilation, strict=True))
    return dense and max(g.kernel) <= _SIDE and g.stride in ((1, 1), (2, 2))


@dataclass(frozen=True)
class Plan:
    """Sizes and costs of an op.

    Attributes:
        window: the op's; height and width change places where columns are gone along as rows.
    """

    window: Geometry
    transposed: bool = False

    def others(self) -> tuple[Plan, ...]:
        """The op along its columns, where the output may still take the input's place."""
        g = self.window
        if is_line(g):
            return (Plan(swapped(g)),)
        if g.in_size != g.out_size or g.in_c != g.out_c:
            return ()
        return (Plan(swapped(g), transposed=True),)

    def steps(self, size: tuple[int, int], channels: int) -> tuple[int, int]:
        """Bytes from a pixel of a tensor to the next, and from a row to the next."""
        if self.transposed:
            return size[0] * channels, channels
        return channels, size[1] * channels

    @property
    def columns(self) -> int:
        """Of the ring: all windows of a row, and of one output more where their number is odd."""
        width = self.window.out_size[1]
        return (width + width % 2 - 1) * self.window.stride[1] + _SIDE

    @property
    def filled(self) -> int:
        """Columns of the ring that input fills."""
        g = self.window
        wanted = (g.out_size[1] - 1) * g.stride[1] + _SIDE - g.pad[1]
        return min(g.in_size[1], wanted)

    @property
    def scratch_bytes(self) -> int:
        """Ring and steps of a call."""
        stride = self.window.stride[0]
        steps = self.window.out_size[0] + _SIDE - stride
        return 4 * (_SIDE * self.columns + (stride + 1) * steps)

    @property
    def row_instructions(self) -> int:
        """Of one output row of all channels."""
        g = self.window
        pairs = (g.out_size[1] + 1) // 2
        return g.out_c * int(_ROW + _PAIR * pairs + _COLUMN[g.stride[0] - 1] * self.filled)

    @property
    def call_instructions(self) -> int:
        """Of a call, beside its rows."""
        g = self.window
        fill = (_SIDE - g.stride[0]) * (20 + _COLUMN[g.stride[0] - 1] * self.filled)
        return _CALL + g.out_c * int(_CHANNEL + fill)

    @property
    def instructions(self) -> int:
        """Of the whole op."""
        g = self.window
        return g.batches * (self.call_instructions + g.out_size[0] * self.row_instructions)


def _call(work: Depthwise, plan: Plan, suffix: str) -> Call:
    """The call of the kernel for the whole tensor or (suffix ``_rows``) for some rows."""
    g = plan.window
    in_step, in_line = plan.steps(g.in_size, g.in_c)
    out_step, out_line = plan.steps(g.out_size, g.out_c)
    params = Params(
        f"ec_{_KERNEL}_params",
        (
            ("window", Params("ec_window", g.fields())), ("multiplier", work.multiplier),
            ("in_step", in_step), ("in_line", in_line), ("out_step", out_step),
            ("out_line", out_line), ("columns", plan.columns), ("filled", plan.filled),
            ("in_place", 0 if plan.transposed else g.in_c), *work.ends,
        ),
    )  # fmt: skip
    odd, stride = g.out_size[1] % 2, g.stride[0]
    name = f"ec_{_KERNEL}_s{stride}{'_odd' * odd}{'_kinked' * work.kinked}"
    instance = Instance("EC_V6M_DEPTHWISE3", name, (stride, odd, work.kinked))
    args = (
        *tensor_args(work.op, 1), ConstArg("packed", _packed(plan, work), from_file=True),
        ScratchArg("int32_t"), *out_args(work.op),
    )  # fmt: skip
    return Call(f"ec_{_KERNEL}{suffix}", _HEADER, params, args, (instance,), (name,))


def _packed(plan: Plan, work: Depthwise) -> Array:
    """The constants of all channels: uint32 (output channels, 6 or 8); see the header."""
    along_rows = plan.window == work.geometry and not plan.transposed
    filters = work.filters if along_rows else work.filters.transpose(1, 0, 2)
    height, width, count = filters.shape
    whole = np.zeros((_SIDE, _SIDE, count), np.int64)
    whole[:height, :width] = filters
    taps = whole.transpose(2, 1, 0).reshape(count, _SIDE * _SIDE) & 0xFF
    numbers = work.numbers
    words = np.zeros((count, 8), np.int64)
    for k in range(8):
        words[:, k // 4] |= taps[:, k] << 8 * (k % 4)
    words[:, 2] = numbers.high | taps[:, 8] << 24
    words[:, 3] = numbers.low_factor | numbers.top << LOW_BITS
    words[:, 4:] = np.stack([numbers.low, numbers.add, numbers.kink, numbers.drop], axis=1)
    return (words[:, : 8 if work.kinked else 6] & 0xFFFFFFFF).astype(np.uint32)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType({"DEPTHWISE_CONV_2D": (offer,)})
"""Depthwise kernels of V6M."""

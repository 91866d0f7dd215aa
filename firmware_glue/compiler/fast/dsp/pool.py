"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN of int8 for the DSP extension, ``edgecnn_dsp_pool.h``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fast.candidate import Candidate, Offer
from firmware_glue.compiler.fast.sums import Ints
from firmware_glue.compiler.fixed_point import activation_range, limits
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import pool_2d, reduce
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Lowered,
    Params,
    Planned,
    Rows,
    TensorArg,
    out_args,
)
from firmware_glue.compiler.ops.window import Geometry

_LANES = 4
_TOO_FEW = (1, 2, 3, 5)
"""Channels of averages that the generic kernel is as good for: no four, or almost four twice."""
_MOST_VALUES = 256
"""Their sums fit 16 bits."""
_FEW = 3
"""Sums of fewer values are taken four times; where all windows have fewer, nothing is gained."""
_HALF, _MOST_SHIFT = 1 << 15, 20
_MAX, _AVERAGE, _MEAN, _PIXEL = (3, 4), (4, 16), (4, 36), 25
"""Instructions per tap of four channels and for the rest of these, and per pixel."""
_HEADER = "edgecnn_dsp_pool.h"


def maximum(graph: Graph, op: Op) -> Candidate | None:
    """A maximum pool, or None."""
    g = pool_2d.geometry(graph, op)
    if graph.input(op, 0).dtype is not DType.INT8 or g.in_c < _LANES or g.kernel == (1, 1):
        return None
    return _pool(graph, op, g, None)


def average(graph: Graph, op: Op) -> Candidate | None:
    """An average pool, or None."""
    g = pool_2d.geometry(graph, op)
    most = g.kernel[0] * g.kernel[1]
    if graph.input(op, 0).dtype is not DType.INT8 or g.in_c in _TOO_FEW:
        return None
    if not _FEW <= most <= _MOST_VALUES:
        return None
    if not all(_divides(int(count)) for count in np.unique(g.counts())):
        return None
    counts = range(1, most + 1) if any(g.clipped) else (most,)
    return _pool(graph, op, g, [factor(count) for count in counts])


def mean(graph: Graph, op: Op) -> Candidate | None:
    """A MEAN over neighbouring axes with at least four values behind them, or None."""
    shape, axes = graph.input(op, 0).shape, reduce.axes_of(graph, op)
    if graph.input(op, 0).dtype is not DType.INT8 or not axes or 0 in shape:
        return None
    first, last = axes[0], axes[-1]
    outer, count, inner = (
        math.prod(part) for part in (shape[:first], shape[first : last + 1], shape[last + 1 :])
    )
    if axes != tuple(range(first, last + 1)) or inner < _LANES or count > _MOST_VALUES:
        return None
    numbers = reduce.mean_numbers(graph, op)
    shift = -numbers["shift"]
    if not 1 <= shift <= _MOST_SHIFT:
        return None
    addend = (1 << shift - 1) + (numbers["out_offset"] << shift)
    fields = {
        "outer": outer, "count": count, "inner": inner, "sum_offset": numbers["sum_offset"],
        "multiplier": numbers["multiplier"], "addend": addend, "shift": shift,
    }  # fmt: skip
    sums = _sums(count)
    if not np.array_equal(_mean(sums, fields), reduce.means(graph, op, sums)):
        return None
    params = Params("ec_dsp_mean_params", tuple(fields.items()))
    call = Call("ec_dsp_mean", _HEADER, params, (TensorArg(op.inputs[0]), *out_args(op)))
    return _candidate(call, op, _row_of(outer, count, inner), _MEAN)


def _row_of(outer: int, count: int, inner: int) -> Geometry:
    """A MEAN as a window over the only row of ``outer`` images."""
    sizes = (1, count), inner, (1, 1), inner, (1, count)
    return Geometry(outer, *sizes, stride=(1, 1), dilation=(1, 1), pad=(0, 0))


def _mean(sums: Ints, fields: Mapping[str, int]) -> Ints:
    """What the kernel makes of sums: two roundings, and the clamp."""
    a = sums + fields["sum_offset"]
    high = (2 * a * fields["multiplier"] + (1 << 31)) >> 32
    return np.clip(high + fields["addend"] + (a >> 31) >> fields["shift"], *limits(DType.INT8))


def factor(count: int) -> int:
    """What the kernel multiplies sums of ``count`` values by: a little above 2³² / count."""
    return (1 << 32) // (count * _times(count)) + 1


def _times(count: int) -> int:
    return 4 if count < _FEW else 1


def _sums(count: int) -> Ints:
    return np.arange(-128 * count, 127 * count + 1, dtype=np.int64)


def _divides(count: int) -> bool:
    """Whether the kernel's average is that of the op for all sums of ``count`` values."""
    sums, half = _sums(count), count // 2
    wanted = np.where(sums > 0, (sums + half) // count, -((-sums + half) // count))
    got = ((factor(count) * _times(count) * sums >> 16) + _HALF) >> 16
    return bool(np.array_equal(got, wanted))


def _pool(graph: Graph, op: Op, g: Geometry, factors: Sequence[int] | None) -> Candidate:
    low, high = activation_range(op.options.activation, graph.output(op))
    params = Params(
        "ec_dsp_pool_params",
        (
            ("window", Params("ec_window", g.fields())), ("reverse", Planned.REVERSE),
            ("act_min", low), ("act_max", high),
        ),
    )  # fmt: skip
    table = None if factors is None else ConstArg("factors", np.array(factors, np.int32))
    args = (TensorArg(op.inputs[0]), table, *out_args(op))
    made = _candidate(
        Call("ec_dsp_pool", _HEADER, params, args), op, g, _MAX if factors is None else _AVERAGE
    )
    return replace(made, flash_bytes=4 * len(factors or ()), lowered=_by_rows(made, op, g))


def _by_rows(made: Candidate, op: Op, g: Geometry) -> Lowered:
    if g.batches != 1:
        return made.lowered
    call = replace(made.lowered.calls[0], kernel="ec_dsp_pool_rows")
    row = made.instructions // g.out_size[0]
    return replace(made.lowered, rows=Rows(call, (g.row_reach(op),), 0, 30, row))


def _candidate(call: Call, op: Op, g: Geometry, cost: tuple[int, int]) -> Candidate:
    """One call; cost: instructions per tap of four channels, and for the rest of these."""
    groups, pixels = -(-g.in_c // _LANES), g.out_size[0] * g.out_size[1]
    work = groups * (cost[0] * int(g.counts().sum()) + cost[1] * pixels) + _PIXEL * pixels
    # A channel's inputs are read before its output is written, and not used after.
    lowered = Lowered(call.kernel.removeprefix("ec_"), (call,), 0, g.overlaps(op, 1, (0, 0)))
    return Candidate(lowered, g.batches * work)


OFFERS: Mapping[str, tuple[Offer, ...]] = MappingProxyType(
    {"AVERAGE_POOL_2D": (average,), "MAX_POOL_2D": (maximum,), "MEAN": (mean,)}
)
"""The offers by op."""

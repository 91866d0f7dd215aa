"""AVERAGE_POOL_2D and MAX_POOL_2D of int8 for Helium, ``edgecnn_mve_pool.h``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fixed_point import activation_range
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import pool_2d
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Lowered,
    Params,
    Rows,
    TensorArg,
    out_args,
)
from firmware_glue.compiler.ops.window import Geometry

_MOST_VALUES = 256
"""Their sums fit 16 bits."""
_SMALL = 4
"""Values of a window that the C compiler vectorizes well by itself."""
_HALFWORD = (1 << 16) - 1


def average(graph: Graph, op: Op) -> Candidate | None:
    """An average pool, or None."""
    g = pool_2d.geometry(graph, op)
    most = g.kernel[0] * g.kernel[1]
    small = most <= _SMALL and g.in_c == 1
    if graph.input(op, 0).dtype is not DType.INT8 or most > _MOST_VALUES or small:
        return None
    counts = np.arange(1, most + 1) if any(g.clipped) else np.array([most])
    used = [int(count) for count in np.unique(g.counts()) if count]
    narrow = all(_proven(count, narrow=True) for count in used)
    if not narrow and not all(_proven(count, narrow=False) for count in used):
        return None
    values = [reciprocal(int(count), narrow=narrow) for count in counts]
    table = ConstArg("reciprocals", np.array(values, np.int32))
    return _candidate(graph, op, g, table, narrow=narrow)


def maximum(graph: Graph, op: Op) -> Candidate | None:
    """A maximum pool, or None."""
    g = pool_2d.geometry(graph, op)
    if graph.input(op, 0).dtype is not DType.INT8 or _by_pixels(g):
        return None
    return _candidate(graph, op, g, None)


def _by_pixels(g: Geometry) -> bool:
    """Whether the C compiler fills vectors of the generic kernel with neighbouring pixels."""
    return g.kernel[0] * g.kernel[1] <= _SMALL and not any(g.clipped) and g.in_c in (1, 2, 4, 8)


def reciprocal(count: int, *, narrow: bool) -> int:
    """⌈2³⁰ / count⌉ or ⌈2¹⁶ / count⌉: what the kernel divides by ``count`` with."""
    return -(-(1 << (16 if narrow else 30)) // count)


def _proven(count: int, *, narrow: bool) -> bool:
    """Whether the kernel's average is that of the op for all sums of ``count`` values."""
    sums: NDArray[np.int64] = np.arange(-128 * count, 127 * count + 1, dtype=np.int64)
    half, factor = count // 2, reciprocal(count, narrow=narrow)
    wanted = np.where(sums > 0, (sums + half) // count, -((-sums + half) // count))
    raised = sums - ((sums < 0) & (count % 2 == 0)) + 128 * count + half
    if narrow and max(factor, int(raised.max())) > _HALFWORD:
        return False
    found = raised * factor >> 16 if narrow else 4 * raised * factor >> 32
    return bool(np.array_equal(found - 128, wanted))


def _candidate(
    graph: Graph, op: Op, g: Geometry, table: ConstArg | None, *, narrow: bool = False
) -> Candidate:
    low, high = activation_range(op.options.activation, graph.output(op))
    params = Params(
        "ec_mve_pool_params",
        (
            ("window", Params("ec_window", g.fields())),
            ("act_min", low), ("act_max", high), ("narrow", int(narrow)),
        ),
    )  # fmt: skip
    args = (TensorArg(op.inputs[0]), table, *out_args(op))
    call = Call("ec_mve_pool", "edgecnn_mve_pool.h", params, args)
    # Lanes are read before they are written, and later ones need no channel of theirs.
    overlaps = g.overlaps(op, 1, (0, 0))
    lanes, finish = (16, 10) if table is None else (8, 30)
    pixel = -(-g.in_c // lanes) * (g.kernel[0] * (3 * g.kernel[1] + 5) + finish) + 20
    row = pixel * g.out_size[1]
    rows_call = replace(call, kernel="ec_mve_pool_rows")
    rows = Rows(rows_call, (g.row_reach(op),), 0, 30, row) if g.batches == 1 else None
    lowered = Lowered("mve_pool", (call,), 0, overlaps, rows)
    return Candidate(lowered, g.batches * g.out_size[0] * row)

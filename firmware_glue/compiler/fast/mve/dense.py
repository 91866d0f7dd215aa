"""FULLY_CONNECTED for Helium: four outputs at a time, ``edgecnn_mve_dense.h``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.candidate import Candidate
from firmware_glue.compiler.fast.dense import dense_layer
from firmware_glue.compiler.fast.mve.finish import FORM_NAMES, finish
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.spec import (
    Call,
    ConstArg,
    Instance,
    Lowered,
    Overlap,
    Params,
    TensorArg,
    out_args,
)
from firmware_glue.compiler.ops.window import overlaps, reach

_LANES = 16


def offer(graph: Graph, op: Op) -> Candidate | None:
    """A fully connected layer, or None."""
    layer = dense_layer(graph, op)
    made = finish(layer) if layer is not None else None
    if layer is None or made is None:
        return None
    units, depth = layer.filters.shape
    rows = graph.input(op, 0).elements // depth
    order = channel_order(units)
    table, biases = made.table(order), made.biases(order)
    name = f"ec_mve_dense_{FORM_NAMES[made.form]}{made.shift}{'c' * made.clamp}"
    core = Instance("EC_MVE_DENSE", name, (made.form, made.shift, made.clamp))
    params = Params(
        "ec_mve_dense_params",
        (
            ("rows", rows), ("in_depth", depth), ("out_depth", units),
            ("words", made.words), ("act_min", made.act_min), ("act_max", made.act_max),
        ),
    )  # fmt: skip
    args = (
        TensorArg(op.inputs[0]), TensorArg(op.inputs[1]),
        ConstArg("bias", biases, from_file=True), ConstArg("finish", table, from_file=True),
        *out_args(op),
    )  # fmt: skip
    call = Call("ec_mve_dense", "edgecnn_mve_dense.h", params, args, (core,), (name,))
    lowered = Lowered("mve_dense", (call,), overlaps=_overlaps(op, rows, depth, units))
    groups, calls = (units, units) if units < 4 else (-(-units // 4), 1 + (units % 4 > 0))
    cost = 53 + rows * (19 + 54 * calls + groups * (10 * -(-depth // _LANES) + 25))
    return Candidate(lowered, cost, table.nbytes)


def channel_order(units: int) -> NDArray[np.int64]:
    """The channels of all groups of four: see the C header.

    >>> channel_order(6).tolist(), channel_order(2).tolist()
    ([0, 1, 2, 3, 2, 3, 4, 5], [0, 0, 0, 0, 1, 1, 1, 1])
    """
    every = np.arange(units, dtype=np.int64)
    if units < 4:
        return np.repeat(every, 4)
    return np.append(every[: units // 4 * 4], every[-4:] if units % 4 else every[:0])


def _overlaps(op: Op, rows: int, depth: int, units: int) -> tuple[Overlap, ...]:
    """An input row is read again for every group of outputs."""
    pending = 0 if units in (1, 4) else units
    axis = (reach(rows, rows, 1, 1, 1, 0),)
    return overlaps(op, 0, axis, 1, (depth, units), (pending, pending))

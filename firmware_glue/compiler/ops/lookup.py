"""TABLE: our own op, a function of one byte by its 256 values. Passes make it from other ops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler.ir import TABLE, Graph, Op
from firmware_glue.compiler.ops.lut import count_params, in_place
from firmware_glue.compiler.ops.spec import (
    Array,
    ConstArg,
    Lowered,
    OpSpec,
    Variant,
    no_options,
    same_shape,
)


@dataclass(frozen=True)
class Table:
    """The outputs' bytes, indexed by the input's bit pattern."""

    entries: bytes


def _entries(graph: Graph, op: Op) -> Array:
    return np.frombuffer(op.options.entries, graph.output(op).dtype.value)


def _reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    return (_entries(graph, op)[values[0].view(np.uint8)],)


def _lower(graph: Graph, op: Op) -> Lowered:
    table = ConstArg("table", _entries(graph, op))
    return in_place("lut_8", "edgecnn_lut.h", count_params(graph, op), op, table)


_VARIANT = Variant("lut_8", _reference, _lower)
SPECS = {TABLE: OpSpec(no_options, same_shape, {"int8": _VARIANT, "uint8": _VARIANT})}

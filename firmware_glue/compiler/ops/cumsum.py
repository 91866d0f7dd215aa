"""CUMSUM: running sums along one dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.movement import one_dtype
from firmware_glue.compiler.ops.rules import constant, rank
from firmware_glue.compiler.ops.slicing import axis_of
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    known_ints,
    out_args,
    same_shape,
    tensor_args,
)

_SUFFIXES = {"int32": "s32", "int64": "s64", "float32": "f32"}


@dataclass(frozen=True)
class Options:
    """Whether a sum leaves out its own element, and whether it starts at the end."""

    exclusive: bool
    reverse: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads CumsumOptions."""
    return Options(bool(options["exclusive"]), bool(options["reverse"]))


def _axis(graph: Graph, op: Op) -> int:
    return axis_of(known_ints(graph, op, 1)[0], len(graph.input(op, 0).shape))


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """One addition after the other, in the input's dtype."""
    moved = np.moveaxis(values[0], _axis(graph, op), 0)
    ordered = moved[::-1] if op.options.reverse else moved
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.add.accumulate(ordered, axis=0, dtype=moved.dtype)
    if op.options.exclusive:
        sums = np.concatenate([np.zeros_like(sums[:1]), sums[:-1]])
    result = sums[::-1] if op.options.reverse else sums
    return (np.ascontiguousarray(np.moveaxis(result, 0, _axis(graph, op))),)


def _variant(dtype: str) -> Variant:
    kernel = f"cumsum_{_SUFFIXES[dtype]}"

    def lower(graph: Graph, op: Op) -> Lowered:
        shape, axis = graph.input(op, 0).shape, _axis(graph, op)
        params = Params(
            "ec_cumsum_params",
            (
                ("outer", math.prod(shape[:axis])), ("axis", shape[axis]),
                ("inner", math.prod(shape[axis + 1 :])),
                ("exclusive", int(op.options.exclusive)), ("reverse", int(op.options.reverse)),
            ),
        )  # fmt: skip
        args = (*tensor_args(op, 1), *out_args(op))
        call = Call(f"ec_{kernel}", "edgecnn_cumsum.h", params, args)
        # Only then are elements read and written from the first to the last.
        ordered = math.prod(shape[axis + 1 :]) == 1 and not op.options.reverse
        overlaps = (Overlap(op.inputs[0], op.outputs[0], 0),) if ordered else ()
        return Lowered(kernel, (call,), overlaps=overlaps)

    return Variant(kernel, reference, lower)


SPEC = OpSpec(
    parse,
    same_shape,
    {dtype: _variant(dtype) for dtype in _SUFFIXES},
    (one_dtype(0), rank(0, 1, MAX_DIMS), constant(1, "axis")),
)

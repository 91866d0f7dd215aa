"""Ops that only move elements: each is a list of strided copies, after an optional fill.

A row of the table maps (graph, op) to :class:`Move`: pairs of numpy views (from, to) of the
same shape. The views are the whole definition: the reference copies through them, and the C
call is their strides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import strides
from firmware_glue.compiler.ops.rules import rank
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Rule,
    TensorArg,
    Variant,
    no_options,
    out_args,
    rule,
)

Views = Callable[[Graph, Op, tuple[Array, ...], tuple[Array, ...]], "Move"]
"""(graph, op, input arrays, output arrays) → the copies, as views of those arrays."""


@dataclass(frozen=True)
class Copy:
    """Elements of input ``source`` seen as ``view`` go to ``target``, a view of an output."""

    source: int
    view: Array
    target: Array
    output: int = 0


@dataclass(frozen=True)
class Move:
    """Copies in order; ``fill`` (a byte value) is written to output 0 first."""

    copies: tuple[Copy, ...]
    fill: int | None = None


MOVABLE = (
    DType.INT8, DType.UINT8, DType.BOOL, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32,
)  # fmt: skip


def _one_dtype(data: int) -> Rule:
    @rule("the outputs' dtype")
    def one_dtype(graph: Graph, op: Op) -> str | None:
        """The data input and all outputs must have one dtype."""
        found = {graph.tensors[i].dtype for i in (op.inputs[data], *op.outputs)}
        return None if len(found) == 1 else " and ".join(sorted(d.value for d in found))

    return one_dtype


def reference(views: Views) -> Callable[..., tuple[Array, ...]]:
    """The numpy reference of a row."""

    def run(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        outs = tuple(
            np.zeros(graph.tensors[i].shape, graph.tensors[i].dtype.value) for i in op.outputs
        )
        move = views(graph, op, values, outs)
        if move.fill is not None:
            outs[0].view(np.uint8)[...] = np.uint8(move.fill & 0xFF)
        for copy in move.copies:
            copy.target[...] = copy.view
        return outs

    return run


def lowered(name: str, views: Views) -> Callable[[Graph, Op], Lowered]:
    """The kernel calls of a row."""

    def run(graph: Graph, op: Op) -> Lowered:
        def dummies(ids: tuple[int, ...]) -> tuple[Array, ...]:
            tensors = [graph.tensors[i] if i >= 0 else None for i in ids]
            return tuple(
                strides.dummy(t.shape if t else (0,), t.dtype.bits // 8 if t else 1)
                for t in tensors
            )

        ins, outs = dummies(op.inputs), dummies(op.outputs)
        move = views(graph, op, ins, outs)
        calls = []
        if move.fill is not None:
            params = Params(
                "ec_fill_params", (("count", graph.output(op).nbytes), ("value", move.fill & 0xFF))
            )
            calls.append(Call("ec_fill", "edgecnn_copy.h", params, out_args(op)))
        for copy in move.copies:
            if copy.target.size:
                base, out = ins[copy.source], outs[copy.output]
                args = (TensorArg(op.inputs[copy.source]), TensorArg(op.outputs[copy.output]))
                calls.append(Call("ec_copy", "edgecnn_copy.h", _params(copy, base, out), args))
        return Lowered(name, tuple(calls))

    return run


def _params(copy: Copy, base: Array, out: Array) -> Params:
    size = out.dtype.itemsize
    dims, (from_steps, to_steps) = strides.collapse(
        (*copy.target.shape, size), (*copy.view.strides, 1), (*copy.target.strides, 1)
    )
    return Params(
        "ec_copy_params",
        (
            ("rank", len(dims)),
            ("dims", strides.padded(dims, 1)),
            ("from_strides", strides.padded(from_steps)),
            ("to_strides", strides.padded(to_steps)),
            ("from_base", strides.offset(copy.view, base)),
            ("to_base", strides.offset(copy.target, out)),
        ),
    )


def row(
    name: str,
    views: Views,
    infer: Callable[[Graph, Op], tuple[Shape, ...]],
    rules: tuple[Rule, ...] = (),
    parse: Callable[[Mapping[str, Any]], Any] = no_options,
    *,
    data: int = 0,
) -> OpSpec:
    """A movement op as one row; ``data`` is the position of its data input."""
    common = (_one_dtype(data), rank(data, 0, MAX_DIMS - 1))
    variant = Variant(name, reference(views), lowered(name, views))
    variants = {dtype.value: variant for dtype in MOVABLE}
    return OpSpec(parse, infer, variants, (*common, *rules), data)

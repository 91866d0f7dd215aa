"""Ops of two operands with broadcasting: what their families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape, Tensor
from firmware_glue.compiler.ops import strides
from firmware_glue.compiler.ops.rules import rank
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lower,
    Lowered,
    Overlap,
    Params,
    Rule,
    Variant,
    out_args,
    rule,
    tensor_args,
)

SUFFIXES = {
    "int8": "s8", "uint8": "u8", "int16": "s16", "int32": "s32", "int64": "s64",
    "float32": "f32", "bool": "bool",
}  # fmt: skip
"""numpy dtype name → how kernels are called."""

NO_DIVISION = "Divided by 0, where LiteRT stops, the result is 0."
Fields = tuple[tuple[str, int | float], ...]


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The broadcast shape."""
    return (np.broadcast_shapes(graph.input(op, 0).shape, graph.input(op, 1).shape),)


def loops(shape: Shape, *operands: Shape) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Fewest loops over ``shape``: their sizes, and the operands' strides in elements."""
    views = [np.broadcast_to(strides.dummy(operand), shape) for operand in operands]
    return strides.collapse(shape, *[view.strides for view in views])


def shape_params(graph: Graph, op: Op) -> Params:
    """Inputs 0 and 1 under the output's shape, as ``ec_broadcast``."""
    shapes = (graph.input(op, position).shape for position in (0, 1))
    dims, (steps1, steps2) = loops(graph.output(op).shape, *shapes)
    return Params(
        "ec_broadcast",
        (
            ("rank", len(dims)), ("dims", strides.padded(dims, 1)),
            ("strides1", strides.padded(steps1)), ("strides2", strides.padded(steps2)),
        ),
    )  # fmt: skip


def in_place(graph: Graph, op: Op) -> tuple[Overlap, ...]:
    """The output may lie over an operand of its shape: elements are read before they are written.

    Bytes may also lie over wider elements: what is written then was read long before.
    """
    out = graph.output(op)

    def fits(tensor: Tensor) -> bool:
        return tensor.shape == out.shape and (tensor.dtype is out.dtype or out.dtype.bits == 8)

    return tuple(
        Overlap(i, op.outputs[0], 0)
        for i in dict.fromkeys(op.inputs)
        if i >= 0 and fits(graph.tensors[i])
    )


def lowered(kernel: str, header: str, struct: str, fields: Callable[[Graph, Op], Fields]) -> Lower:
    """One call of ``ec_<kernel>`` whose params are the shape and ``fields``."""

    def lower(graph: Graph, op: Op) -> Lowered:
        params = Params(struct, (("shape", shape_params(graph, op)), *fields(graph, op)))
        call = Call(f"ec_{kernel}", header, params, (*tensor_args(op, 2), *out_args(op)))
        return Lowered(kernel, (call,), overlaps=in_place(graph, op))

    return lower


def choose(first: Variant, second: Variant, when: Callable[[Graph, Op], bool]) -> Variant:
    """``second`` for ops that ``when`` is true for, else ``first``, under the name of ``first``."""

    def pick(graph: Graph, op: Op) -> Variant:
        return second if when(graph, op) else first

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        return pick(graph, op).reference(graph, op, values)

    def lower(graph: Graph, op: Op) -> Lowered:
        chosen = pick(graph, op).lower
        if chosen is None:
            raise ValueError(f"{op.code} '{op.name}' has no kernel")
        return chosen(graph, op)

    def limit(one: Rule, wanted: bool) -> Rule:
        def check(graph: Graph, op: Op) -> str | None:
            return one.check(graph, op) if when(graph, op) == wanted else None

        check.__doc__ = one.message
        return replace(one, check=check)

    rules = (*(limit(r, False) for r in first.rules), *(limit(r, True) for r in second.rules))
    return replace(first, reference=reference, lower=lower, rules=rules)


@rule("one dtype")
def one_dtype(graph: Graph, op: Op) -> str | None:
    """All inputs and the output must have one dtype."""
    found = {graph.tensors[i].dtype.value for i in (*op.inputs, *op.outputs)}
    return None if len(found) == 1 else " and ".join(sorted(found))


@rule("one dtype")
def one_input_dtype(graph: Graph, op: Op) -> str | None:
    """Both inputs must have one dtype."""
    found = {graph.tensors[i].dtype.value for i in op.inputs}
    return None if len(found) == 1 else " and ".join(sorted(found))


RANKS: tuple[Rule, ...] = (rank(0, 0, MAX_DIMS), rank(1, 0, MAX_DIMS))

"""Ops that only move elements: each is a list of strided copies, after an optional fill.

A row of the table maps (graph, op) to :class:`Move`: pairs of numpy views (from, to) of the
same shape. The views are the whole definition: the reference copies through them, and the C
call is their strides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
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
    ConstArg,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Rule,
    TensorArg,
    Variant,
    no_options,
    out_args,
    rule,
)

Arrays = tuple[Array, ...]
Views = Callable[[Graph, Op, Arrays, Arrays], "Move"]
"""(graph, op, input arrays, output arrays) → the copies, as views of those arrays."""


@dataclass(frozen=True)
class Copy:
    """Elements of input ``source`` seen as ``view`` go to ``target``, a view of an output.

    Attributes:
        table: uint8 (256,): bytes pass through it; None: they stay as they are.
    """

    source: int
    view: Array
    target: Array
    output: int = 0
    table: Array | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Move:
    """Copies in order; ``fill`` (a value of the output's dtype) is written to output 0 first."""

    copies: tuple[Copy, ...]
    fill: int | float | None = None


_MAX_COPIES = 1024
MOVABLE = (
    DType.INT8, DType.UINT8, DType.BOOL, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32,
)  # fmt: skip


def one_dtype(*positions: int) -> Rule:
    """The inputs at ``positions`` (all if none is given) and all outputs have one dtype."""

    @rule("the outputs' dtype")
    def one_dtype_moved(graph: Graph, op: Op) -> str | None:
        """The data inputs and all outputs must have one dtype."""
        inputs = [op.inputs[position] for position in positions] or op.inputs
        found = {graph.tensors[i].dtype for i in (*inputs, *op.outputs)}
        return None if len(found) == 1 else " and ".join(sorted(d.value for d in found))

    return one_dtype_moved


def reference(views: Views) -> Callable[..., Arrays]:
    """The numpy reference of a row."""

    def run(graph: Graph, op: Op, values: Arrays) -> Arrays:
        outs = tuple(
            np.zeros(graph.tensors[i].shape, graph.tensors[i].dtype.value) for i in op.outputs
        )
        move = views(graph, op, values, outs)
        if move.fill is not None:
            outs[0][...] = np.array(move.fill).astype(outs[0].dtype)
        for copy in move.copies:
            view = copy.view
            if copy.table is not None:
                view = copy.table[view.view(np.uint8)].view(view.dtype)
            copy.target[...] = view
        return outs

    return run


def lowered(name: str, views: Views) -> Callable[[Graph, Op], Lowered]:
    """The kernel calls of a row."""

    def run(graph: Graph, op: Op) -> Lowered:
        ins, outs = _dummies(graph, op.inputs), _dummies(graph, op.outputs)
        move = views(graph, op, ins, outs)
        calls = [] if move.fill is None else [_fill(graph, op, move.fill)]
        leads: list[int | None] = []
        for copy in move.copies:
            for loops in _loops(copy, ins[copy.source], outs[copy.output]):
                calls.append(_call(op, copy, loops))
                leads.append(loops.lead)
        overlaps: tuple[Overlap, ...] = ()
        if len(calls) == len(leads) == 1 and leads[0] is not None:
            source, target = op.inputs[move.copies[0].source], op.outputs[move.copies[0].output]
            overlaps = (Overlap(source, target, leads[0]),)
        return Lowered(name, tuple(calls), overlaps=overlaps)

    return run


def _dummies(graph: Graph, ids: tuple[int, ...]) -> Arrays:
    tensors = [graph.tensors[i] if i >= 0 else None for i in ids]
    return tuple(
        strides.dummy(t.shape if t else (0,), t.dtype.bits // 8 if t else 1) for t in tensors
    )


def _few_copies(views: Views, infer: Callable[[Graph, Op], tuple[Shape, ...]]) -> Rule:
    @rule(f"at most {_MAX_COPIES}", "split the op, or merge neighbouring dimensions")
    def few_copies(graph: Graph, op: Op) -> str | None:
        """The movement must not need too many copies of blocks."""
        if infer(graph, op) != tuple(graph.tensors[i].shape for i in op.outputs):
            return None  # reported after the rules
        ins, outs = _dummies(graph, op.inputs), _dummies(graph, op.outputs)
        move = views(graph, op, ins, outs)
        count = 0
        for copy in move.copies:
            dims, _, extra = _nest(copy, outs[copy.output])
            count += int(np.prod(dims[:extra], dtype=np.int64))
        return None if count <= _MAX_COPIES else f"{count} copies"

    return few_copies


def _fill(graph: Graph, op: Op, fill: int | float) -> Call:
    out = graph.output(op)
    element = np.array(fill).astype(out.dtype.value)
    value = (*element.tobytes(), *[0] * (8 - element.itemsize))
    fields = (("count", out.elements), ("size", element.itemsize), ("value", value))
    return Call("ec_fill", "edgecnn_copy.h", Params("ec_fill_params", fields), out_args(op))


@dataclass(frozen=True)
class _Loops:
    """A copy of bytes as nested loops; all numbers are bytes."""

    dims: tuple[int, ...]
    from_steps: tuple[int, ...]
    to_steps: tuple[int, ...]
    from_base: int
    to_base: int

    @property
    def lead(self) -> int | None:
        """How far in front of the input the output may start at least; None if order matters.

        Where both addresses only ever grow, a byte may be written over one that was read before.
        """
        for steps in (self.from_steps, self.to_steps):
            reach = 0
            for size, step in zip(reversed(self.dims), reversed(steps), strict=True):
                if step <= reach:
                    return None if self.dims != (1,) else self.to_base - self.from_base
                reach += (size - 1) * step
        gains = (
            (size - 1) * max(0, to - start)
            for size, start, to in zip(self.dims, self.from_steps, self.to_steps, strict=True)
        )
        return self.to_base - self.from_base + sum(gains)


def _nest(copy: Copy, out: Array) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...], int]:
    """Loops over bytes: sizes, (from, to) strides, and how many are more than a call takes."""
    dims, steps = strides.collapse(
        (*copy.target.shape, out.dtype.itemsize),
        (*copy.view.strides, 1),
        (*copy.target.strides, 1),
    )
    return dims, steps, max(0, len(dims) - MAX_DIMS)


def _loops(copy: Copy, base: Array, out: Array) -> Iterator[_Loops]:
    """Nested loops of at most ``MAX_DIMS`` levels; more levels become several copies."""
    if not copy.target.size:
        return
    dims, (from_steps, to_steps), extra = _nest(copy, out)
    start, to = strides.offset(copy.view, base), strides.offset(copy.target, out)
    for index in np.ndindex(*dims[:extra]):
        yield _Loops(
            dims[extra:], from_steps[extra:], to_steps[extra:],
            start + sum(i * step for i, step in zip(index, from_steps, strict=False)),
            to + sum(i * step for i, step in zip(index, to_steps, strict=False)),
        )  # fmt: skip


def _call(op: Op, copy: Copy, loops: _Loops) -> Call:
    params = Params(
        "ec_copy_params",
        (
            ("rank", len(loops.dims)),
            ("dims", strides.padded(loops.dims, 1)),
            ("from_strides", strides.padded(loops.from_steps)),
            ("to_strides", strides.padded(loops.to_steps)),
            ("from_base", loops.from_base),
            ("to_base", loops.to_base),
        ),
    )
    source, target = TensorArg(op.inputs[copy.source]), TensorArg(op.outputs[copy.output])
    if copy.table is None:
        return Call("ec_copy", "edgecnn_copy.h", params, (source, target))
    table = ConstArg("requantized", copy.table)
    return Call("ec_copy_table", "edgecnn_copy.h", params, (source, table, target))


def identity(lowered: Lowered, nbytes: int) -> int | None:
    """The tensor that a movement of ``nbytes`` copies as it is, from the first byte to the last."""
    if len(lowered.calls) != 1 or lowered.calls[0].kernel != "ec_copy":
        return None
    call = lowered.calls[0]
    fields = dict(call.params.fields)
    plain = {
        "rank": 1, "dims": strides.padded((nbytes,), 1), "from_base": 0, "to_base": 0,
        "from_strides": strides.padded((1,)), "to_strides": strides.padded((1,)),
    }  # fmt: skip
    source = call.args[0]
    if nbytes == 1:
        # One byte has no stride.
        plain |= {key: strides.padded((0,)) for key in ("from_strides", "to_strides")}
    return source.tensor if fields == plain and isinstance(source, TensorArg) else None


def row(
    name: str,
    views: Views,
    infer: Callable[[Graph, Op], tuple[Shape, ...]],
    rules: tuple[Rule, ...] = (),
    parse: Callable[[Mapping[str, Any]], Any] = no_options,
    *,
    data: int = 0,
    without: tuple[DType, ...] = (),
) -> OpSpec:
    """A movement op as one row, for all dtypes but those ``without`` that LiteRT lacks too.

    ``data`` is the position of its data input.
    """
    common = (one_dtype(data), rank(data, 0, MAX_DIMS))
    variant = Variant(name, reference(views), lowered(name, views))
    variants = {dtype.value: variant for dtype in MOVABLE if dtype not in without}
    return OpSpec(parse, infer, variants, (*common, *rules, _few_copies(views, infer)), data)

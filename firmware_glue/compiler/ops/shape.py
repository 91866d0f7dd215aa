"""Ops that are known at compile time and folded away: SHAPE, RANK, RANGE, BROADCAST_ARGS."""

from __future__ import annotations

import itertools
import math

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import one_dtype
from firmware_glue.compiler.ops.rules import constant, dtypes, rank
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, known_ints, no_options, rule


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """One number per dimension."""
    return ((len(graph.input(op, 0).shape),),)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """The input's shape; its elements do not matter."""
    return (np.array(graph.input(op, 0).shape, graph.output(op).dtype.value),)


def _rank(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    return (np.array(len(graph.input(op, 0).shape), graph.output(op).dtype.value),)


def _scalar(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return ((),)


def _range_size(graph: Graph, op: Op) -> tuple[Shape, ...]:
    start, limit, delta = (_number(graph, op, position) for position in range(3))
    if isinstance(delta, int):
        return ((-(-abs(int(limit) - int(start)) // abs(delta)),),)
    count = (np.float32(limit) - np.float32(start)) / np.float32(delta)
    return ((math.ceil(abs(float(count))),),)


def _number(graph: Graph, op: Op, position: int) -> int | float:
    data = graph.constant(op, position)
    if data is None or data.size == 0:
        raise ValueError(f"operand {position} must be a constant number")
    value: int | float = data.ravel()[0].item()
    return value


def _range(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    (count,) = _range_size(graph, op)[0]
    steps = np.full(count, values[2].ravel()[0], values[0].dtype)
    steps[:1] = values[0].ravel()[0]
    # One addition after the other, as the reference.
    return (np.add.accumulate(steps, dtype=steps.dtype),)


@rule("a step other than 0 towards the limit")
def _range_ends(graph: Graph, op: Op) -> str | None:
    """A range must reach its limit."""
    start, limit, delta = (_number(graph, op, position) for position in range(3))
    good = delta > 0 and limit >= start or delta < 0 and limit <= start
    return None if good and math.isfinite(limit - start) else f"{start} to {limit} by {delta}"


def _joint_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return ((max(graph.input(op, 0).elements, graph.input(op, 1).elements),),)


def _broadcast_args(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    shapes = (known_ints(graph, op, position) for position in (0, 1))
    return (np.array(np.broadcast_shapes(*shapes), values[0].dtype),)


@rule("shapes that broadcast to one")
def _broadcastable(graph: Graph, op: Op) -> str | None:
    """The two shapes must broadcast to one."""
    shapes = [known_ints(graph, op, position) for position in (0, 1)]
    pairs = itertools.zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    good = all(min(a, b) >= 0 and (a == b or 1 in (a, b)) for a, b in pairs)
    return None if good else " and ".join(map(str, shapes))


_INDEX = (DType.INT32, DType.INT64)
SPECS = {
    "SHAPE": OpSpec(
        no_options, infer, {dtype.value: Variant("", reference, None) for dtype in DType},
        (dtypes(0, *_INDEX, output=True),),
    ),
    "RANK": OpSpec(
        no_options, _scalar, {dtype.value: Variant("", _rank, None) for dtype in DType},
        (dtypes(0, *_INDEX, output=True),),
    ),
    "RANGE": OpSpec(
        no_options, _range_size,
        {dtype.value: Variant("", _range, None) for dtype in (*_INDEX, DType.FLOAT32)},
        (
            *(constant(position, what) for position, what in enumerate(("start", "limit", "step"))),
            one_dtype(), _range_ends,
        ),
    ),
    "BROADCAST_ARGS": OpSpec(
        no_options, _joint_shape,
        {dtype.value: Variant("", _broadcast_args, None) for dtype in _INDEX},
        (constant(0, "first shape"), constant(1, "second shape"), one_dtype(), rank(0, 1, 1),
         rank(1, 1, 1), _broadcastable),
    ),
}  # fmt: skip

"""Ops that take parts: SLICE, SPLIT, SPLIT_V, UNPACK; and REVERSE_V2."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import strided_slice
from firmware_glue.compiler.ops.movement import Arrays, Copy, Move, row
from firmware_glue.compiler.ops.rules import constant
from firmware_glue.compiler.ops.spec import Array, known_ints, rule


def _slices(graph: Graph, op: Op) -> tuple[slice, ...]:
    begin, size = known_ints(graph, op, 1), known_ints(graph, op, 2)
    shape = graph.input(op, 0).shape
    slices = []
    for b, s, n in zip(begin, size, shape, strict=True):
        end = n if s < 0 else b + s
        if not 0 <= b <= end <= n:
            raise ValueError(f"begin {b} and size {s} leave a dimension of {n}")
        slices.append(slice(b, end))
    return tuple(slices)


def _slice_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0][_slices(graph, op)], outs[0]),))


def _slice_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (np.empty(graph.input(op, 0).shape, bool)[_slices(graph, op)].shape,)


def axis_of(axis: int, dims: int) -> int:
    """An axis in [−dims, dims) as one in [0, dims).

    Raises:
        ValueError: it is outside.
    """
    if not -dims <= axis < dims:
        raise ValueError(f"axis {axis} of {dims} dimensions")
    return axis % dims


def _split(array: Array, edges: list[int], axis: int) -> list[Array]:
    """Parts between consecutive edges."""
    whole = [slice(None)] * array.ndim
    parts = []
    for begin, end in zip(edges, edges[1:], strict=False):
        whole[axis] = slice(begin, end)
        parts.append(array[tuple(whole)])
    return parts


def _even_parts(graph: Graph, op: Op, data: int, axis_position: int) -> tuple[list[int], int]:
    shape = graph.input(op, data).shape
    axis = axis_of(known_ints(graph, op, axis_position)[0], len(shape))
    count = len(op.outputs)
    return [shape[axis] * i // count for i in range(count + 1)], axis


def _given_parts(graph: Graph, op: Op) -> tuple[list[int], int]:
    """SPLIT_V: sizes are given; one of them may be −1, the rest."""
    shape = graph.input(op, 0).shape
    axis = axis_of(known_ints(graph, op, 2)[0], len(shape))
    sizes = list(known_ints(graph, op, 1))
    if len(sizes) != len(op.outputs) or min(sizes) < -1 or sizes.count(-1) > 1:
        raise ValueError(f"sizes {sizes} for {len(op.outputs)} outputs")
    if -1 in sizes:
        sizes[sizes.index(-1)] = shape[axis] - sum(sizes) - 1
    if sum(sizes) != shape[axis] or min(sizes) < 0:
        raise ValueError(f"sizes {sizes} of a dimension of {shape[axis]}")
    return [0, *(int(edge) for edge in np.cumsum(sizes))], axis


def _split_edges(graph: Graph, op: Op) -> tuple[list[int], int]:
    return _given_parts(graph, op) if op.code == "SPLIT_V" else _even_parts(graph, op, 1, 0)


def _split_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    data = 0 if op.code == "SPLIT_V" else 1
    parts = _split(ins[data], *_split_edges(graph, op))
    pairs = enumerate(zip(parts, outs, strict=True))
    return Move(tuple(Copy(data, part, out, i) for i, (part, out) in pairs))


def _split_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    data = 0 if op.code == "SPLIT_V" else 1
    whole = np.empty(graph.input(op, data).shape, bool)
    return tuple(part.shape for part in _split(whole, *_split_edges(graph, op)))


@rule("a divisor of the split dimension")
def _splits_evenly(graph: Graph, op: Op) -> str | None:
    """The dimension must split into equal parts."""
    shape = graph.input(op, 1).shape
    size = shape[axis_of(known_ints(graph, op, 0)[0], len(shape))]
    good = op.options == len(op.outputs) and size % op.options == 0
    return None if good else f"{size} into {op.options} parts, {len(op.outputs)} outputs"


def _unpack_parts(graph: Graph, op: Op, array: Array) -> list[Array]:
    axis = axis_of(op.options, array.ndim)
    if array.shape[axis] != len(op.outputs):
        raise ValueError(f"{len(op.outputs)} outputs of a dimension of {array.shape[axis]}")
    return [np.moveaxis(array, axis, 0)[i, ...] for i in range(len(op.outputs))]


def _unpack_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    pairs = enumerate(zip(_unpack_parts(graph, op, ins[0]), outs, strict=True))
    return Move(tuple(Copy(0, part, out, i) for i, (part, out) in pairs))


def _unpack_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    parts = _unpack_parts(graph, op, np.empty(graph.input(op, 0).shape, bool))
    return tuple(part.shape for part in parts)


def _reverse_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    dims = ins[0].ndim
    axes = {axis_of(axis, dims) for axis in known_ints(graph, op, 1)}
    index = tuple(slice(None, None, -1 if axis in axes else 1) for axis in range(dims))
    return Move((Copy(0, ins[0][index], outs[0]),))


def _reverse_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (graph.input(op, 0).shape,)


SPECS = {
    "SLICE": row(
        "slice", _slice_views, _slice_shape, (constant(1, "begin"), constant(2, "size"))
    ),
    "STRIDED_SLICE": strided_slice.SPEC,
    "SPLIT": row(
        "split", _split_views, _split_shape, (constant(0, "axis"), _splits_evenly),
        lambda o: int(o["num_splits"]), data=1, without=(DType.BOOL,),
    ),
    "SPLIT_V": row(
        "split", _split_views, _split_shape, (constant(1, "sizes"), constant(2, "axis")),
        without=(DType.BOOL,),
    ),
    "UNPACK": row(
        "unpack", _unpack_views, _unpack_shape, (), lambda o: int(o["axis"]),
        without=(DType.INT64,),
    ),
    "REVERSE_V2": row(
        "reverse", _reverse_views, _reverse_shape, (constant(1, "axes"),)
    ),
}  # fmt: skip

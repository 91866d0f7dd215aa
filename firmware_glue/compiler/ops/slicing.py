"""Ops that take or join parts: slices, SPLIT, CONCATENATION, PACK; and TRANSPOSE, TILE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops.movement import Copy, Move, row
from firmware_glue.compiler.ops.rules import constant, same_quantization
from firmware_glue.compiler.ops.spec import (
    Array,
    OptionError,
    known_ints,
    rule,
)

Arrays = tuple[Array, ...]
_ALL_KEPT = same_quantization(lambda op: tuple(range(len(op.inputs))))


def _slices(graph: Graph, op: Op) -> tuple[slice, ...]:
    begin, size = known_ints(graph, op, 1), known_ints(graph, op, 2)
    shape = graph.input(op, 0).shape
    return tuple(
        slice(b, b + s if s >= 0 else n) for b, s, n in zip(begin, size, shape, strict=True)
    )


def _slice_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0][_slices(graph, op)], outs[0]),))


def _slice_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (np.empty(graph.input(op, 0).shape, bool)[_slices(graph, op)].shape,)


@dataclass(frozen=True)
class StridedOptions:
    """Bit masks over the dimensions."""

    begin_mask: int
    end_mask: int
    shrink_axis_mask: int


def _parse_strided(options: Mapping[str, Any]) -> StridedOptions:
    for key in ("ellipsis_mask", "new_axis_mask", "offset"):
        if options.get(key):
            raise OptionError(f"{key} is not supported.", f"{options[key]}", "0")
    keys = ("begin_mask", "end_mask", "shrink_axis_mask")
    return StridedOptions(*(int(options[key]) for key in keys))


@rule("strides other than 0")
def _nonzero_strides(graph: Graph, op: Op) -> str | None:
    """Strides must not be 0."""
    return "stride 0" if 0 in known_ints(graph, op, 3) else None


def _strided_index(graph: Graph, op: Op) -> tuple[slice | int, ...]:
    begin, end, step = (known_ints(graph, op, i) for i in (1, 2, 3))
    masks: StridedOptions = op.options
    index: list[slice | int] = []
    for d, size in enumerate(graph.input(op, 0).shape[: len(begin)]):
        bit = 1 << d
        first = None if masks.begin_mask & bit else begin[d]
        if masks.shrink_axis_mask & bit:
            index.append(begin[d] if first is not None else 0)
            continue
        last = None if masks.end_mask & bit else end[d]
        if last is not None and step[d] < 0 and last < -size:
            last = None
        index.append(slice(first, last, step[d]))
    return tuple(index)


def _strided_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0][(*_strided_index(graph, op), ...)], outs[0]),))


def _strided_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (np.empty(graph.input(op, 0).shape, bool)[_strided_index(graph, op)].shape,)


def _split_axis(graph: Graph, op: Op) -> int:
    return known_ints(graph, op, 0)[0] % len(graph.input(op, 1).shape)


def _split_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    parts = np.split(ins[1], len(outs), _split_axis(graph, op))
    return Move(tuple(Copy(1, p, o, i) for i, (p, o) in enumerate(zip(parts, outs, strict=True))))


def _split_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    parts = np.split(np.empty(graph.input(op, 1).shape, bool), op.options, _split_axis(graph, op))
    return tuple(part.shape for part in parts)


@rule("a divisor of the split dimension")
def _splits_evenly(graph: Graph, op: Op) -> str | None:
    """The dimension must split into equal parts."""
    size = graph.input(op, 1).shape[_split_axis(graph, op)]
    good = op.options == len(op.outputs) and size % op.options == 0
    return None if good else f"{size} into {op.options} parts, {len(op.outputs)} outputs"


@dataclass(frozen=True)
class AxisOptions:
    """Axis along which inputs are joined; may be negative."""

    axis: int


def _parse_concat(options: Mapping[str, Any]) -> AxisOptions:
    activation = options["fused_activation_function"]
    if activation not in (None, "NONE"):
        raise OptionError("A concatenation must have no fused activation.", activation, "NONE")
    return AxisOptions(int(options["axis"]))


def _join_views(parts: list[Array], whole: Array, axis: int) -> Move:
    edges = np.cumsum([0, *(part.shape[axis] for part in parts)])
    copies = []
    for i, part in enumerate(parts):
        index = [slice(None)] * whole.ndim
        index[axis] = slice(int(edges[i]), int(edges[i + 1]))
        copies.append(Copy(i, part, whole[tuple(index)]))
    return Move(tuple(copies))


def _concat_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return _join_views(list(ins[: len(op.inputs)]), outs[0], op.options.axis % outs[0].ndim)


def _concat_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    parts = [np.empty(graph.tensors[i].shape, bool) for i in op.inputs]
    return (np.concatenate(parts, op.options.axis).shape,)


def _pack_axis(graph: Graph, op: Op) -> int:
    return int(op.options.axis % (len(graph.input(op, 0).shape) + 1))


def _pack_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    axis = _pack_axis(graph, op)
    return _join_views(
        [np.expand_dims(part, axis) for part in ins[: len(op.inputs)]], outs[0], axis
    )


def _pack_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = list(graph.input(op, 0).shape)
    shape.insert(_pack_axis(graph, op), len(op.inputs))
    return (tuple(shape),)


def _transpose_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0].transpose(known_ints(graph, op, 1)), outs[0]),))


def _transpose_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = graph.input(op, 0).shape
    return (tuple(shape[axis] for axis in known_ints(graph, op, 1)),)


def _tile_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    shape, repeats = graph.input(op, 0).shape, known_ints(graph, op, 1)
    # The output as (repeat, size) pairs, the input repeated along the first of each.
    pairs = [size for pair in zip(repeats, shape, strict=True) for size in pair]
    source = ins[0].reshape([size for n in shape for size in (1, n)])
    return Move((Copy(0, np.broadcast_to(source, pairs), outs[0].reshape(pairs)),))


def _tile_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape, repeats = graph.input(op, 0).shape, known_ints(graph, op, 1)
    return (tuple(n * count for n, count in zip(shape, repeats, strict=True)),)


@rule("at most 4 dimensions")
def _tile_dims(graph: Graph, op: Op) -> str | None:
    """A tiled input must have at most 4 dimensions."""
    dims = len(graph.input(op, 0).shape)
    return None if dims <= 4 else f"{dims} dimensions"


SPECS = {
    "SLICE": row(
        "slice", _slice_views, _slice_shape, (constant(1, "begin"), constant(2, "size"))
    ),
    "STRIDED_SLICE": row(
        "strided_slice", _strided_views, _strided_shape,
        (constant(1, "begin"), constant(2, "end"), constant(3, "strides"), _nonzero_strides),
        _parse_strided,
    ),
    "CONCATENATION": row(
        "concatenation", _concat_views, _concat_shape, (_ALL_KEPT,), _parse_concat
    ),
    "PACK": row(
        "pack", _pack_views, _pack_shape, (_ALL_KEPT,), lambda o: AxisOptions(int(o["axis"]))
    ),
    "TRANSPOSE": row(
        "transpose", _transpose_views, _transpose_shape, (constant(1, "permutation"),)
    ),
    "SPLIT": row(
        "split", _split_views, _split_shape, (constant(0, "axis"), _splits_evenly),
        lambda o: int(o["num_splits"]), data=1,
    ),
    "TILE": row(
        "tile", _tile_views, _tile_shape, (constant(1, "multiples"), _tile_dims)
    ),
}  # fmt: skip

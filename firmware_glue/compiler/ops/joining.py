"""Ops that join, repeat or reorder: CONCATENATION, PACK, TRANSPOSE, TILE, BROADCAST_TO, FILL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Shape, Tensor
from firmware_glue.compiler.ops.movement import Arrays, Copy, Move, one_dtype, row
from firmware_glue.compiler.ops.rules import constant, same_quantization
from firmware_glue.compiler.ops.slicing import axis_of
from firmware_glue.compiler.ops.spec import Array, OptionError, known_ints, rule

_ALL_KEPT = same_quantization(lambda op: tuple(range(len(op.inputs))))


def _parse_concat(options: Mapping[str, Any]) -> int:
    activation = options["fused_activation_function"]
    if activation not in (None, "NONE"):
        raise OptionError("A concatenation must have no fused activation.", activation, "NONE")
    return int(options["axis"])


def _targets(parts: list[Array], whole: Array, axis: int) -> list[Array]:
    """Where each part lies in the whole."""
    edges = np.cumsum([0, *(part.shape[axis] for part in parts)])
    targets = []
    for begin, end in zip(edges, edges[1:], strict=False):
        index = [slice(None)] * whole.ndim
        index[axis] = slice(int(begin), int(end))
        targets.append(whole[tuple(index)])
    return targets


def _requantized(source: Tensor, out: Tensor) -> Array | None:
    """uint8 of another scale: all 256 bytes in the output's scale, in TFLite's float32 steps."""
    same = source.scale == out.scale and source.zero_point == out.zero_point
    if same or source.dtype is not DType.UINT8 or source.quantization is None:
        return None
    scale = np.float32(source.scale) * (np.float32(1) / np.float32(out.scale))
    bias = np.float32(-source.zero_point) * scale
    real = np.arange(256, dtype=np.float32) * scale + bias
    rounded = fixed_point.round_half_away(real).astype(np.float64) + out.zero_point
    return np.clip(rounded, 0, 255).astype(np.uint8)


@rule("scales that differ by less than 2^31", "requantize the model")
def _scales_fit(graph: Graph, op: Op) -> str | None:
    """uint8 inputs of other scales than the output's must fit its range."""
    out = graph.output(op)
    for tensor in (graph.tensors[i] for i in op.inputs):
        if tensor.dtype is DType.UINT8 and not 0 < tensor.scale / out.scale < 2.0**22:
            return f"{tensor.scale:g} and {out.scale:g}"
    return None


def _concat_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    parts, out = list(ins[: len(op.inputs)]), graph.output(op)
    targets = _targets(parts, outs[0], axis_of(op.options, outs[0].ndim))
    tables = [_requantized(graph.tensors[i], out) for i in op.inputs]
    pairs = enumerate(zip(parts, targets, tables, strict=True))
    return Move(tuple(Copy(i, part, to, table=table) for i, (part, to, table) in pairs))


def _concat_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    parts = [np.empty(graph.tensors[i].shape, bool) for i in op.inputs]
    return (np.concatenate(parts, op.options).shape,)


def _pack_axis(graph: Graph, op: Op) -> int:
    return axis_of(op.options, len(graph.input(op, 0).shape) + 1)


def _pack_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    axis = _pack_axis(graph, op)
    parts = [np.expand_dims(part, axis) for part in ins[: len(op.inputs)]]
    pairs = enumerate(zip(parts, _targets(parts, outs[0], axis), strict=True))
    return Move(tuple(Copy(i, part, target) for i, (part, target) in pairs))


def _pack_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shapes = {graph.tensors[i].shape for i in op.inputs}
    if len(shapes) != 1:
        raise ValueError(f"shapes {sorted(shapes)}")
    shape = list(graph.input(op, 0).shape)
    shape.insert(_pack_axis(graph, op), len(op.inputs))
    return (tuple(shape),)


def _order(graph: Graph, op: Op) -> tuple[int, ...]:
    order, dims = known_ints(graph, op, 1), len(graph.input(op, 0).shape)
    if sorted(order) != list(range(dims)):
        raise ValueError(f"permutation {list(order)} of {dims} dimensions")
    return order


@rule("0 to the number of dimensions less 1")
def _no_negative_axes(graph: Graph, op: Op) -> str | None:
    """Axes must not count from the end (LiteRT mistakes some of those)."""
    order = known_ints(graph, op, 1)
    return f"{list(order)}" if min(order, default=0) < 0 else None


def _transpose_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, ins[0].transpose(_order(graph, op)), outs[0]),))


def _transpose_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = graph.input(op, 0).shape
    return (tuple(shape[axis] for axis in _order(graph, op)),)


def _tile_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    shape, repeats = graph.input(op, 0).shape, known_ints(graph, op, 1)
    # The output as (repeat, size) pairs, the input repeated along the first of each.
    pairs = [size for pair in zip(repeats, shape, strict=True) for size in pair]
    source = ins[0].reshape([size for n in shape for size in (1, n)])
    return Move((Copy(0, np.broadcast_to(source, pairs), outs[0].reshape(pairs)),))


def _tile_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape, repeats = graph.input(op, 0).shape, known_ints(graph, op, 1)
    return (tuple(n * count for n, count in zip(shape, repeats, strict=True)),)


def _broadcast_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(0, np.broadcast_to(ins[0], outs[0].shape), outs[0]),))


def _broadcast_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    wanted = known_ints(graph, op, 1)
    if np.broadcast_shapes(graph.input(op, 0).shape, wanted) != wanted:
        raise ValueError(f"{list(graph.input(op, 0).shape)} to {list(wanted)}")
    return (wanted,)


def _fill_views(graph: Graph, op: Op, ins: Arrays, outs: Arrays) -> Move:
    return Move((Copy(1, np.broadcast_to(ins[1].reshape(()), outs[0].shape), outs[0]),))


def _fill_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    return (known_ints(graph, op, 0),)


SPECS = {
    "CONCATENATION": row(
        "concatenation", _concat_views, _concat_shape,
        (one_dtype(), _ALL_KEPT, _scales_fit), _parse_concat,
    ),
    "PACK": row(
        "pack", _pack_views, _pack_shape, (one_dtype(), _ALL_KEPT), lambda o: int(o["axis"]),
        without=(DType.BOOL,),
    ),
    "TRANSPOSE": row(
        "transpose", _transpose_views, _transpose_shape,
        (constant(1, "permutation"), _no_negative_axes),
    ),
    "TILE": row("tile", _tile_views, _tile_shape, (constant(1, "multiples"),)),
    "BROADCAST_TO": row(
        "broadcast", _broadcast_views, _broadcast_shape, (constant(1, "shape"),)
    ),
    "FILL": row("fill", _fill_views, _fill_shape, (constant(0, "shape"),), data=1),
}  # fmt: skip

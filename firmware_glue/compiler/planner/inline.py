"""Joins and splits that need no step: their parts lie inside their whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import VIEW, Graph, Lifetime, Op
from firmware_glue.compiler.ops.spec import const_ints


@dataclass(frozen=True)
class Placement:
    """An op that is replaced by where its tensors lie.

    Attributes:
        joins: whether the parts are written first; else the whole is.
        whole: tensor id.
        parts: (tensor id, bytes from the start of the whole).
    """

    joins: bool
    whole: int
    parts: tuple[tuple[int, int], ...]


def alignment(graph: Graph, tensor_id: int) -> int:
    """Of a tensor in memory, in bytes: 8 for 64-bit elements, else 4 for whole words."""
    return 8 if graph.tensors[tensor_id].dtype.bits == 64 else 4


def placements(graph: Graph) -> dict[int, Placement]:
    """Positions of ops that can be left out, and what lies where instead.

    CONCATENATION and PACK, SPLIT, SPLIT_V, UNPACK and SLICE: where each part is one run of bytes
    of the whole, aligned, of the same scale, and written by a step. A tensor is either a whole or
    a part of one whole. Exact: the bytes that the op would have copied are there already.
    """
    root = _roots(graph)
    made = {i for op in graph.ops if op.code != VIEW for i in op.outputs}
    wholes: set[int] = set()
    parts: set[int] = set()
    found: dict[int, Placement] = {}
    for position, op in enumerate(graph.ops):
        placement = _placement(graph, op)
        if placement is None:
            continue
        whole = root[placement.whole]
        inner = [root[i] for i, _ in placement.parts]
        written = inner if placement.joins else [whole]
        fits = (
            whole not in parts
            and not parts.intersection(inner)
            and not wholes.intersection(inner)
            and len({whole, *inner}) == 1 + len(inner)
            and all(i in made and _owned(graph, i) for i in written)
            and all(at % alignment(graph, i) == 0 for i, at in placement.parts)
        )
        if fits:
            found[position] = placement
            wholes.add(whole)
            parts.update(inner)
    return found


def _owned(graph: Graph, tensor_id: int) -> bool:
    return graph.tensors[tensor_id].lifetime is Lifetime.ACTIVATION


def _roots(graph: Graph) -> dict[int, int]:
    """Tensor → the tensor whose bytes it shows."""
    root = {tensor_id: tensor_id for tensor_id in graph.tensors}
    for op in graph.ops:
        if op.code == VIEW:
            root[op.outputs[0]] = root[op.inputs[0]]
    return root


def _placement(graph: Graph, op: Op) -> Placement | None:
    """The op's whole and parts, if every part is one run of bytes of the whole."""
    if op.code in ("CONCATENATION", "PACK"):
        joins, whole, parts = True, op.outputs[0], op.inputs
    elif op.code in ("SPLIT_V", "UNPACK", "SLICE"):
        joins, whole, parts = False, op.inputs[0], op.outputs
    elif op.code == "SPLIT":
        joins, whole, parts = False, op.inputs[1], op.outputs
    else:
        return None
    if NO_TENSOR in parts or not all(_same_scale(graph, whole, part) for part in parts):
        return None
    if op.code == "SLICE":
        starts = _slice_start(graph, op)
    else:
        starts = _row_of_parts(graph, op, whole, parts)
    if starts is None:
        return None
    return Placement(joins, whole, tuple(zip(parts, starts, strict=True)))


def _same_scale(graph: Graph, whole: int, part: int) -> bool:
    a, b = graph.tensors[whole], graph.tensors[part]
    return a.dtype is b.dtype and (a.scale, a.zero_point) == (b.scale, b.zero_point)


def _row_of_parts(graph: Graph, op: Op, whole: int, parts: Sequence[int]) -> list[int] | None:
    """Starts of parts one after the other: only if all dimensions before the axis are 1."""
    shape = graph.tensors[whole].shape
    if op.code in ("PACK", "UNPACK", "CONCATENATION"):
        axis = op.options % len(shape)
    else:
        other = graph.tensors[parts[0]].shape
        axis = next((k for k, (n, m) in enumerate(zip(shape, other, strict=True)) if n != m), 0)
    if prod(shape[:axis]) != 1:
        return None
    sizes = [graph.tensors[i].nbytes for i in parts]
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    return starts if sum(sizes) == graph.tensors[whole].nbytes else None


def _slice_start(graph: Graph, op: Op) -> list[int] | None:
    """Where a SLICE begins, if it takes one run of elements."""
    whole, part = graph.input(op, 0), graph.output(op)
    begin = const_ints(graph, op, 1)
    if begin is None or not part.elements:
        return None
    end = [b + n - 1 for b, n in zip(begin, part.shape, strict=True)]
    first, last = (int(np.ravel_multi_index(at, whole.shape)) for at in (begin, end))
    if last - first + 1 != part.elements:
        return None
    return [first * part.nbytes // part.elements]

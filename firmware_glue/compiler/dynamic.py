"""Shapes that a file leaves open, worked out for batch 1.

A model exported with a dynamic batch records −1 in the signatures of its tensors and a placeholder
of 1 in their shapes. That is right for most activations, but not inside
SPACE_TO_BATCH_ND … BATCH_TO_SPACE_ND (dilated convolutions) or around RESHAPE, where the batch
holds other dimensions for a while. LiteRT works these shapes out when it allocates; so do we.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.ir import Graph, Lifetime, Op, Shape, Tensor
from firmware_glue.compiler.limits import MAX_TENSOR_BYTES
from firmware_glue.compiler.ops.table import OPS

_ERRORS = (ValueError, IndexError, KeyError, ZeroDivisionError, TypeError, OverflowError)
_MAX_VALUES = 64  # elements of a tensor that may hold a shape


def resolve_shapes(graph: Graph, dynamic: Collection[int]) -> Graph:
    """The graph with the shapes of ``dynamic`` tensors following from their inputs.

    Never raises: what cannot be worked out keeps its shape, and the limits judge it.

    Args:
        graph: as imported.
        dynamic: ids of tensors whose signature has a −1.
    """
    tensors: dict[int, Tensor] = dict(graph.tensors)
    shapes_held: dict[int, NDArray[np.int64]] = {}
    current = graph
    for op in graph.ops:
        for output, shape in zip(op.outputs, _shapes(current, op, shapes_held), strict=False):
            small = min(shape, default=1) > 0 and math.prod(shape) <= MAX_TENSOR_BYTES
            if output in dynamic and small and tensors[output].shape != shape:
                tensors[output] = replace(tensors[output], shape=shape)
                current = replace(current, tensors=tensors)
        _follow_values(current, op, shapes_held)
    return current


def _shapes(graph: Graph, op: Op, held: dict[int, NDArray[np.int64]]) -> tuple[Shape, ...]:
    try:
        if op.code == "RESHAPE":
            return (_reshaped(graph, op, held),)
        return OPS[op.code].infer(_with_held(graph, op, held), op)
    except _ERRORS:
        return ()


def _with_held(graph: Graph, op: Op, held: dict[int, NDArray[np.int64]]) -> Graph:
    """Shapes that are known by now, as constants (the output shape of TRANSPOSE_CONV)."""
    known = {
        i: replace(
            graph.tensors[i], shape=held[i].shape, lifetime=Lifetime.CONSTANT,
            data=held[i].astype(graph.tensors[i].dtype.value),
        )
        for i in op.inputs
        if i in held
    }  # fmt: skip
    return graph.with_ops(graph.ops, known) if known else graph


def _reshaped(graph: Graph, op: Op, held: dict[int, NDArray[np.int64]]) -> Shape:
    wanted = _value(graph, op.inputs[1], held) if len(op.inputs) > 1 else None
    if wanted is None:
        return graph.output(op).shape
    shape = [int(size) for size in wanted.ravel()]
    if shape.count(-1) == 1:
        known = -int(np.prod(shape, dtype=np.int64))
        shape[shape.index(-1)] = graph.input(op, 0).elements // max(1, known)
    return tuple(shape)


def _follow_values(graph: Graph, op: Op, held: dict[int, NDArray[np.int64]]) -> None:
    """Notes the values of small integer tensors that carry shapes (SHAPE, STRIDED_SLICE, PACK)."""
    try:
        if op.code == "SHAPE":
            held[op.outputs[0]] = np.array(graph.input(op, 0).shape, np.int64)
            return
        if len(op.outputs) != 1 or graph.output(op).elements > _MAX_VALUES:
            return
        values = tuple(_value(graph, index, held) for index in op.inputs)
        if any(value is None for value in values) or not any(i in held for i in op.inputs):
            return
        result = (
            OPS[op.code]
            .known_variant(graph, op)
            .reference(
                graph,
                op,
                values,  # type: ignore[arg-type]
            )
        )
        held[op.outputs[0]] = np.asarray(result[0], np.int64)
    except _ERRORS:
        return


def _value(
    graph: Graph, index: int, held: dict[int, NDArray[np.int64]]
) -> NDArray[np.int64] | None:
    if index in held:
        return held[index]
    tensor = graph.tensors.get(index)
    if tensor is None or tensor.data is None or tensor.elements > _MAX_VALUES:
        return None
    if tensor.data.dtype.kind not in "iu":
        return None
    return np.asarray(tensor.data, np.int64)

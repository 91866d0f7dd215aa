"""Multiply-accumulates of an op: what its precision costs."""

from __future__ import annotations

import math

from edgecnn.core.tflite.model import NO_TENSOR, TfOperator, TfSubgraph


def multiply_accumulates(graph: TfSubgraph, op: TfOperator) -> int:
    """Products that the op adds up in one inference; 0 for ops that multiply no weights.

    Borders count like the inside, as is usual.
    """
    try:
        return _products(graph, op)
    except IndexError:  # tensors of a rank that the op does not take: LiteRT refuses such a file
        return 0


def _products(graph: TfSubgraph, op: TfOperator) -> int:
    if op.code not in _SLOTS or len(op.inputs) <= _SLOTS[op.code]:
        return 0
    index = op.inputs[_SLOTS[op.code]]
    if index == NO_TENSOR or not op.outputs:
        return 0
    weights, output = graph.tensors[index].shape, graph.tensors[op.outputs[0]]
    if op.code == "TRANSPOSE_CONV":
        # (out, height, width, in): each input pixel meets the whole filter.
        source = graph.tensors[op.inputs[2]]
        return math.prod(weights[:3]) * source.elements
    if op.code == "DEPTHWISE_CONV_2D":
        return weights[1] * weights[2] * output.elements
    if op.code == "BATCH_MATMUL":
        inner = graph.tensors[op.inputs[0]].shape[-2 if op.options.get("adj_x") else -1]
        return inner * output.elements
    # CONV_2D, CONV_3D and FULLY_CONNECTED: one filter per output channel.
    filters = weights[-1] if op.code == "CONV_3D" else weights[0]
    return math.prod(weights) // max(filters, 1) * output.elements


_SLOTS = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
    "CONV_3D": 1,
}

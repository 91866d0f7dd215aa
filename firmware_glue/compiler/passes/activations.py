"""Fuses activations that are ops of their own into the op in front."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, DType
from firmware_glue.compiler.fixed_point import ACTIVATIONS, activation_range
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.passes.tables import byte_function

_CLAMPING = frozenset(
    {
        "ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D",
        "MUL", "SUB",
    }
)  # fmt: skip
"""Ops that clamp their 8-bit output to the range of their option ``activation``."""


def fuse_activations(graph: Graph) -> Graph:
    """Ops of 8 bits that only clamp what one op made become that op's activation.

    Applies to RELU, RELU6, … and any other function of one byte that leaves all values of a range
    as they are, and takes the others to its ends, where nothing else reads the op in front, scale
    and zero point stay, and an activation with that very range exists. Exact: the range is the set
    of outputs that the op in front can give after its own clamp.
    """
    readers = Counter(i for op in graph.ops for i in op.inputs)
    readers.update(graph.outputs)
    made: dict[int, int] = {}
    ops: list[Op] = []
    for op in graph.ops:
        operand = _operand(graph, op)
        position = None if operand is None or readers[operand] != 1 else made.get(operand)
        fused = None if position is None else _fused(graph, ops[position], op)
        if position is None or fused is None:
            ops.append(op)
        else:
            ops[position] = fused
        for tensor_id in op.outputs:
            made[tensor_id] = len(ops) - 1 if fused is None or position is None else position
    return graph.with_ops(ops)


def _operand(graph: Graph, op: Op) -> int | None:
    """The one operand of an op that is no constant."""
    found = [i for i in op.inputs if i != NO_TENSOR and not graph.tensors[i].is_constant]
    return found[0] if len(found) == 1 else None


def _fused(graph: Graph, front: Op, op: Op) -> Op | None:
    """The op in front with the other one's clamp, or None if that is no clamp."""
    if front.code not in _CLAMPING:
        return None
    x, y = graph.output(front), graph.output(op)
    alike = (x.dtype, x.shape, x.quantization) == (y.dtype, y.shape, y.quantization)
    if not alike or x.dtype not in (DType.INT8, DType.UINT8) or y.is_variable:
        return None
    values = byte_function(graph, op)
    if values is None:
        return None
    low, high = activation_range(front.options.activation, x)
    given = np.arange(low, high + 1)
    found = values.view(x.dtype.value)[given.astype(x.dtype.value).view(np.uint8)].astype(np.int64)
    ends = int(found[0]), int(found[-1])
    if not np.array_equal(found, np.clip(given, *ends)):
        return None
    name = next((n for n in ACTIVATIONS if activation_range(n, y) == ends), None)
    if name is None:
        return None
    sources = tuple(sorted({*front.sources, *op.sources}))
    options = replace(front.options, activation=name)
    return replace(front, outputs=op.outputs, options=options, sources=sources)

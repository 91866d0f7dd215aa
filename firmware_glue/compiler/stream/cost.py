"""Instructions of a whole net, roughly: what the cost of chains is measured against."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import VIEW, Graph, Op
from firmware_glue.compiler.stream.build import Net

_PER_PRODUCT, _PER_ELEMENT = 4, 10


def instructions(net: Net, known: Sequence[int]) -> int:
    """All ops, each at once; ``known``: those of each op, 0 where that is not known."""
    total = sum(known)
    for op, stage, taken in zip(net.graph.ops, net.stages, known, strict=True):
        if taken:
            continue
        if stage is not None and stage.row_instructions:
            total += stage.height * stage.row_instructions + stage.call_instructions
        elif op.code != VIEW:
            total += _other(net.graph, op)
    return total


def _other(graph: Graph, op: Op) -> int:
    """An op that is no stage: its constants once each (dense layers), and what it moves."""
    given = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i != NO_TENSOR]
    constant = sum(tensor.elements for tensor in given if tensor.is_constant)
    moved = sum(tensor.elements for tensor in given if not tensor.is_constant)
    return _PER_PRODUCT * constant + _PER_ELEMENT * moved

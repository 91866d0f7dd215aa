"""Removes ops whose outputs nobody reads."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.table import OPS


def changes_state(graph: Graph, op: Op) -> bool:
    """Whether an op writes a variable."""
    written = (*op.outputs, *(op.input_id(position) for position in OPS[op.code].mutates))
    return any(i != NO_TENSOR and graph.tensors[i].is_variable for i in written)


def remove_dead_ops(graph: Graph) -> Graph:
    """Drops ops that lead to no output, and tensors that no op or interface names.

    Applies always. Exact: but for variables, which later inferences read, ops have no effects.
    """
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs) or changes_state(graph, op):
            kept.append(op)
            needed.update(op.inputs)
    used = needed | set(graph.inputs) | {i for op in kept for i in op.outputs}
    tensors = {i: tensor for i, tensor in graph.tensors.items() if i in used}
    return replace(graph, tensors=tensors, ops=tuple(reversed(kept)))

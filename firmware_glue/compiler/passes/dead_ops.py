"""Removes ops whose outputs nobody reads."""

from __future__ import annotations

from dataclasses import replace

from firmware_glue.compiler.ir import Graph, Op


def remove_dead_ops(graph: Graph) -> Graph:
    """Drops ops that lead to no output, and tensors that no op or interface names.

    Applies always. Exact: ops have no side effects.
    """
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    used = needed | set(graph.inputs) | {i for op in kept for i in op.outputs}
    tensors = {i: tensor for i, tensor in graph.tensors.items() if i in used}
    return replace(graph, tensors=tensors, ops=tuple(reversed(kept)))

"""Gives every graph output memory in the arena."""

from __future__ import annotations

from dataclasses import replace

from firmware_glue.compiler.ir import COPY, VIEW, Graph, Lifetime, Op, Tensor


def materialize_outputs(graph: Graph) -> Graph:
    """Copies outputs that are constants or variables, or views of these, into the arena.

    Applies where an output has no memory of its own. Exact: a copy.
    """
    elsewhere = {i for i, t in graph.tensors.items() if t.is_constant or t.is_variable}
    for op in graph.ops:
        if op.code == VIEW and op.inputs[0] in elsewhere:
            elsewhere.update(op.outputs)
    tensors: dict[int, Tensor] = {}
    copies: list[Op] = []
    outputs = list(graph.outputs)
    fresh = graph.fresh_ids()
    for position, tensor_id in enumerate(outputs):
        if tensor_id not in elsewhere:
            continue
        source = graph.tensors[tensor_id]
        copy = outputs[position] = next(fresh)
        tensors[copy] = replace(source, lifetime=Lifetime.ACTIVATION, data=None)
        copies.append(Op(COPY, (tensor_id,), (copy,), None, (), source.name))
    return replace(graph.with_ops((*graph.ops, *copies), tensors), outputs=tuple(outputs))

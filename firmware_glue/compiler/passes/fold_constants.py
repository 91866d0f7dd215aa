"""Folds ops whose inputs are all constant, and SHAPE."""

from __future__ import annotations

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.importer import constant_like
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.verify import op_problem


def fold_constants(graph: Graph) -> Graph:
    """Replaces the outputs of constant ops by constants.

    Applies to ops within their limits. Exact: the reference is the arithmetic that the kernel
    would have used, bit for bit; SHAPE depends on the static shape alone.
    """
    tensors: dict[int, Tensor] = {}
    ops: list[Op] = []
    for op in graph.ops:
        current = graph.with_ops((), tensors)
        folded = _fold(current, op)
        if folded is None:
            ops.append(op)
        else:
            tensors.update(folded)
    return graph.with_ops(ops, tensors)


def _fold(graph: Graph, op: Op) -> dict[int, Tensor] | None:
    values = tuple(None if i == NO_TENSOR else graph.tensors[i].data for i in op.inputs)
    present = [v for v, i in zip(values, op.inputs, strict=True) if i != NO_TENSOR]
    if op.code != "SHAPE" and (not present or any(v is None for v in present)):
        return None
    if op_problem(graph, op) is not None:
        return None
    padded = (*values, *[None] * (4 - len(values)))
    variant = OPS[op.code].known_variant(graph, op)
    results = variant.reference(graph, op, padded)  # type: ignore[arg-type]
    return {
        tensor_id: constant_like(graph.tensors[tensor_id], data)
        for tensor_id, data in zip(op.outputs, results, strict=True)
    }

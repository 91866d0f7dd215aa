"""Folds ops whose inputs are all constant, and SHAPE."""

from __future__ import annotations

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.importer import constant_like
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.limits import MAX_FOLD_WORK, MAX_FOLDED_BYTES, fold_work
from firmware_glue.compiler.ops.table import OPS
from firmware_glue.compiler.verify import op_problem

_OF_SHAPES = ("SHAPE", "RANK")
"""Ops whose result does not depend on the input's elements."""


def fold_constants(graph: Graph) -> Graph:
    """Replaces the outputs of constant ops by constants.

    Applies to ops within their limits, as long as that is little work; others stay. Exact: the
    reference is the arithmetic that the kernel would have used, bit for bit; SHAPE depends on the
    static shape alone.
    """
    current = graph.with_ops(())
    ops: list[Op] = []
    folded_bytes = 0
    for op in graph.ops:
        folded = _fold(current, op) if folded_bytes <= MAX_FOLDED_BYTES else None
        if folded is None:
            ops.append(op)
        else:
            current = current.with_ops((), folded)
            folded_bytes += sum(tensor.nbytes for tensor in folded.values())
    return current.with_ops(ops)


def _fold(graph: Graph, op: Op) -> dict[int, Tensor] | None:
    values = tuple(None if i == NO_TENSOR else graph.tensors[i].data for i in op.inputs)
    present = [v for v, i in zip(values, op.inputs, strict=True) if i != NO_TENSOR]
    if op.code not in _OF_SHAPES and (not present or any(v is None for v in present)):
        return None
    if any(graph.tensors[i].is_variable for i in op.outputs):
        return None
    if op_problem(graph, op) is not None or fold_work(graph, op) > MAX_FOLD_WORK:
        return None
    padded = (*values, *[None] * (4 - len(values)))
    variant = OPS[op.code].known_variant(graph, op)
    results = variant.reference(graph, op, padded)  # type: ignore[arg-type]
    return {
        tensor_id: constant_like(graph.tensors[tensor_id], data)
        for tensor_id, data in zip(op.outputs, results, strict=True)
    }

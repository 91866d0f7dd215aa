"""An op as a stage of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.core.tflite.model import NO_TENSOR
from firmware_glue.compiler.fast.choose import Lower
from firmware_glue.compiler.ir import TABLE, Graph, Op, Tensor
from firmware_glue.compiler.ops import binary, compare, unary
from firmware_glue.compiler.ops.spec import Lowered, RowReach
from firmware_glue.compiler.stream.chain import Stage, rows_of

_ROW_LOCAL = frozenset(
    {
        *unary.SPECS, *binary.SPECS, *compare.SPECS,
        "QUANTIZE", "DEQUANTIZE", "CAST", "PRELU", TABLE, "CONCATENATION", "SOFTMAX", "LOG_SOFTMAX",
    }
)  # fmt: skip
"""Ops whose output rows are made of the same rows of their inputs, or of inputs without rows."""
_ROW_CALL, _PER_ELEMENT = 60, 10
"""Instructions, roughly: of a call for one row, and of an element."""


def find_stages(
    graph: Graph, lowered: Sequence[Lowered | None], lower: Lower
) -> tuple[Stage | None, ...]:
    """Each op of a graph as a stage; None for ops that cannot be one.

    Args:
        graph: of all ops.
        lowered: their kernels; None for views.
        lower: the kernels of any op.
    """
    return tuple(
        None if kernel is None else _stage(graph, op, kernel, lower)
        for op, kernel in zip(graph.ops, lowered, strict=True)
    )


def _stage(graph: Graph, op: Op, lowered: Lowered, lower: Lower) -> Stage | None:
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i != NO_TENSOR]
    if len(op.outputs) != 1 or any(t.is_variable or not t.nbytes for t in tensors):
        return None
    shape = graph.output(op).shape
    if len(shape) != 4 or shape[0] != 1:
        return None
    if lowered.rows is None:
        return _by_row(graph, op, lower) if op.code in _ROW_LOCAL else None
    rows = lowered.rows
    known = {reach.input for reach in rows.reads}
    # Computed filters, for example, are there as a whole.
    others = tuple(_all(graph, i) for i in _computed(graph, op) if i not in known)
    return Stage(
        op.name, op.code, lowered.kernel, op.sources, (rows.call,), False,
        (*rows.reads, *others), _present(op), op.outputs[0], shape[1],
        scratch_bytes=rows.scratch_bytes, call_instructions=rows.call_instructions,
        row_instructions=rows.row_instructions, step=rows.step,
    )  # fmt: skip


def _by_row(graph: Graph, op: Op, lower: Lower) -> Stage | None:
    """The op on tensors of one row.

    Exact where an output row depends on nothing but the same row of its inputs: elementwise, or
    along axes behind the rows.
    """
    out = graph.output(op)
    height = out.shape[1]
    if op.code == "CONCATENATION" and op.options % 4 < 2:
        return None
    reads: list[RowReach] = []
    small: dict[int, Tensor] = {op.outputs[0]: _one_row(out)}
    for tensor_id in dict.fromkeys(_present(op)):
        tensor = graph.tensors[tensor_id]
        without_rows = len(tensor.shape) < 3 or (len(tensor.shape) < 5 and tensor.shape[-3] == 1)
        if tensor.shape[:2] == (1, height) and len(tensor.shape) == 4 and not tensor.is_constant:
            small[tensor_id] = _one_row(tensor)
            reads.append(RowReach(tensor_id, 1, 0, 1))
        elif not without_rows:
            return None
        elif not tensor.is_constant:
            reads.append(_all(graph, tensor_id))
    lowered = lower(graph.with_ops(graph.ops, small), op)
    return Stage(
        op.name, op.code, lowered.kernel, op.sources, lowered.calls, True, tuple(reads),
        _present(op), op.outputs[0], height, scratch_bytes=lowered.scratch_bytes,
        overlaps=lowered.overlaps, call_instructions=_ROW_CALL,
        row_instructions=_PER_ELEMENT * out.elements // height,
    )  # fmt: skip


def _one_row(tensor: Tensor) -> Tensor:
    return replace(tensor, shape=(1, 1, *tensor.shape[2:]))


def _present(op: Op) -> tuple[int, ...]:
    return tuple(i for i in op.inputs if i != NO_TENSOR)


def _computed(graph: Graph, op: Op) -> tuple[int, ...]:
    ids = dict.fromkeys(_present(op))
    return tuple(i for i in ids if not graph.tensors[i].is_constant)


def _all(graph: Graph, tensor_id: int) -> RowReach:
    """Every output row is made of all rows of this input."""
    return RowReach(tensor_id, 0, 0, rows_of(graph.tensors[tensor_id])[0])

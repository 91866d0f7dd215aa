"""Joins functions of one byte: chains of elementwise ops become one table of 256 entries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType
from firmware_glue.compiler.ir import TABLE, Graph, Op
from firmware_glue.compiler.ops import binary, unary
from firmware_glue.compiler.ops.lookup import Table
from firmware_glue.compiler.ops.spec import Array
from firmware_glue.compiler.ops.table import OPS

Bytes = NDArray[np.uint8]
_BYTES = (DType.INT8, DType.UINT8)
_ELEMENTWISE = frozenset({*binary.SPECS, *unary.SPECS, "QUANTIZE", "PRELU", TABLE})
_EVERY: Bytes = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True)
class Function:
    """What a tensor holds: a function of the bytes of another one.

    Attributes:
        of: the other tensor.
        values: by its bit pattern.
        ops: how many ops it takes.
        sources: the file's ops.
    """

    of: int
    values: Bytes
    ops: int
    sources: tuple[int, ...]


def join_tables(graph: Graph) -> Graph:
    """Elementwise ops of 8 bits that depend on one tensor become a table of its bytes.

    Applies to chains of two or more, as far as nothing else reads what lies between (x · relu6(x +
    3) / 6, requantized and passed on), and to arithmetic with a constant that is one number. Exact:
    the ops' own references fill the table, so there is one entry for every byte there is.
    """
    readers = Counter(i for op in graph.ops for i in set(op.inputs))
    readers.update(graph.outputs)
    found: dict[int, Function] = {}
    ops: list[Op] = []
    for op in graph.ops:
        function = _function(graph, op, found, readers)
        if function is None:
            ops.append(op)
            continue
        found[op.outputs[0]] = function
        plain = function.ops == 1 and len(_present(op)) == 1
        ops.append(op if plain else _table(op, function))
    return _without_unread(graph, ops, found)


def _table(op: Op, function: Function) -> Op:
    return replace(
        op, code=TABLE, inputs=(function.of,), options=Table(function.values.tobytes()),
        sources=function.sources,
    )  # fmt: skip


def _without_unread(graph: Graph, ops: list[Op], found: dict[int, Function]) -> Graph:
    """Without functions that were joined into others."""
    needed = set(graph.outputs)
    kept: list[Op] = []
    for op in reversed(ops):
        if needed.isdisjoint(op.outputs) and op.outputs and op.outputs[0] in found:
            continue
        kept.append(op)
        needed.update(op.inputs)
    return graph.with_ops(reversed(kept))


def _present(op: Op) -> tuple[int, ...]:
    return tuple(i for i in op.inputs if i != NO_TENSOR)


def byte_function(graph: Graph, op: Op) -> Bytes | None:
    """An op as a function of the bytes of its only operand that is no constant, or None."""
    made = _function(graph, op, {}, Counter())
    return None if made is None else made.values


def _function(
    graph: Graph, op: Op, found: dict[int, Function], readers: Counter[int]
) -> Function | None:
    """The op's output as a function of one tensor, the farthest that serves."""
    if op.code not in _ELEMENTWISE or len(op.outputs) != 1 or not _of_bytes(graph, op):
        return None
    operands = {i for i in _present(op) if not graph.tensors[i].is_constant}
    # What others read too stays, so there is nothing to gain by going behind it.
    behind = {i: found[i] for i in operands if i in found and readers[i] == 1}
    for root in dict.fromkeys([*(f.of for f in behind.values()), *sorted(operands)]):
        if all(i == root or (i in behind and behind[i].of == root) for i in operands):
            return _composed(graph, op, root, behind)
    return None


def _of_bytes(graph: Graph, op: Op) -> bool:
    """Whether all that changes has 8 bits and the output's shape, and the rest is one number."""
    out = graph.output(op)
    inputs = [graph.tensors[i] for i in _present(op)]
    changing = [t for t in inputs if not t.is_constant]
    return (
        bool(changing)
        and not any(t.is_variable for t in (*inputs, out))
        and all(t.dtype in _BYTES and t.shape == out.shape for t in (*changing, out))
        and all(t.elements == 1 for t in inputs if t.is_constant)
    )


def _composed(graph: Graph, op: Op, root: int, behind: dict[int, Function]) -> Function:
    """The op on every byte of ``root``."""

    def value(tensor_id: int) -> Array | None:
        if tensor_id == NO_TENSOR:
            return None
        tensor = graph.tensors[tensor_id]
        if tensor.data is not None:
            return tensor.data.reshape(-1)
        pattern = _EVERY if tensor_id == root else behind[tensor_id].values
        return pattern.view(tensor.dtype.value)

    values = (*map(value, op.inputs), *[None] * (4 - len(op.inputs)))
    reference = OPS[op.code].known_variant(graph, op).reference
    result = reference(graph, op, values)[0]  # type: ignore[arg-type]
    joined = [behind[i] for i in dict.fromkeys(op.inputs) if i in behind and i != root]
    sources = [s for function in joined for s in function.sources]
    return Function(
        root, np.ascontiguousarray(result).reshape(-1).view(np.uint8),
        1 + sum(function.ops for function in joined),
        tuple(sorted({*sources, *op.sources})),
    )  # fmt: skip

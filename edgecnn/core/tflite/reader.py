"""Reads a .tflite file from untrusted bytes into :mod:`edgecnn.core.tflite.model`'s plain data.

What comes back holds: indices are in range, constants have exactly their shape's bytes, operators
stand in an order in which each input exists before it is read, and each tensor is written once.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite import schema
from edgecnn.core.tflite.compiled import refuse_vela
from edgecnn.core.tflite.model import (
    NO_TENSOR,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
)
from edgecnn.core.tflite.operators import OperatorCode, read_codes, read_operator
from edgecnn.core.tflite.sniff import why_not_tflite
from edgecnn.core.tflite.tensors import TensorReader
from edgecnn.core.tflite.walker import Table, Walker

MAX_TENSORS = 1 << 15
MAX_OPERATORS = 1 << 15
MAX_SUBGRAPHS = 1 << 10
MAX_FILE_BYTES = (1 << 32) - 1


def read_model(data: bytes, *, source: str = "model") -> TfModel:
    """Reads a whole file; constants are read-only views into ``data``.

    Args:
        data: the file's bytes; never trusted.
        source: what messages call it.

    Raises:
        ModelError: not a .tflite, damaged, or larger than the limits allow.
    """
    reason = why_not_tflite(data)
    if reason is not None:
        raise ModelError(f"'{source}' is no .tflite model: {reason[0]}", hint=reason[1])
    return _Reader(Walker(data, source)).model()


def read_model_file(path: Path) -> tuple[bytes, TfModel]:
    """The bytes of a file and the model in them.

    Raises:
        ModelError: it cannot be opened, or :func:`read_model` refuses it.
    """
    hint = "give the path of a .tflite file"
    try:
        if path.is_dir():
            raise ModelError(f"'{path}' is a folder, expected a .tflite file", hint=hint)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"'{path}' is larger than 4 GiB, expected a .tflite", hint=hint)
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"cannot read '{path}': {text}", hint=hint) from error
    return data, read_model(data, source=str(path))


class _Reader:
    """The walk from the root; counts what it has read over all subgraphs."""

    def __init__(self, walker: Walker) -> None:
        self._walker = walker
        self._root = walker.root()
        self._buffers = TensorReader(walker, self._root.tables(4, "buffer", 1 << 18))
        self._tensors_left = MAX_TENSORS
        self._operators_left = MAX_OPERATORS

    def model(self) -> TfModel:
        walker, root = self._walker, self._root
        version = root.scalar(0, "u4")
        if version != schema.VERSION:
            walker.unusable(f"it has schema version {version}, expected {schema.VERSION}")
        codes = read_codes(walker, root.tables(1, "op code", MAX_OPERATORS))
        refuse_vela([code.custom_code for code in codes], walker.source)
        tables = root.tables(2, "subgraph", MAX_SUBGRAPHS)
        if not len(tables):
            walker.unusable("it has no subgraph")
        subgraphs = tuple(self._subgraph(tables[k], codes, k) for k in range(len(tables)))
        _check_calls(walker, subgraphs)
        return TfModel(
            version=version,
            description=root.text(3),
            subgraphs=subgraphs,
            signatures=self._signatures(subgraphs),
            metadata=MappingProxyType(self._metadata()),
            notes=self._buffers.notes(),
        )

    def _subgraph(self, table: Table, codes: tuple[OperatorCode, ...], index: int) -> TfSubgraph:
        walker = self._walker
        rows = table.tables(0, "tensor", self._tensors_left)
        self._tensors_left -= len(rows)
        tensors = tuple(self._buffers.read(rows[k], k) for k in range(len(rows)))
        steps = table.tables(3, "operator", self._operators_left)
        self._operators_left -= len(steps)
        operators = tuple(
            read_operator(walker, steps[k], k, codes, len(tensors)) for k in range(len(steps))
        )
        inputs, outputs = table.numbers(1, "i4"), table.numbers(2, "i4")
        for side, values in (("input", inputs), ("output", outputs)):
            if not all(0 <= value < len(tensors) for value in values):
                walker.damaged(
                    f"subgraph {index}: an {side} is not one of the {len(tensors)} tensors"
                )
        if index == 0 and not (tensors and outputs):
            walker.unusable("its main subgraph has no output")
        subgraph = TfSubgraph(table.text(4), tensors, operators, inputs, outputs)
        _check_order(walker, subgraph)
        return subgraph

    def _signatures(self, subgraphs: tuple[TfSubgraph, ...]) -> tuple[Signature, ...]:
        tables = self._root.tables(7, "signature", MAX_SUBGRAPHS)
        found = []
        for k in range(len(tables)):
            index = tables[k].scalar(4, "u4")
            if index >= len(subgraphs):
                self._walker.damaged(f"signature {k} names subgraph {index}")
            graph = subgraphs[index]
            inputs = self._tensor_map(tables[k], 0, f"signature {k}", graph)
            outputs = self._tensor_map(tables[k], 1, f"signature {k}", graph)
            found.append(Signature(tables[k].text(2), inputs, outputs, index))
        return tuple(found)

    def _tensor_map(
        self, table: Table, slot: int, what: str, graph: TfSubgraph
    ) -> tuple[tuple[str, int], ...]:
        rows = table.tables(slot, f"entry of {what}", MAX_TENSORS)
        pairs = tuple((rows[k].text(0), rows[k].scalar(1, "u4")) for k in range(len(rows)))
        if not all(tensor < len(graph.tensors) for _, tensor in pairs):
            self._walker.damaged(f"{what} names a tensor that does not exist")
        return pairs

    def _metadata(self) -> dict[str, bytes]:
        tables = self._root.tables(6, "metadata", MAX_OPERATORS)
        found = {}
        for k in range(len(tables)):
            name = tables[k].text(0)
            raw = self._buffers.buffer(tables[k].scalar(1, "u4"), f"metadata '{name[:80]}'")
            self._walker.spend(raw.nbytes)
            found[name] = raw.tobytes()
        return found


def _check_order(walker: Walker, graph: TfSubgraph) -> None:
    """Each tensor is written at most once, and before it is read."""

    def constant(tensor: TfTensor) -> bool:
        return tensor.data is not None or tensor.sparse

    ready = {t.index for t in graph.tensors if constant(t) or t.is_variable or not t.elements}
    fixed = {t.index for t in graph.tensors if constant(t)} | set(graph.inputs)
    ready |= fixed | {NO_TENSOR}
    written: set[int] = set()
    for op in graph.operators:
        for index in op.inputs:
            if index not in ready:
                walker.unusable(_unready(graph, op, index))
        for index in op.outputs:
            if index in written or index in fixed:
                walker.unusable(
                    f"op {op.index} ({op.code}) writes tensor {index}, which already has a value"
                )
            written.add(index)
        ready.update(op.outputs)
    for index in graph.outputs:
        if index not in ready:
            walker.unusable(f"no op writes the output tensor {index}")


def _unready(graph: TfSubgraph, op: TfOperator, index: int) -> str:
    later = any(index in other.outputs for other in graph.operators)
    state = "which is only written later (operators are out of order)" if later else "never written"
    return f"op {op.index} ({op.code}) reads tensor {index}, {state}"


def _check_calls(walker: Walker, subgraphs: tuple[TfSubgraph, ...]) -> None:
    """Subgraphs that ops call exist and do not call each other in a circle."""
    calls: list[set[int]] = []
    for graph in subgraphs:
        called = {
            value
            for op in graph.operators
            for key, value in op.options.items()
            if key == "subgraph" or key.endswith("_subgraph_index")
        }
        if not all(0 <= value < len(subgraphs) for value in called):
            walker.unusable("an op calls a subgraph that does not exist")
        calls.append(called)
    waiting = set(range(len(subgraphs)))
    while waiting:
        free = {k for k in waiting if not calls[k] & waiting}
        if not free:
            walker.unusable("subgraphs call each other in a circle")
        waiting -= free

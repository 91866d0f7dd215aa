"""Writes :mod:`edgecnn.core.tflite.model`'s plain data as a .tflite file: the reader's inverse.

The same model gives the same bytes. Constants with equal bytes are stored once, each aligned to
16 bytes as LiteRT asks. An op's ``index`` and a tensor's ``index`` are its position; the positions
are what is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite import schema
from edgecnn.core.tflite.model import (
    Quantization,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
)

_ALIGN = 16
_MIN_VERSION = b"1.5.0\0\0\0\0\0\0\0\0\0\0\0"
_MAX_BYTES = (1 << 31) - (1 << 20)
_PUT = {
    "i4": ("PrependInt32Slot", int),
    "u4": ("PrependUint32Slot", int),
    "i8": ("PrependInt64Slot", int),
    "f4": ("PrependFloat32Slot", float),
    "bool": ("PrependBoolSlot", bool),
}
_VECTOR = {"i4[]": np.int32, "u1[]": np.uint8, "f4[]": np.float32}


def write_model(model: TfModel) -> bytes:
    """The file's bytes; ``read_model`` of them gives ``model`` back.

    Raises:
        ModelError: the model holds sparse tensors, is too large, or its op is not in the schema.
    """
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            if tensor.sparse:
                raise ModelError(
                    f"the tensor '{tensor.name}' is sparse and cannot be written",
                    hint="convert the model without sparsity",
                )
    total = sum(
        tensor.data.nbytes
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.data is not None
    )
    if total > _MAX_BYTES:
        raise ModelError(
            f"the model has {total} bytes of constants, a .tflite holds {_MAX_BYTES}",
            hint="use a smaller model",
        )
    return _Writer(total).model(model)


class _Writer:
    """One file; collects buffers and op codes while subgraphs are written."""

    def __init__(self, size: int) -> None:
        flat = importlib.import_module("flatbuffers")
        self.builder = flat.Builder(size + (1 << 16))
        self.buffers: dict[bytes, int] = {b"": 0}
        self.codes: dict[tuple[str, str, int], int] = {}
        self.strings: dict[str, int] = {}

    def model(self, model: TfModel) -> bytes:
        graphs = [self.subgraph(graph) for graph in model.subgraphs]
        signatures = [self.signature(item) for item in model.signatures]
        entries = dict(model.metadata)
        entries.setdefault("min_runtime_version", _MIN_VERSION)
        metadata = [self.metadata(name, raw) for name, raw in sorted(entries.items())]
        codes = [self.code(*key) for key in self.codes]
        fields = {
            4: self.offsets([self.buffer(raw) for raw in self.buffers]),
            6: self.offsets(metadata),
            2: self.offsets(graphs),
            1: self.offsets(codes),
            3: self.text(model.description),
        }
        if signatures:
            fields[7] = self.offsets(signatures)
        root = self.table(8, fields, {0: ("PrependUint32Slot", model.version)})
        self.builder.Finish(root, file_identifier=schema.IDENTIFIER)
        return bytes(self.builder.Output())

    def subgraph(self, graph: TfSubgraph) -> int:
        tensors = [self.tensor(tensor) for tensor in graph.tensors]
        operators = [self.operator(op) for op in graph.operators]
        return self.table(
            5,
            {
                0: self.offsets(tensors),
                1: self.vector(graph.inputs, np.int32),
                2: self.vector(graph.outputs, np.int32),
                3: self.offsets(operators),
                4: self.text(graph.name),
            },
        )

    def tensor(self, tensor: TfTensor) -> int:
        fields = {0: self.vector(tensor.shape, np.int32), 3: self.text(tensor.name)}
        if tensor.quantization is not None:
            fields[4] = self.quantization(tensor.quantization)
        if tensor.shape_signature != tensor.shape:
            fields[7] = self.vector(tensor.shape_signature, np.int32)
        # has_rank, so that a scalar is told from a tensor of unknown rank
        return self.table(
            10,
            fields,
            {
                1: ("PrependInt8Slot", schema.TENSOR_TYPES.index(tensor.dtype)),
                2: ("PrependUint32Slot", self.buffer_index(tensor.data)),
                5: ("PrependBoolSlot", tensor.is_variable),
                8: ("PrependBoolSlot", True),
            },
        )

    def quantization(self, quantization: Quantization) -> int:
        fields = {
            2: self.vector(quantization.scale, np.float32),
            3: self.vector(quantization.zero_point, np.int64),
        }
        return self.table(7, fields, {6: ("PrependInt32Slot", quantization.axis)})

    def operator(self, op: TfOperator) -> int:
        fields = {
            1: self.vector(op.inputs, np.int32),
            2: self.vector(op.outputs, np.int32),
        }
        if op.custom_options:
            fields[5] = self.vector(np.frombuffer(op.custom_options, np.uint8), np.uint8)
        if op.intermediates:
            fields[8] = self.vector(op.intermediates, np.int32)
        kind = schema.OP_OPTIONS.get(op.code)
        scalars = {0: ("PrependUint32Slot", self.code_index(op))}
        if kind is not None:
            fields[4] = self.options(kind, op)
            scalars[3] = ("PrependUint8Slot", schema.OPTION_CLASSES.index(kind))
        return self.table(9, fields, scalars)

    def options(self, kind: str, op: TfOperator) -> int:
        rows = schema.OPTION_FIELDS[kind]
        fields: dict[int, int] = {}
        scalars: dict[int, tuple[str, Any]] = {}
        for row in rows:
            value = op.options.get(row.name)
            if value is None:
                continue
            if row.kind in schema.ENUMS:
                scalars[row.slot] = ("PrependInt8Slot", schema.ENUMS[row.kind].index(value))
            elif row.kind in _VECTOR:
                fields[row.slot] = self.vector(value, _VECTOR[row.kind])
            elif row.kind == "str":
                fields[row.slot] = self.text(value)
            else:
                method, convert = _PUT[row.kind]
                scalars[row.slot] = (method, convert(value))
        slots = max((row.slot for row in rows), default=-1) + 1
        # Defaults are written out: a reader without this schema's defaults sees the same.
        return self.table(slots, fields, scalars)

    def signature(self, item: Signature) -> int:
        sides = [
            self.offsets(
                [
                    self.table(2, {0: self.text(name)}, {1: ("PrependUint32Slot", index)})
                    for name, index in side
                ]
            )
            for side in (item.inputs, item.outputs)
        ]
        fields = {0: sides[0], 1: sides[1], 2: self.text(item.key)}
        return self.table(5, fields, {4: ("PrependUint32Slot", item.subgraph)})

    def metadata(self, name: str, raw: bytes) -> int:
        index = self.buffers.setdefault(raw, len(self.buffers))
        return self.table(2, {0: self.text(name)}, {1: ("PrependUint32Slot", index)})

    def code(self, name: str, custom: str, version: int) -> int:
        number = _op_number(name)
        fields = {1: self.text(custom)} if custom else {}
        # The first field is one signed byte; newer codes stand in the second alone.
        return self.table(
            4,
            fields,
            {
                0: ("PrependInt8Slot", min(number, 127)),
                2: ("PrependInt32Slot", version),
                3: ("PrependInt32Slot", number),
            },
        )

    def code_index(self, op: TfOperator) -> int:
        key = (op.code, op.custom_code, op.version)
        return self.codes.setdefault(key, len(self.codes))

    def buffer_index(self, data: NDArray[Any] | None) -> int:
        if data is None:
            return 0
        little = data.astype(data.dtype.newbyteorder("<"), copy=False)
        return self.buffers.setdefault(little.tobytes(), len(self.buffers))

    def buffer(self, raw: bytes) -> int:
        if not raw:
            return self.table(1, {})
        builder = self.builder
        builder.StartVector(1, len(raw), _ALIGN)
        builder.head = builder.Head() - len(raw)
        builder.Bytes[builder.Head() : builder.Head() + len(raw)] = raw
        return self.table(1, {0: builder.EndVector()})

    def vector(self, values: Any, dtype: Any) -> int:
        return int(self.builder.CreateNumpyVector(np.asarray(values, dtype)))

    def offsets(self, items: Sequence[int]) -> int:
        builder = self.builder
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return int(builder.EndVector())

    def text(self, value: str) -> int:
        if value not in self.strings:
            self.strings[value] = int(self.builder.CreateString(value))
        return self.strings[value]

    def table(
        self, slots: int, fields: dict[int, int], scalars: dict[int, tuple[str, Any]] | None = None
    ) -> int:
        """A table of so many slots: offsets by slot, and scalars by slot (method, value)."""
        builder = self.builder
        builder.StartObject(slots)
        for slot, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, (method, value) in (scalars or {}).items():
            put: Callable[[int, Any, Any], None] = getattr(builder, method)
            put(slot, value, None)
        return int(builder.EndObject())


def _op_number(name: str) -> int:
    if name in schema.OP_NAMES:
        return schema.OP_NAMES.index(name)
    if name.startswith("BUILTIN_") and name.removeprefix("BUILTIN_").isdigit():
        return int(name.removeprefix("BUILTIN_"))
    raise ModelError(f"there is no op '{name}' in the .tflite schema", hint="report this as a bug")

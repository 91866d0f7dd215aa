"""A .tflite file as plain, frozen data: what the reader returns and every other room reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

NO_TENSOR = -1
_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class DType(Enum):
    """TensorType of the schema; the value is the numpy dtype name (or the schema's own name)."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT32 = "int32"
    UINT8 = "uint8"
    INT64 = "int64"
    STRING = "string"
    BOOL = "bool"
    INT16 = "int16"
    COMPLEX64 = "complex64"
    INT8 = "int8"
    FLOAT64 = "float64"
    COMPLEX128 = "complex128"
    UINT64 = "uint64"
    RESOURCE = "resource"
    VARIANT = "variant"
    UINT32 = "uint32"
    UINT16 = "uint16"
    INT4 = "int4"
    BFLOAT16 = "bfloat16"
    INT2 = "int2"
    UINT4 = "uint4"

    @property
    def bits(self) -> int:
        """Bits per element; 0 where elements have no fixed size (string, resource, variant)."""
        return _BITS[self]


_BITS = {
    DType.FLOAT32: 32, DType.FLOAT16: 16, DType.INT32: 32, DType.UINT8: 8, DType.INT64: 64,
    DType.STRING: 0, DType.BOOL: 8, DType.INT16: 16, DType.COMPLEX64: 64, DType.INT8: 8,
    DType.FLOAT64: 64, DType.COMPLEX128: 128, DType.UINT64: 64, DType.RESOURCE: 0,
    DType.VARIANT: 0, DType.UINT32: 32, DType.UINT16: 16, DType.INT4: 4, DType.BFLOAT16: 16,
    DType.INT2: 2, DType.UINT4: 4,
}  # fmt: skip


@dataclass(frozen=True)
class Quantization:
    """real = scale[c] · (q − zero_point[c]); one entry (per tensor) or one per slice of ``axis``.

    ``zero_point`` always has as many entries as ``scale``.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_tensor(self) -> bool:
        """Whether one scale covers the whole tensor."""
        return len(self.scale) == 1


@dataclass(frozen=True)
class TfTensor:
    """One tensor of a subgraph.

    Attributes:
        index: position in the subgraph.
        shape: static shape; dynamic dimensions hold 1 and stand as −1 in ``shape_signature``.
        quantization: None where the file has no scale.
        data: constants, read-only, shaped and typed (INT4 and the like stay raw uint8); else None.
        is_variable: state kept between invocations.
        sparse: stored in a sparse format (not decoded).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None = None
    data: NDArray[Any] | None = field(default=None, compare=False, repr=False)
    is_variable: bool = False
    sparse: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for dim in self.shape:
            count *= dim
        return count

    @property
    def nbytes(self) -> int:
        """Bytes that the tensor takes, densely packed."""
        return (self.elements * self.dtype.bits + 7) // 8


@dataclass(frozen=True)
class TfOperator:
    """One operator.

    Attributes:
        index: position in the subgraph (the ``ops`` of every report).
        code: BuiltinOperator name such as ``CONV_2D``; ``CUSTOM`` for custom ops.
        custom_code: name of a custom op, else ``""``.
        inputs, outputs: tensor indices; −1 is an absent optional input.
        options: builtin options by schema field name, enums as their schema names
            (``{"padding": "SAME", "stride_w": 1, "fused_activation_function": "RELU6"}``), with
            the schema's defaults filled in.
        custom_options: raw bytes of a custom op.
        intermediates: tensors that only carry the quantization of inner results (LSTM).
    """

    index: int
    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    custom_code: str = ""
    options: Mapping[str, Any] = field(default_factory=lambda: _NO_OPTIONS, hash=False)
    custom_options: bytes = b""
    intermediates: tuple[int, ...] = ()

    @property
    def display_code(self) -> str:
        """``CONV_2D``, or ``CUSTOM:name``."""
        return f"CUSTOM:{self.custom_code}" if self.code == "CUSTOM" else self.code


@dataclass(frozen=True)
class TfSubgraph:
    """A graph: tensors, operators in execution order, indices of inputs and outputs."""

    name: str
    tensors: tuple[TfTensor, ...]
    operators: tuple[TfOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def op_name(self, op: TfOperator) -> str:
        """The layer's name as reports print it: that of the op's first output tensor."""
        return self.tensors[op.outputs[0]].name if op.outputs else f"op {op.index}"


@dataclass(frozen=True)
class Signature:
    """A named signature: (name, tensor index) pairs."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    subgraph: int = 0


@dataclass(frozen=True)
class TfModel:
    """A whole file.

    Attributes:
        metadata: names → raw bytes.
        notes: what the reader took otherwise than the file says, one line each.
    """

    version: int
    description: str
    subgraphs: tuple[TfSubgraph, ...]
    signatures: tuple[Signature, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def main(self) -> TfSubgraph:
        """The first subgraph, the one that runs."""
        return self.subgraphs[0]


def frozen_array(array: NDArray[Any]) -> NDArray[Any]:
    """A view of ``array`` that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


__all__ = [
    "NO_TENSOR",
    "DType",
    "Quantization",
    "Signature",
    "TfModel",
    "TfOperator",
    "TfSubgraph",
    "TfTensor",
    "frozen_array",
]

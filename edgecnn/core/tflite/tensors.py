"""Tensors of the file: shape, type, quantization, constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType, Quantization, TfTensor, frozen_array
from edgecnn.core.tflite.schema import TENSOR_TYPES
from edgecnn.core.tflite.walker import Table, Tables, Walker

_NEWER = "the file is newer than this reader: convert it with TensorFlow 2.21 or older"
MAX_RANK = 16
MAX_TENSOR_BYTES = 1 << 31
# Kept as raw bytes: numpy has no such element.
_RAW = {DType.STRING, DType.RESOURCE, DType.VARIANT, DType.INT4, DType.INT2, DType.UINT4,
        DType.BFLOAT16}  # fmt: skip
_REAL = (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64)
_ZERO_POINT_RANGE = {
    DType.INT8: (-128, 127), DType.UINT8: (0, 255), DType.INT16: (-32768, 32767),
}  # fmt: skip


class TensorReader:
    """Reads tensors of one file; ``buffers`` is the model's list."""

    def __init__(self, walker: Walker, buffers: Tables) -> None:
        self._walker = walker
        self._buffers = buffers
        self._turned: list[tuple[str, int]] = []

    def read(self, table: Table, index: int) -> TfTensor:
        """The tensor that ``table`` describes."""
        name = table.text(3) or f"tensor_{index}"
        what = f"tensor {index} ('{name[:80]}')"
        code = table.scalar(1, "i1")
        if not 0 <= code < len(TENSOR_TYPES):
            self._walker.unusable(f"{what} has the unknown type {code}", _NEWER)
        dtype = TENSOR_TYPES[code]
        shape, signature = self._shape(table, what)
        if math.prod(shape) * max(dtype.bits, 1) > 8 * MAX_TENSOR_BYTES:
            self._walker.unusable(f"{what} of shape {list(shape)} is larger than 2 GiB")
        sparse = table.has(6)
        tensor = TfTensor(
            index=index,
            name=name,
            shape=shape,
            shape_signature=signature,
            dtype=dtype,
            quantization=self._quantization(table, shape, dtype, what),
            is_variable=table.scalar(5, "bool", False),
            sparse=sparse,
        )
        if table.scalar(10, "u4"):
            self._walker.unusable(
                f"{what} keeps its values in another file, which is not read",
                "give a .tflite that holds its weights",
            )
        raw = self.buffer(table.scalar(2, "u4"), what)
        if sparse or not len(raw):
            return tensor
        return _with_data(tensor, self._constant(raw, tensor, what))

    def notes(self) -> tuple[str, ...]:
        """What was read otherwise than the file says, one line each."""
        if not self._turned:
            return ()
        what, axis = self._turned[0]
        more = f" and {len(self._turned) - 1} more tensors" if len(self._turned) > 1 else ""
        verb = "have" if more else "has"
        return (
            f"{what}{more} {verb} a quantized_dimension ({axis}) that the shape lacks: read as 0,"
            " as TensorFlow Lite Micro does (LiteRT refuses the file as it is)",
        )

    def buffer(self, index: int, what: str) -> NDArray[np.uint8]:
        """The bytes of a buffer, wherever the file keeps them; a read-only view."""
        if index == 0:  # the schema's empty buffer
            return np.empty(0, np.uint8)
        if index >= len(self._buffers):
            self._walker.damaged(f"{what} uses buffer {index}, there are {len(self._buffers)}")
        table = self._buffers[index]
        if table.scalar(1, "u8") > 1:  # 0 and 1 mean: not stored behind the flatbuffer
            offset, size = table.outside(1, 2, what)
            return np.frombuffer(self._walker.data, np.uint8, size, offset)
        return table.array(0, "u1")

    def _shape(self, table: Table, what: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        stored = table.numbers(0, "i4")
        signature = table.numbers(7, "i4") or stored
        if len(stored) > MAX_RANK or len(signature) != len(stored):
            self._walker.unusable(
                f"{what} has the shape {list(stored)[:20]} and signature {list(signature)[:20]}"
            )
        if min(stored + signature, default=0) < -1:
            self._walker.unusable(f"{what} has a negative dimension: {list(stored)}")
        return tuple(1 if dim == -1 else dim for dim in stored), signature

    def _quantization(
        self, table: Table, shape: tuple[int, ...], dtype: DType, what: str
    ) -> Quantization | None:
        quant = table.table(4, f"the quantization of {what}")
        if quant is None:
            return None
        scale = quant.numbers(2, "f4")
        stored = quant.numbers(3, "i8")
        axis = quant.scalar(6, "i4")
        if axis and not 0 <= axis < len(shape) and (len(scale) <= 1 or len(shape) == 1):
            # Of one scale, or one dimension, the axis is never used: TensorFlow Lite Micro runs
            # such files.
            self._turned.append((what, axis))
            axis = 0
        if not scale or scale == (0.0,):
            return None
        if not all(math.isfinite(value) and value >= 0 for value in scale):
            if dtype in _REAL:
                return None  # nothing reads it, and LiteRT runs the file
            self._walker.unusable(f"{what} has a scale that is negative or not finite")
        zero_point = stored[: len(scale)] + (0,) * (len(scale) - len(stored))
        low, high = _ZERO_POINT_RANGE.get(dtype, (-(1 << 31), (1 << 31) - 1))
        if not all(low <= value <= high for value in zero_point):
            self._walker.unusable(f"{what} has a zero point outside {low} to {high}")
        if len(scale) == 1:
            return Quantization(scale, zero_point, max(axis, 0))
        if not 0 <= axis < len(shape) or shape[axis] != len(scale):
            self._walker.unusable(
                f"{what} has {len(scale)} scales along axis {axis} of shape {list(shape)}"
            )
        return Quantization(scale, zero_point, axis)

    def _constant(self, raw: NDArray[np.uint8], tensor: TfTensor, what: str) -> NDArray[Any]:
        if tensor.dtype.bits and len(raw) != tensor.nbytes:
            self._walker.damaged(
                f"{what} of shape {list(tensor.shape)} {tensor.dtype.value} needs"
                f" {tensor.nbytes} bytes of constant data, the file has {len(raw)}"
            )
        if tensor.dtype in _RAW:
            return frozen_array(raw)
        kind = np.dtype(tensor.dtype.value).newbyteorder("<")
        return frozen_array(raw.view(kind).reshape(tensor.shape))


def _with_data(tensor: TfTensor, data: NDArray[Any]) -> TfTensor:
    # dataclasses.replace costs more than the rest of a tensor.
    return TfTensor(
        tensor.index,
        tensor.name,
        tensor.shape,
        tensor.shape_signature,
        tensor.dtype,
        tensor.quantization,
        data,
        tensor.is_variable,
        tensor.sparse,
    )

"""What the codes of a constant tensor stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType, TfTensor

_PACKED_BITS = {DType.INT4: 4, DType.INT2: 2, DType.UINT4: 4}


def is_packed(tensor: TfTensor) -> bool:
    """Whether the tensor's elements take less than a byte each."""
    return tensor.dtype in _PACKED_BITS


def unpacked(tensor: TfTensor, data: NDArray[Any]) -> NDArray[Any]:
    """Constants of 4 and 2 bits as int8 or uint8: the first element in a byte's lowest bits."""
    bits = _PACKED_BITS[tensor.dtype]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    fields = (data.view(np.uint8)[:, None] >> shifts).ravel()[: tensor.elements]
    if tensor.dtype is DType.UINT4:
        values: NDArray[Any] = fields & np.uint8(15)
    else:
        top = 8 - bits
        values = (fields << top).astype(np.uint8).view(np.int8) >> top
    values.flags.writeable = False
    return values.reshape(tensor.shape)


def real_values(tensor: TfTensor) -> NDArray[np.float32] | None:
    """A constant's real values: scale · (code − zero point), per tensor or per channel.

    Returns:
        None where the tensor is no constant, is stored sparsely or has codes without a scale.
    """
    data, quantization = tensor.data, tensor.quantization
    if data is None or tensor.sparse:
        return None
    if is_packed(tensor):
        data = unpacked(tensor, data.reshape(-1))
    if data.shape != tensor.shape:
        return None
    if data.dtype.kind == "f":
        return np.asarray(data, np.float32)
    if quantization is None or data.dtype.kind not in "iu":
        return None
    shape = [1] * data.ndim
    if not quantization.per_tensor:
        shape[quantization.axis] = -1
    scale = np.asarray(quantization.scale, np.float64).reshape(shape)
    zero = np.asarray(quantization.zero_point, np.float64).reshape(shape)
    return ((data.astype(np.float64) - zero) * scale).astype(np.float32)

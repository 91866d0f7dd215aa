"""What a model's inputs and outputs are called, how they are shaped and how they are quantized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfModel

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a model.

    Attributes:
        name: the signature's name where the model has one signature, else the tensor's name.
        shape: with batch 1.
        dtype: numpy dtype name: ``int8``, ``uint8``, ``int16``, ``float32`` …
        scale, zero_point: per-tensor quantization, real = scale · (q − zero_point); None for float.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def quantize(self, real: Array) -> Array:
        """Float (any shape) → this tensor's dtype: round half to even, then clip. Float stays.

        A whole-number tensor without a scale takes the values themselves, rounded and clipped.
        """
        values = np.asarray(real)
        if self.scale is None or self.zero_point is None:
            if np.dtype(self.dtype).kind not in "iu" or values.dtype.kind in "iu":
                return values.astype(self.dtype)
            scale, zero_point = 1.0, 0
        else:
            scale, zero_point = self.scale, self.zero_point
        limits = np.iinfo(self.dtype)
        q = np.rint(values.astype(np.float64) / scale) + zero_point
        return np.clip(q, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, raw: Array) -> NDArray[np.float32]:
        """This tensor's dtype → float32 real values of the same shape."""
        if self.scale is None or self.zero_point is None:
            return np.asarray(raw, dtype=np.float32)
        codes = np.asarray(raw)
        small = codes.dtype.kind in "iu" and codes.itemsize <= 2 and abs(self.zero_point) < 1 << 16
        if small and float(np.float32(self.scale)) == self.scale:
            # Exact but for one rounding, as below, and much faster.
            steps = (codes.astype(np.int32) - self.zero_point).astype(np.float32)
            return steps * np.float32(self.scale)
        return ((codes.astype(np.float64) - self.zero_point) * self.scale).astype(np.float32)


def tensor_infos(model: TfModel) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Inputs and outputs of a model, as :class:`LiteRTPredictor` names them."""
    graph = model.main
    inputs, outputs = _signature_names(model)
    return (
        tuple(_info(model, k, inputs) for k in graph.inputs),
        tuple(_info(model, k, outputs) for k in graph.outputs),
    )


def open_shapes(model: TfModel) -> dict[str, tuple[int, ...]]:
    """Inputs whose size the file leaves open: name → shape, with −1 for each open size.

    A batch that is open is always 1 here, and no size to choose.
    """
    graph = model.main
    inputs, _ = tensor_infos(model)
    signatures = (graph.tensors[index].shape_signature for index in graph.inputs)
    return {
        info.name: (*info.shape[:1], *signature[1:])
        for info, signature in zip(inputs, signatures, strict=True)
        if -1 in signature[1:]
    }


def _signature_names(model: TfModel) -> tuple[dict[int, str], dict[int, str]]:
    graph = model.main
    if len(model.signatures) == 1 and model.signatures[0].subgraph == 0:
        sides = model.signatures[0].inputs, model.signatures[0].outputs
        inputs, outputs = ({index: name for name, index in side} for side in sides)
        # Only where they name every tensor, each once.
        if set(inputs) == set(graph.inputs) and set(outputs) == set(graph.outputs):
            return inputs, outputs
    return _tensor_names(model, graph.inputs), _tensor_names(model, graph.outputs)


def _tensor_names(model: TfModel, indices: tuple[int, ...]) -> dict[int, str]:
    names = {index: model.main.tensors[index].name for index in indices}
    if len(set(names.values())) == len(names):
        return names
    return {index: f"{name}:{index}" for index, name in names.items()}


def _info(model: TfModel, index: int, names: Mapping[int, str]) -> TensorInfo:
    tensor = model.main.tensors[index]
    quant = tensor.quantization
    per_tensor = quant is not None and quant.per_tensor and not tensor.dtype.value.startswith("fl")
    return TensorInfo(
        name=names[index],
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        scale=quant.scale[0] if quant and per_tensor else None,
        zero_point=quant.zero_point[0] if quant and per_tensor else None,
    )

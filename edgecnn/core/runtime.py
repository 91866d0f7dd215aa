"""The ``Predictor`` protocol and its LiteRT implementation.

This is the only import of ai-edge-litert / tflite-runtime. ai-edge-litert comes first;
tflite-runtime 2.14 (armv7l) is the fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
        """float (any shape) → this tensor's dtype: round half to even, then clip. Float stays."""
        if self.scale is None or self.zero_point is None:
            return np.asarray(real, dtype=self.dtype)
        limits = np.iinfo(self.dtype)
        q = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.clip(q, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, raw: Array) -> NDArray[np.float32]:
        """This tensor's dtype → float32 real values of the same shape."""
        if self.scale is None or self.zero_point is None:
            return np.asarray(raw, dtype=np.float32)
        return ((np.asarray(raw, np.float64) - self.zero_point) * self.scale).astype(np.float32)


class Predictor(Protocol):
    """Named arrays in → named arrays out, raw (quantized) dtypes, batch 1."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once; arrays have exactly the shapes and dtypes of :attr:`inputs`."""

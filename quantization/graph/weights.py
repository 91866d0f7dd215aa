"""Weights and biases of one op as integers that its kernel can add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantization.graph.params import along, round_away, weight_codes, weight_scale
from quantization.work import WeightCodes

#: Largest bias codes: half of what an int32 accumulator holds is left for the products; int16
#: kernels multiply their int64 accumulators by 16 bits more.
_BIAS_LIMIT = {"int32": 2.0**30, "int64": 2.0**40}


@dataclass(frozen=True)
class Layer:
    """The constants of one op.

    Attributes:
        values: float32 weights, any shape.
        bias: float32 (channels,); None without one.
        axis: of the output channels in ``values``.
        per_channel: whether each output channel has its own scale.
        input_scale: of the activations that the weights meet.
        wide: int64 biases (int16 activations) instead of int32.
        given: codes that a step chose; None: rounded to the nearest.
    """

    values: NDArray[Any]
    bias: NDArray[Any] | None
    axis: int
    per_channel: bool
    input_scale: float
    wide: bool = False
    given: WeightCodes | None = None


@dataclass(frozen=True)
class QuantizedLayer:
    """The constants as the file holds them.

    Attributes:
        codes: int8, the weights' shape.
        scale: float32 (1,) or (channels,).
        bias: int32 or int64 (channels,); None without one.
        bias_scale: float32, as many as ``scale``.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[Any] | None
    bias_scale: NDArray[np.float32]


def quantize_layer(layer: Layer) -> QuantizedLayer:
    """Scales, codes and bias; channels whose bias would overflow get coarser weights."""
    axis = layer.axis if layer.per_channel else None
    values = np.asarray(layer.values, np.float32)
    given = layer.given
    scale = given.scale.astype(np.float32) if given else weight_scale(values, axis)
    wide = "int64" if layer.wide else "int32"
    needed = _needed(layer, scale.size, _BIAS_LIMIT[wide])
    small = scale < needed
    if given is not None:
        codes = given.codes
        if small.any():
            scale = np.maximum(scale, needed)
            again = weight_codes(values, scale, layer.axis)
            codes = np.where(along(small, layer.axis, values.ndim), again, codes)
    else:
        scale = np.maximum(scale, needed)
        codes = weight_codes(values, scale, layer.axis)
    bias_scale = (scale.astype(np.float64) * layer.input_scale).astype(np.float32)
    bias = None
    if layer.bias is not None:
        exact = scale.astype(np.float64) * layer.input_scale
        limit = np.iinfo(wide).max if wide == "int32" else 2.0**62
        bias = np.clip(round_away(layer.bias / exact), -limit, limit).astype(wide)
    return QuantizedLayer(codes.astype(np.int8), scale, bias, bias_scale)


def _needed(layer: Layer, scales: int, limit: float) -> NDArray[np.float32]:
    """The smallest weight scales with which the bias stays below ``limit`` codes."""
    if layer.bias is None or layer.bias.size == 0:
        return np.zeros(scales, np.float32)
    needed = np.abs(layer.bias.astype(np.float64)) / (limit * layer.input_scale)
    if scales == 1:
        needed = needed.max(keepdims=True)
    # Subnormal products would be flushed to zero in the file.
    needed = np.maximum(needed, float(np.finfo(np.float32).tiny) / layer.input_scale)
    return needed.astype(np.float32)

"""Scales, zero points and codes: the arithmetic of quantization, as TFLite defines it.

Source: B. Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018 (arXiv:1712.05877), and TFLite's quantization
specification (int8 asymmetric activations, int8 symmetric weights, int16 symmetric activations).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.model import Quantization
from quantization.work import Range

Integer = Literal["int8", "int16", "uint8"]
WEIGHT_LIMIT = 127
#: The smallest activation scales. LiteRT's SOFTMAX aborts below 2⁻²⁶; the code of RELU6's bound
#: must fit 32 bits; and a scale near zero (a tensor that is always 0) would make the multipliers
#: of its neighbours overflow.
MIN_SCALE = {"int8": 2.0**-24, "uint8": 2.0**-24, "int16": 2.0**-28}
_LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32767, 32767)}
_TINY = float(np.finfo(np.float32).tiny)


def activation_params(range: Range, dtype: Integer) -> Quantization:
    """The scale and zero point of an activation tensor.

    int8 and uint8 are asymmetric, the real 0 has a code of its own (nudged); int16 is symmetric.

    Args:
        range: real values; widened to hold 0.
        dtype: of the tensor.

    Raises:
        QuantizationError: the range is not finite, or low is above high.
    """
    low, high = float(range.low), float(range.high)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise QuantizationError(
            f"a range of activations is {low:g} … {high:g}, expected finite numbers in order",
            hint="look for NaN, infinity or an overflow in the model and the calibration data",
        )
    low, high = min(low, 0.0), max(high, 0.0)
    q_low, q_high = _LIMITS[dtype]
    if dtype == "int16":
        return quantization(max(max(-low, high) / q_high, MIN_SCALE[dtype]), 0)
    # Halved first: the difference of two huge values would overflow.
    scale = max(2.0 * ((high / 2 - low / 2) / (q_high - q_low)), MIN_SCALE[dtype])
    return quantization(scale, zero_point(low, high, scale, dtype))


def zero_point(low: float, high: float, scale: float, dtype: Integer) -> int:
    """The code of the real 0; counted from the end of the range where that is more exact."""
    q_low, q_high = _LIMITS[dtype]
    from_low = q_low - low / scale
    if high / 2 - low / 2 < 0.495 * scale * (q_high - q_low):
        # The scale is larger than the range asks for: any end would do, the lower is taken.
        return int(min(max(_round(from_low), q_low), q_high))
    from_high = q_high - high / scale
    low_error = abs(q_low) + abs(low / scale)
    high_error = abs(q_high) + abs(high / scale)
    exact = from_low if low_error < high_error else from_high
    return int(min(max(_round(exact), q_low), q_high))


def quantization(scale: float, zero: int) -> Quantization:
    """One scale and zero point, the scale as the file will hold it (float32)."""
    return Quantization((float(np.float32(scale)),), (zero,))


def weight_scale(values: NDArray[Any], axis: int | None) -> NDArray[np.float32]:
    """Symmetric scales that just hold the largest weight.

    A channel of zeros gets the largest scale of the tensor (1 where all are zero): harmless, and
    coarse enough for any bias.

    Args:
        values: float32 weights of any shape.
        axis: of the channels; None: one scale for all.

    Returns:
        float32 (channels,) or (1,), all positive.
    """
    magnitude = np.abs(values)
    if axis is None:
        peaks = np.atleast_1d(magnitude.max(initial=0.0)).astype(np.float64)
    else:
        others = tuple(k for k in range(values.ndim) if k != axis)
        peaks = magnitude.max(axis=others, initial=0.0).astype(np.float64)
    scales = peaks / WEIGHT_LIMIT
    largest = float(scales.max(initial=0.0)) or 1.0
    return np.where(scales > _TINY, scales, largest).astype(np.float32)


def weight_codes(
    values: NDArray[Any], scale: NDArray[np.float32], axis: int | None
) -> NDArray[np.int8]:
    """Weights as integers: nearest, halves away from zero, −127 to 127.

    Args:
        values: float32, any shape.
        scale: (1,) or (channels,).
        axis: of the channels; not read where there is one scale.
    """
    codes = round_away(values / along(scale, axis, values.ndim).astype(np.float64))
    return np.clip(codes, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)


def activation_codes(
    values: NDArray[Any], quantization: Quantization, dtype: Integer
) -> NDArray[Any]:
    """Constants that stand in for activations, as integers: nearest, saturating."""
    limits = np.iinfo(dtype)
    scaled = np.asarray(values, np.float64) / quantization.scale[0]
    codes = round_away(scaled) + quantization.zero_point[0]
    return np.clip(codes, limits.min, limits.max).astype(dtype)


def along(scale: NDArray[Any], axis: int | None, rank: int) -> NDArray[Any]:
    """``scale`` shaped so that it broadcasts against a tensor of that rank along ``axis``."""
    if axis is None or scale.size == 1:
        return scale.reshape((1,) * rank)
    return scale.reshape([-1 if k == axis else 1 for k in range(rank)])


def round_away(values: NDArray[Any]) -> NDArray[np.float64]:
    """To the nearest whole number, halves away from zero (C's round)."""
    whole = np.trunc(values)
    return whole + np.where(np.abs(values - whole) >= 0.5, np.sign(values), 0.0)


def _round(value: float) -> int:
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)

"""TFLite's fixed-point arithmetic in numpy: the one home of it in Python.

The C twin is ``kernels/generic/edgecnn_common.h``. Arrays are int64 that hold int32 values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
_Q31 = 1 << 31


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``real`` ≥ 0 as (Q31 multiplier, shift): real ≈ multiplier / 2³¹ · 2^shift.

    Real values below 2⁻³² give (0, 0), as in TFLite.

    >>> quantize_multiplier(0.5), quantize_multiplier(3.0), quantize_multiplier(1e-30)
    ((1073741824, 0), (1610612736, 2), (0, 0))
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * _Q31 + 0.5)
    if multiplier == _Q31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def wrap_int32(values: ArrayLike) -> Ints:
    """Reduces modulo 2³² into the int32 range."""
    return ((np.asarray(values, np.int64) + _Q31) & 0xFFFFFFFF) - _Q31


def high_mul(a: ArrayLike, b: ArrayLike) -> Ints:
    """SaturatingRoundingDoublingHighMul: a·b / 2³¹, ties towards +∞, INT32_MIN² saturated."""
    left, right = np.asarray(a, np.int64), np.asarray(b, np.int64)
    result = (left * right + (1 << 30)) >> 31
    return np.minimum(result, _Q31 - 1)


def round_shift(values: ArrayLike, right: ArrayLike) -> Ints:
    """RoundingDivideByPOT: value / 2^right, to nearest, ties away from zero."""
    x, r = np.asarray(values, np.int64), np.asarray(right, np.int64)
    half = np.where(r > 0, np.int64(1) << np.maximum(r - 1, 0), 0)
    return np.where(r > 0, (x + half - (x < 0)) >> r, x)


def multiply_double(acc: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> Ints:
    """MultiplyByQuantizedMultiplier with double rounding."""
    s = np.asarray(shift, np.int64)
    shifted = wrap_int32(np.asarray(acc, np.int64) << np.maximum(s, 0))
    return round_shift(high_mul(shifted, multiplier), np.maximum(-s, 0))


def multiply_single(acc: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> Ints:
    """The same with single rounding: (acc·m + 2^(t−1)) >> t, t = 31 − shift."""
    total = 31 - np.asarray(shift, np.int64)
    product = np.asarray(acc, np.int64) * np.asarray(multiplier, np.int64)
    return (product + (np.int64(1) << (total - 1))) >> total


def saturating_shift_left(values: ArrayLike, left: int, bits: int = 32) -> Ints:
    """Value · 2^left, saturated to a signed integer of ``bits`` bits."""
    limit = 1 << (bits - 1)
    return np.clip(np.asarray(values, np.int64) << left, -limit, limit - 1)


def round_half_away(values: ArrayLike) -> NDArray[Any]:
    """std::round: to nearest, ties away from zero, in the dtype given."""
    x = np.asarray(values)
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole).astype(x.dtype)


def quantize_float(value: float, scale: float, zero_point: int) -> int:
    """A real value as q, computed in float32 as TFLite does; not clamped."""
    return zero_point + int(round_half_away(np.float32(value) / np.float32(scale)))


ACTIVATIONS = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Fused activation → (lowest, highest) real value; None is open."""


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """The int8 range that a fused activation leaves.

    >>> activation_range("RELU6", 0.05, -128)
    (-128, -8)
    """
    low, high = ACTIVATIONS[activation]
    q_low = -128 if low is None else max(-128, quantize_float(low, scale, zero_point))
    q_high = 127 if high is None else min(127, quantize_float(high, scale, zero_point))
    return q_low, q_high

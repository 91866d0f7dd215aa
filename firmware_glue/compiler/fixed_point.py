"""TFLite's fixed-point arithmetic in numpy: the one home of it in Python.

The C twin is ``kernels/generic/edgecnn_common.h``. Arrays are int64 that hold int32 values.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Numerics, Tensor

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


Multiply = Callable[[ArrayLike, ArrayLike, ArrayLike], Ints]


def multiply(numerics: Numerics) -> Multiply:
    """The multiplication that int32 accumulators take, but for FULLY_CONNECTED."""
    return multiply_single if numerics is Numerics.SINGLE else multiply_double


def multiply_wide(acc: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> Ints:
    """MultiplyByQuantizedMultiplier of int64 accumulators (int16 activations).

    The multiplier is reduced to 16 bits and the product rounded once, ties towards +∞; the same
    in all numerics. Exact for accumulators below 2⁴⁷.
    """
    m = np.asarray(multiplier, np.int64)
    reduced = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - np.asarray(shift, np.int64)
    product = np.asarray(acc, np.int64) * reduced
    return (product + (np.int64(1) << (total - 1))) >> total


def saturating_shift_left(values: ArrayLike, left: int, bits: int = 32) -> Ints:
    """Value · 2^left, saturated to a signed integer of ``bits`` bits."""
    limit = 1 << (bits - 1)
    return np.clip(np.asarray(values, np.int64) << left, -limit, limit - 1)


def _newton_reciprocal(a: ArrayLike) -> Ints:
    """2 / (1 + a) as Q2.29, for a in [0, 1) in Q0.31: gemmlowp's three Newton-Raphson steps."""
    half = (np.asarray(a, np.int64) + _Q31) >> 1
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x = x + saturating_shift_left(high_mul(x, (1 << 29) - high_mul(half, x)), 2)
    return x


def reciprocal_1p(a: ArrayLike) -> Ints:
    """1 / (1 + a) for a in [0, 1), both Q0.31, as gemmlowp."""
    return saturating_shift_left(_newton_reciprocal(a), 1)


def ratio_1m_1p(a: ArrayLike) -> Ints:
    """(1 − a) / (1 + a) for a in [0, 1), both Q0.31, as gemmlowp."""
    return saturating_shift_left(_newton_reciprocal(a) - (1 << 29), 2)


def _exp_quarter(a: Ints) -> Ints:
    """exp(a) for a in [−1/4, 0), Q0.31: gemmlowp's Taylor series around −1/8."""
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4_over_4 = round_shift(high_mul(x2, x2), 2)
    tail = round_shift(high_mul(x4_over_4 + x3, 715827883) + x2, 1)
    constant = 1895147668
    return constant + high_mul(x + tail, constant)


def exp_negative(a: ArrayLike, integer_bits: int) -> Ints:
    """exp(a) of a ≤ 0 with up to 5 integer bits, as Q0.31: gemmlowp's exp_on_negative_values."""
    x = np.asarray(a, np.int64)
    first = 31 - integer_bits - 2
    low = (x & ((1 << first) - 1)) - (1 << first)
    result = _exp_quarter(saturating_shift_left(low, integer_bits))
    remainder = low - x
    # exp(−1/4), exp(−1/2), exp(−1) … of the bits of the rest.
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for bit, factor in zip(range(first, 31), factors, strict=False):
        result = np.where(remainder & (1 << bit), high_mul(result, factor), result)
    return np.where(x == 0, _Q31 - 1, result)


@functools.lru_cache(1024)
def inverse_sqrt(x: int) -> tuple[int, int]:
    """1/√x of x ≥ 0 as (Q31 multiplier, shift): TFLite's five Newton-Raphson steps on Q3.28.

    The C twin is ``ec_inverse_sqrt``.
    """
    if x <= 1:
        return _Q31 - 1, 0
    right = 11
    while x >= 1 << 29:
        x, right = x // 4, right + 1
    pairs = (31 - x.bit_length()) // 2 - 1
    right -= pairs
    q28 = (x << 2 * pairs) >> 1
    half = round_shift(q28, 1)
    guess = np.asarray(1 << 28, np.int64)
    for _ in range(5):
        cube = saturating_shift_left(high_mul(high_mul(guess, guess), guess), 6)
        step = high_mul((1 << 28) + (1 << 27), guess) - high_mul(half, cube)
        guess = saturating_shift_left(step, 3)
    multiplier = int(high_mul(guess, 1518500250))
    return (multiplier << -right, 0) if right < 0 else (multiplier, -right)


def round_half_away(values: ArrayLike) -> NDArray[Any]:
    """std::round: to nearest, ties away from zero, in the dtype given."""
    x = np.asarray(values)
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole).astype(x.dtype)


def to_int32(values: ArrayLike) -> Ints:
    """Floats as C++ on x86 converts them to int32: what does not fit (NaN too) is the lowest."""
    x = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):
        fits = (x > -_Q31 - 1) & (x < _Q31)
    return np.where(fits, np.trunc(np.where(fits, x, 0)), -_Q31).astype(np.int64)


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


_LIMITS = {
    DType.INT8: (-128, 127),
    DType.UINT8: (0, 255),
    DType.INT16: (-(1 << 15), (1 << 15) - 1),
    DType.INT32: (-(1 << 31), (1 << 31) - 1),
}


def limits(dtype: DType) -> tuple[int, int]:
    """The lowest and highest value of an integer dtype of up to 32 bits."""
    return _LIMITS[dtype]


def activation_range(activation: str, tensor: Tensor) -> tuple[int, int]:
    """The range that a fused activation leaves in a quantized output tensor.

    ``RELU6`` at scale 0.05 and zero point −128 in int8 gives (−128, −8).
    """
    low, high = ACTIVATIONS[activation]
    lowest, highest = limits(tensor.dtype)
    scale, zero_point = tensor.scale, tensor.zero_point
    q_low = lowest if low is None else max(lowest, quantize_float(low, scale, zero_point))
    q_high = highest if high is None else min(highest, quantize_float(high, scale, zero_point))
    return q_low, q_high


def float_range(activation: str) -> tuple[float, float]:
    """The range that a fused activation leaves in float32; its own limits where open."""
    low, high = ACTIVATIONS[activation]
    top = float(np.finfo(np.float32).max)
    return (-top if low is None else low, top if high is None else high)

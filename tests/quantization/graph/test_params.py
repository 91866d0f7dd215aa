from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.model import Quantization
from quantization.graph.params import (
    MIN_SCALE,
    activation_codes,
    activation_params,
    along,
    round_away,
    weight_codes,
    weight_scale,
)
from quantization.work import Range

REAL = st.floats(-1e6, 1e6, width=32)


def pair(one: float, other: float) -> Range:
    return Range(min(one, other), max(one, other))


@pytest.mark.parametrize(
    ("low", "high", "dtype", "scale", "zero"),
    [
        (0.0, 255.0, "int8", 1.0, -128),
        (-128.0, 127.0, "int8", 1.0, 0),
        (-1.0, 1.0, "int8", 2 / 255, 0),  # −0.5, away from zero towards the upper end's count
        (0.0, 6.0, "int8", 6 / 255, -128),
        (-3.0, 0.0, "int8", 3 / 255, 127),
        (2.0, 5.1, "int8", 5.1 / 255, -128),
        (0.0, 255.0, "uint8", 1.0, 0),
        (-2.0, 32767.0, "int16", 1.0, 0),
        (-65534.0, 3.0, "int16", 2.0, 0),
    ],
)
def test_known(low, high, dtype, scale, zero):
    found = activation_params(Range(low, high), dtype)
    assert found.scale == (float(np.float32(scale)),)
    if (low, high) != (-1.0, 1.0):
        assert found.zero_point == (zero,)
    else:
        assert abs(found.zero_point[0]) <= 1


@given(REAL, REAL)
def test_int8_covers_its_range(one, other):
    found = activation_params(pair(one, other), "int8")
    (scale,), (zero,) = found.scale, found.zero_point
    low, high = min(one, other, 0.0), max(one, other, 0.0)
    assert scale >= MIN_SCALE["int8"] and -128 <= zero <= 127
    # Nudging moves the ends by half a step at most.
    assert (-128 - zero) * scale <= low + 0.51 * scale
    assert (127 - zero) * scale >= high - 0.51 * scale
    assert scale <= max((high - low) / 255 * (1 + 1e-6), MIN_SCALE["int8"])


@given(REAL, REAL)
def test_int16_is_symmetric(one, other):
    found = activation_params(pair(one, other), "int16")
    assert found.zero_point == (0,)
    peak = max(abs(one), abs(other))
    assert found.scale[0] == pytest.approx(max(peak / 32767, MIN_SCALE["int16"]), rel=1e-6)


@given(REAL, REAL)
def test_uint8_is_int8_shifted(one, other):
    a, b = (activation_params(pair(one, other), dtype) for dtype in ("int8", "uint8"))
    assert a.scale == b.scale and abs(b.zero_point[0] - 128 - a.zero_point[0]) <= 1


def test_huge_and_bad_ranges():
    huge = activation_params(Range(-3e38, 3e38), "int8")
    assert math.isfinite(huge.scale[0])
    for bad in (Range(0.0, math.inf), Range(math.nan, 0.0), Range(1.0, 0.0)):
        with pytest.raises(QuantizationError, match="range"):
            activation_params(bad, "int8")


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40), st.integers(1, 4))
def test_rounding_is_c_rounding(values, halves):
    array = np.array(values) + halves / 2
    expected = [math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1) for v in array]
    np.testing.assert_array_equal(round_away(array), expected)
    assert round_away(np.array(0.49999999999999994)) == 0


@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_weights_come_back_within_half_a_step(seed, channels, per_channel):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 10.0 ** rng.integers(-6, 4), (3, 2, channels)).astype(np.float32)
    values[..., 0] *= rng.integers(0, 2)  # now and then a dead channel
    axis = 2 if per_channel else None
    scale = weight_scale(values, axis)
    assert scale.dtype == np.float32 and scale.shape == (channels if per_channel else 1,)
    assert (scale > 0).all()
    codes = weight_codes(values, scale, axis)
    assert codes.dtype == np.int8 and codes.min() >= -127
    back = codes * along(scale, axis, 3).astype(np.float64)
    assert (np.abs(back - values) <= along(scale, axis, 3) * 0.5001).all()
    if not per_channel and values.any():
        assert np.abs(codes).max() == 127


def test_dead_channels_are_harmless():
    values = np.zeros((4, 3), np.float32)
    assert weight_scale(values, 0).tolist() == [1.0] * 4
    assert weight_scale(values, None).tolist() == [1.0]
    values[2, 1] = 1.27
    assert weight_scale(values, 0) == pytest.approx([0.01] * 4)
    assert weight_scale(np.empty((0, 3), np.float32), None).tolist() == [1.0]


def test_constants_saturate():
    params = Quantization((0.5,), (10,))
    codes = activation_codes(np.array([0.0, 1.0, -1e9, 1e30]), params, "int8")
    assert codes.tolist() == [10, 12, -128, 127] and codes.dtype == np.int8

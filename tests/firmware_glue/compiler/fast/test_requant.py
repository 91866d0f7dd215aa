"""Requantization by SMMLA and SSAT equals the layer's own on every accumulator."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fast.requant import Form, requantization
from firmware_glue.compiler.fast.sums import Layer
from firmware_glue.compiler.ir import Numerics

_CHANNELS = 8


def layer(
    rng: np.random.Generator, depth: int, numerics: Numerics, zero: int, ends: tuple[int, int],
    spread: float = 3.0, factor: float = 1.0,
) -> Layer:  # fmt: skip
    """Random filters whose sums fill the output; one channel dead, one constant."""
    filters = rng.integers(-127, 128, (_CHANNELS, depth))
    bias = rng.integers(-3000, 3000, _CHANNELS)
    filters[3] = 0
    reals = factor * 0.011 / np.sqrt(depth) * 2.0 ** -rng.uniform(0, spread, _CHANNELS)
    pairs = [fixed_point.quantize_multiplier(float(real)) for real in reals]
    pairs[5] = 0, -1
    sums = np.stack([filters * 255, np.zeros_like(filters)])
    return Layer(
        filters, bias, -128, zero,
        np.array([m for m, _ in pairs], np.int64), np.array([s for _, s in pairs], np.int64),
        bias + sums.min(axis=0).sum(axis=1), bias + sums.max(axis=0).sum(axis=1), *ends, numerics,
    )  # fmt: skip


def check(layer: Layer) -> Form:
    """Compares on all accumulators, or on many."""
    found = requantization(layer)
    assert found is not None
    rng = np.random.default_rng(1)
    for channel in range(_CHANNELS):
        low, high = int(layer.low[channel]), int(layer.high[channel])
        sums = (
            np.arange(low, high + 1) if high - low < 1 << 18 else rng.integers(low, high, 1 << 17)
        )
        want = layer.outputs(sums, np.full(len(sums), channel))
        np.testing.assert_array_equal(found.outputs(sums, channel), want)
        if found.form is Form.AFFINE and found.fits_scaled(256):
            # What the kernels do with 256 times the sum, in 32-bit registers.
            scaled = 256 * (sums + found.betas[channel]) * found.multipliers[channel] >> 32
            scaled = scaled + 256 * found.addends[channel] >> found.shift + 8
            np.testing.assert_array_equal(np.clip(scaled, layer.act_min, layer.act_max), want)
    return found.form


@pytest.mark.parametrize("depth", [1, 8, 27, 64, 300])
@pytest.mark.parametrize("numerics", [Numerics.LITERT_REF, Numerics.SINGLE])
def test_relu_takes_two_instructions(depth: int, numerics: Numerics) -> None:
    rng = np.random.default_rng(depth)
    assert check(layer(rng, depth, numerics, -128, (-128, 127), 1.5)) is Form.AFFINE


@pytest.mark.parametrize("depth", [8, 64])
@pytest.mark.parametrize(("zero", "ends"), [(3, (-128, 127)), (-20, (-20, 60)), (127, (-128, 127))])
def test_outputs_on_both_sides_of_zero(depth: int, zero: int, ends: tuple[int, int]) -> None:
    rng = np.random.default_rng([depth, zero + 128])
    assert check(layer(rng, depth, Numerics.LITERT_REF, zero, ends)) in (Form.TWICE, Form.AFFINE)
    assert check(layer(rng, depth, Numerics.SINGLE, zero, ends)) is Form.AFFINE


def test_scales_far_apart() -> None:
    rng = np.random.default_rng(0)
    assert check(layer(rng, 2304, Numerics.LITERT_REF, 5, (-128, 127), 8.0)) is Form.TWICE
    assert check(layer(rng, 2304, Numerics.SINGLE, 5, (-128, 127), 8.0)) is Form.ONCE


def test_sums_that_only_grow_are_refused() -> None:
    rng = np.random.default_rng(0)
    assert requantization(layer(rng, 4, Numerics.LITERT_REF, 5, (-128, 127), 0.0, 400.0)) is None


@pytest.mark.parametrize("seed", range(20))
def test_random(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    depth, zero = int(rng.integers(1, 200)), int(rng.integers(-128, 128))
    low, high = sorted(int(v) for v in rng.integers(-128, 128, 2))
    numerics = Numerics.SINGLE if seed % 2 else Numerics.LITERT_REF
    made = layer(rng, depth, numerics, zero, (low, high), rng.uniform(0, 6), rng.uniform(0.1, 2))
    check(made)

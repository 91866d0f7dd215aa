"""Requantization by 32-bit products: equal to the layer's own on every accumulator tried."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_glue.compiler.fast.sums import Layer
from firmware_glue.compiler.fast.v6m.requant import Scales, requantization
from firmware_glue.compiler.ir import Numerics


def layer(rng: np.random.Generator, numerics: Numerics, out_zero: int) -> Layer:
    """Sixteen channels whose steps are from 2 to 2,000 accumulators wide."""
    count = 16
    shifts = -rng.integers(1, 11, count)
    multipliers = rng.integers(1 << 30, 1 << 31, count)
    reach = np.minimum(2.0 ** (31.0 - shifts) / multipliers * rng.uniform(1, 400, count), 1 << 22)
    middle = rng.integers(-500, 500, count)
    low, high = middle - reach.astype(np.int64), middle + reach.astype(np.int64)
    act_min, act_max = (-128, 127) if rng.random() < 0.5 else (out_zero, min(out_zero + 90, 127))
    zeros = np.zeros(count, np.int64)
    return Layer(
        np.zeros((count, 1), np.int64), zeros, 0, out_zero, multipliers, shifts, low, high,
        act_min, act_max, numerics,
    )  # fmt: skip


@pytest.mark.parametrize("numerics", [Numerics.LITERT_REF, Numerics.SINGLE])
@pytest.mark.parametrize("out_zero", [-128, -3, 50])
def test_equal_to_the_layer(numerics: Numerics, out_zero: int) -> None:
    rng, found = np.random.default_rng(out_zero + 200), 0
    for _ in range(6):
        made = layer(rng, numerics, out_zero)
        requant = requantization(made)
        if requant is None:
            continue
        found += 1
        for channel in range(len(made.bias)):
            low, high = int(made.low[channel]), int(made.high[channel])
            sums = np.unique(np.concatenate([
                np.arange(max(low, -3000), min(high, 3000) + 1), [low, high],
                rng.integers(low, high + 1, 4000),
            ]))  # fmt: skip
            want = made.outputs(sums, np.full(len(sums), channel))
            np.testing.assert_array_equal(requant.outputs(sums, channel), want)
    assert found > 3


def test_the_packed_form_holds_everything() -> None:
    scale = {"exponent": 8, "multiplier": 0xFEDCBA98, "limit": 1023 << 7, "add": 0xFFFF << 1}
    constant = Scales.constant(np.array([3, 3]))
    scales = constant.replaced(
        np.array([1]), constant.of(np.array([1]))._replace(**scale, kink=7, level=0)
    )
    (_, level, *_), (multiplier, rest, kink, drop) = scales.words().tolist()
    assert level == 3
    assert (multiplier, kink, drop) == (0xFEDCBA98, 7, 0)
    assert (rest >> 27, rest >> 16 & 0x7FF, rest & 0xFFFF) == (8, 1023, 0xFFFF)


def test_outputs_on_both_sides_of_zero_need_a_kink() -> None:
    rng = np.random.default_rng(1)
    positive, both = (layer(rng, Numerics.LITERT_REF, zero) for zero in (-128, 0))
    for made, kinked in ((positive, 0), (both, 1)):
        requant = requantization(made)
        assert requant is not None
        assert requant.kinked == kinked
        assert requant.words().shape == (16, 4 if kinked else 2)

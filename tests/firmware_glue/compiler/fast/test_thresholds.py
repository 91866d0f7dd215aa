"""The steps of a layer, found from its factors, against all of its accumulators."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_glue.compiler.fast.dense import DenseLayer
from firmware_glue.compiler.fast.requant import first_multiple
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import layer_steps
from firmware_glue.compiler.ir import Numerics


def layer(rng: np.random.Generator, numerics: Numerics, *, real: bool) -> Layer:
    """Channels whose outputs go up by less than one per accumulator, or by hundreds; some stay."""
    count = 40
    shifts = rng.integers(-12, 8, count)
    multipliers = rng.integers(1 << 30, 1 << 31, count)
    multipliers[:2] = 0
    low, high = (rng.integers(*ends, count) for ends in ((-9000, 10), (10, 9000)))
    high[2] = low[2]
    zeros = np.zeros(count, np.int64)
    out_zero, act_min = (int(v) for v in rng.integers(-128, 100, 2))
    known = (
        zeros.reshape(-1, 1), zeros, 0, out_zero, multipliers, shifts, low, high, act_min,
        int(rng.integers(act_min, 128)), numerics,
    )  # fmt: skip
    reals = np.ldexp(multipliers * rng.uniform(0.99, 1.01, count), shifts - 31)
    return DenseLayer(*known, reals=reals) if real else Layer(*known)


@pytest.mark.parametrize("numerics", list(Numerics))
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_first_accumulator_of_each_output(numerics: Numerics, real: bool, seed: int) -> None:
    made = layer(np.random.default_rng(seed), numerics, real=real)
    found = layer_steps(made)
    for channel, steps in enumerate(found):
        sums = np.arange(made.low[channel], made.high[channel] + 1)
        outputs = made.outputs(sums, np.array(channel))
        assert (steps.first, steps.low, steps.high) == (outputs[0], sums[0], sums[-1])
        wanted = np.arange(outputs[0] + 1, outputs[-1] + 1)
        np.testing.assert_array_equal(steps.outputs, wanted)
        np.testing.assert_array_equal(steps.at, sums[np.searchsorted(outputs, wanted)])
        np.testing.assert_array_equal(found[channel].at, steps.at)


def test_some_channels() -> None:
    found = layer_steps(layer(np.random.default_rng(5), Numerics.LITERT_REF, real=False))
    kept = np.array([3, 0, 17, 2])
    for one, channel in zip(found.of(kept), kept.tolist(), strict=True):
        assert one.first == found[channel].first
        np.testing.assert_array_equal(one.at, found[channel].at)
    values = -found.at
    for channel, steps in enumerate(found):
        most, least = found.most(values, 7)[channel], found.least(values, 8)[channel]
        assert (most, least) == ((7, 8) if steps.constant else (-steps.at[0], -steps.at[-1]))


def test_a_function_that_is_off_by_one_somewhere_is_not_proven() -> None:
    made = layer(np.random.default_rng(6), Numerics.SINGLE, real=False)
    found = layer_steps(made)
    for channel in np.flatnonzero(found.counts)[:5].tolist():
        at = int(found[channel].at[-1])

        def late(sums: Ints, of: Ints, channel: int = channel, at: int = at) -> Ints:
            return made.outputs(sums - ((sums == at) & (of == channel)), of)

        assert np.flatnonzero(~found.proven(late)).tolist() == [channel]
    assert found.proven(made.outputs).all()


def test_first_multiple() -> None:
    rng = np.random.default_rng(0)
    for modulus in (1, 2, 7, 32, 360):
        multiples = np.arange(modulus)
        for _ in range(300):
            factor, low = rng.integers(0, 2 * modulus), rng.integers(-modulus, modulus)
            high = low + rng.integers(0, modulus // 4 + 1)
            fine = np.flatnonzero((multiples * factor - low) % modulus <= high - low)
            want = int(fine[0]) if len(fine) else None
            assert first_multiple(int(factor), modulus, int(low), int(high)) == want

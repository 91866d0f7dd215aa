from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quantization.calibration.histogram import (
    EMPTY,
    HALF,
    Accumulator,
    Scratch,
    coarsened,
    exponent_of,
    histogram_of,
    merged,
    widened,
)

# Ordinary float32: below 2^-100 the bins stop getting finer, and scaling may lose denormals.
REALS = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False).filter(
    lambda x: x == 0 or abs(x) > 1e-20
)
VALUES = arrays(np.float32, st.integers(0, 40), elements=REALS)


def same(one, other) -> bool:
    return (one.shift, one.first, one.low, one.high) == (
        other.shift,
        other.first,
        other.low,
        other.high,
    ) and np.array_equal(one.counts, other.counts)


@given(VALUES)
def test_counts_are_numpys(values):
    histogram = histogram_of(values)
    assert histogram.total == values.size
    if not values.size:
        return
    edges = (histogram.first + np.arange(len(histogram.counts) + 1)) * histogram.width
    expected, _ = np.histogram(values.astype(np.float64), edges)
    # numpy's last bin is closed; ours has no value on its upper limit.
    np.testing.assert_array_equal(histogram.counts, expected)
    assert (histogram.low, histogram.high) == (values.min(), values.max())


@given(VALUES, VALUES, VALUES)
def test_merging_is_exact_in_any_order_and_grouping(one, two, three):
    whole = histogram_of(np.concatenate([one, two, three]))
    a, b, c = histogram_of(one), histogram_of(two), histogram_of(three)
    assert same(merged(merged(a, b), c), whole)
    assert same(merged(a, merged(c, b)), whole)
    assert same(merged(c, merged(b, a)), whole)


@given(st.lists(VALUES, max_size=4))
def test_a_growing_accumulator_is_the_whole(parts):
    counted = Accumulator(Scratch())
    for part in parts:
        if part.size:
            counted.add(part, float(part.min()), float(part.max()))
    assert same(
        counted.histogram(), histogram_of(np.concatenate([np.zeros(0, np.float32), *parts]))
    )


@pytest.mark.parametrize("low", [0.0, -1.0, -0.001])
@pytest.mark.parametrize("high", [0.5, 0.500001, 1.0, 127.9, 128.1])
def test_enough_bins_are_in_use(low, high):
    values = np.linspace(low, high, 200_000, dtype=np.float32)
    assert len(histogram_of(values).counts) >= HALF / 2


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 2.0**-140, 3.4e38, -3.4e38, 1.5])
def test_one_value(value):
    histogram = histogram_of(np.full(5, value, np.float32))
    assert histogram.total == 5
    assert len(histogram.counts) == 1
    exact = float(np.float32(value))
    assert histogram.edges().tolist() == [exact, exact]
    assert histogram.quantile(0.5) == exact


def test_exponents():
    assert [exponent_of(x) for x in (0.0, 0.75, 1.0, 1.5, 2.0)] == [-100, 0, 1, 1, 2]


@pytest.mark.parametrize("share", [0.0, 0.00005, 0.01, 0.5, 0.9, 0.99995, 1.0])
@pytest.mark.parametrize("kind", ["normal", "one-sided", "skewed"])
def test_quantiles_are_numpys_within_a_bin(share, kind):
    rng = np.random.default_rng(1)
    values = {
        "normal": rng.normal(0.3, 1, 200_000),
        "one-sided": np.maximum(rng.normal(0, 1, 200_000), 0),
        "skewed": rng.exponential(2, 200_000) - 0.5,
    }[kind].astype(np.float32)
    histogram = histogram_of(values)
    # In the sparse tails one bin may hold few values or none: the neighbours' ranks bound it.
    rank = share * (values.size - 1)
    ordered = np.sort(values)
    least = ordered[max(math.floor(rank) - 2, 0)] - histogram.width
    most = ordered[min(math.ceil(rank) + 2, values.size - 1)] + histogram.width
    assert least <= histogram.quantile(share) <= most
    if 0.001 < share < 0.999:
        assert abs(histogram.quantile(share) - np.quantile(values, share)) <= histogram.width


def test_empty():
    nothing = histogram_of(np.zeros(0, np.float32))
    assert same(nothing, EMPTY)
    some = histogram_of(np.ones(3, np.float32))
    assert merged(nothing, some) is some
    assert merged(some, nothing) is some
    assert nothing.total == 0


def test_coarser_bins_hold_the_same():
    histogram = histogram_of(np.random.default_rng(0).normal(0, 1, 10_000).astype(np.float32))
    coarse = coarsened(histogram, 100)
    assert 50 <= len(coarse.counts) <= 100
    assert coarse.total == histogram.total
    assert widened(histogram, histogram.shift - 3) is histogram
    far = widened(histogram, histogram.shift + 80)
    assert far.total == histogram.total
    assert len(far.counts) == 2  # a bin on each side of zero


def test_histograms_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        histogram_of(np.ones(3, np.float32)).counts[0] = 4

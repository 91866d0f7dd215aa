from __future__ import annotations

import numpy as np
import pytest

from quantization.calibration import observers
from quantization.calibration.observers import DECAY, merged, moving_average, observed, start


def stream(count: int, seed: int = 0) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        [
            rng.normal(0, 1 + k / 10, (1, 4, 4, 2)).astype(np.float32),
            rng.uniform(0, 3, (1, 5)).astype(np.float32),
            np.zeros((1, 0), np.float32),
        ]
        for k in range(count)
    ]


def summary_of(samples, size: int, counted: bool = True):
    summary = start(3)
    for first in range(0, len(samples), size):
        summary = merged(summary, observed(samples[first : first + size], 3, counted))
    return summary


def test_extremes():
    samples = stream(7)
    summary = summary_of(samples, 3)
    assert summary.samples == 7
    for column in (0, 1):
        values = np.concatenate([sample[column].ravel() for sample in samples])
        assert summary.low[column] == values.min()
        assert summary.high[column] == values.max()
        assert summary.histograms[column].total == values.size
    assert (summary.low[2], summary.high[2], summary.histograms[2].total) == (0, 0, 0)


@pytest.mark.parametrize("size", [1, 2, 5, 50])
def test_every_chunking_gives_the_same_bits(size):
    samples = stream(23)
    one, other = summary_of(samples, 23), summary_of(samples, size)
    for name in ("low", "high", "mean_low", "mean_high"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
    for left, right in zip(one.histograms, other.histograms, strict=True):
        np.testing.assert_array_equal(left.counts, right.counts)
        assert (left.shift, left.first) == (right.shift, right.first)


def test_the_moving_average_is_the_weighted_mean():
    samples = stream(40)
    lows, highs = moving_average(summary_of(samples, 16, counted=False))
    weights = DECAY ** np.arange(39, -1, -1.0)
    for column in (0, 1):
        expected = np.average([s[column].min() for s in samples], weights=weights)
        assert lows[column] == pytest.approx(expected, rel=1e-9)
        expected = np.average([s[column].max() for s in samples], weights=weights)
        assert highs[column] == pytest.approx(expected, rel=1e-9)


def test_the_moving_average_of_one_sample_is_its_extremes():
    samples = stream(1)
    lows, highs = moving_average(summary_of(samples, 1))
    assert lows[0] == pytest.approx(samples[0][0].min())
    assert highs[0] == pytest.approx(samples[0][0].max())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("counted", [False, True])
def test_what_is_not_finite_is_placed(bad, counted):
    samples = stream(6)
    samples[4][1][0, 2] = bad
    samples[5][0][...] = np.nan
    seen = observed(samples, 3, counted)
    assert seen.broken == (4, 1)
    assert len(seen.low) == 4


def test_no_histograms_unless_wanted():
    assert observed(stream(2), 3, False).histograms == ()
    assert observers.merged(start(3), observed(stream(2), 3, False)).histograms == ()

"""The range that loses the least information: relative entropy of the values and their codes.

Source: S. Migacz, 8-bit Inference with TensorRT, GPU Technology Conference 2017. There a
symmetric threshold on magnitudes is searched; here each side has its own, so that one-sided
(after ReLU) and skewed tensors use all codes. As there, the reference holds the clipped values in
its outermost bins, the candidate is made without them, and candidates narrower than one bin per
code are not looked at. The bin that holds 0 is cut down to its neighbours: after ReLU it would
outweigh all others, although 0 has a code of its own and loses nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantization.calibration.grid import Array, Grid, steps_of
from quantization.calibration.histogram import Histogram, coarsened
from quantization.calibration.mse import around

BINS = 4096
_ROUNDS = 2
_TABLE, _LINE = 12, 24
# A thirty-second of the most bins is half a bin per code: the table need not go below.
_LEAST = 1 / 32
_SMALL = 1e-12


def entropy_range(histogram: Histogram, grid: Grid) -> tuple[float, float]:
    """Low and high of the least relative entropy, never worse than the exact extremes.

    A grid finer than the bins loses nothing that a histogram could show: the exact extremes.

    Args:
        histogram: of the tensor's values.
        grid: of its dtype.
    """
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    coarse = coarsened(histogram, BINS)
    least = coarse.width * grid.steps
    if grid.symmetric or high - low <= least:
        return histogram.low, histogram.high
    factors = _shares(_TABLE)
    lows, highs = np.meshgrid(low * factors if low else np.zeros(1), high * factors)
    best = _best(coarse, lows.ravel(), highs.ravel(), grid)
    for _ in range(_ROUNDS):
        highs = _both(best[1], high)
        best = _best(coarse, np.full(len(highs), best[0]), highs, grid)
        lows = _both(best[0], low)
        best = _best(coarse, lows, np.full(len(lows), best[1]), grid)
    return max(best[0], histogram.low), min(best[1], histogram.high)


def divergence(histogram: Histogram, low: Array, high: Array, grid: Grid) -> Array:
    """Relative entropy, in nats, of the clipped values against their codes.

    Args:
        histogram: not empty.
        low: (candidates,), at most 0.
        high: (candidates,), at least 0.
        grid: the dtype's codes.

    Returns:
        (candidates,); infinite where a range is narrower than a bin per code or holds no value.
    """
    counts = _without_zero(histogram)
    centres = (histogram.first + np.arange(len(counts)) + 0.5) * histogram.width
    scale, first, last = (column[:, None] for column in steps_of(low, high, grid))
    levels = np.rint(centres / scale)
    inside = (levels >= first) & (levels <= last)
    codes = (np.clip(levels, first, last) - first).astype(np.int64)
    reference, candidate = _distributions(counts, inside, codes, grid.steps + 1)
    ratio = np.log(np.maximum(reference, _SMALL) / np.maximum(candidate, _SMALL))
    total = np.sum(np.where(reference > 0, reference * ratio, 0.0), axis=1)
    usable = (scale[:, 0] >= histogram.width) & (np.where(inside, counts, 0.0).sum(axis=1) > 0)
    return np.where(usable, total, np.inf)


def _distributions(
    counts: Array, inside: NDArray[np.bool_], codes: NDArray[np.int64], levels: int
) -> tuple[Array, Array]:
    """P and Q of each candidate, (candidates, bins), each summing to 1."""
    rows = np.arange(len(inside))
    kept = np.where(inside, counts, 0.0)
    reference = kept.copy()
    start = np.argmax(inside, axis=1)
    end = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    position = np.arange(inside.shape[1])
    np.add.at(reference, (rows, start), (counts * (position < start[:, None])).sum(axis=1))
    np.add.at(reference, (rows, end), (counts * (position > end[:, None])).sum(axis=1))
    flat = (codes + rows[:, None] * levels).reshape(-1)
    used = (reference > 0).astype(np.float64)
    size = len(inside) * levels
    mass = np.bincount(flat, kept.reshape(-1), size)
    bins = np.bincount(flat, used.reshape(-1), size)
    spread = (mass / np.maximum(bins, 1.0))[flat].reshape(inside.shape) * used
    return (
        reference / np.maximum(reference.sum(axis=1, keepdims=True), _SMALL),
        spread / np.maximum(spread.sum(axis=1, keepdims=True), _SMALL),
    )


def _best(histogram: Histogram, low: Array, high: Array, grid: Grid) -> tuple[float, float]:
    found = int(np.argmin(divergence(histogram, low, high, grid)))
    return float(low[found]), float(high[found])


def _both(value: float, limit: float) -> Array:
    """The present value first, all fractions of the limit, and the neighbourhood of the value."""
    return np.concatenate([[value], limit * _shares(_LINE), around(value, limit)])


def _shares(count: int) -> Array:
    return np.geomspace(1.0, _LEAST, count)


def _without_zero(histogram: Histogram) -> Array:
    counts = histogram.counts.astype(np.float64)
    zero = -histogram.first
    if 0 <= zero < len(counts):
        neighbours = counts[max(zero - 1, 0) : zero + 2].copy()
        neighbours[zero - max(zero - 1, 0)] = 0.0
        counts[zero] = min(counts[zero], neighbours.max(initial=0.0))
    return counts

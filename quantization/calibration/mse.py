"""The range whose integer grid gives the least mean squared error.

Clipping trades the error of few large values against the rounding of all others. The error of a
grid is computed from the histogram in closed form, with values spread evenly inside each bin:
rounding and clipping in one expression, exact for steps finer and coarser than the bins.

Source: W. Sung, S. Shin, K. Hwang, Resiliency of Deep Neural Networks under Quantization, 2015
(arXiv:1511.06488) and R. Banner et al., Post-training 4-bit quantization of convolution networks
for rapid-deployment, NeurIPS 2019 (arXiv:1810.05723): clipping that minimises the L2 error. Both
sides are searched here, on the histogram instead of a fitted distribution.
"""

from __future__ import annotations

import numpy as np

from quantization.calibration.grid import Array, Grid, steps_of
from quantization.calibration.histogram import Histogram, coarsened

BINS = 2048
"""Bins that the search looks at: eight or more to a step of int8."""

_COARSE = 48
_LEAST = 2.0**-10
_FINE = 13
_ROUNDS = 2


def mse_range(histogram: Histogram, grid: Grid) -> tuple[float, float]:
    """Low and high of the least expected squared error, never worse than the exact extremes.

    Args:
        histogram: of the tensor's values.
        grid: of its dtype.

    Returns:
        A range inside the histogram's; the real 0 need not lie in it.
    """
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if not low < high:
        return histogram.low, histogram.high
    coarse = coarsened(histogram, BINS)
    best = (
        _symmetric(coarse, low, high, grid) if grid.symmetric else _joint(coarse, low, high, grid)
    )
    best = _refined(coarse, *best, grid)
    pair = np.array([[low, high], best])
    errors = squared_error(coarse, pair[:, 0], pair[:, 1], grid)
    if errors[1] >= errors[0]:
        return histogram.low, histogram.high
    return max(best[0], histogram.low), min(best[1], histogram.high)


def squared_error(histogram: Histogram, low: Array, high: Array, grid: Grid) -> Array:
    """The expected squared error per value of each candidate range, clipping and rounding.

    With t = x / step and n the nearest code (the outermost where x lies outside), the integral
    of (x − step·n)² is step³·(n / 12 + (t − n)³ / 3): continuous, so differences at the bins'
    edges are the bins' errors.

    Args:
        histogram: not empty.
        low: (candidates,), at most 0.
        high: (candidates,), at least 0.
        grid: the dtype's codes.

    Returns:
        (candidates,) in squared real units.
    """
    edges, counts = _spread(histogram)
    scale, first, last = (column[:, None] for column in steps_of(low, high, grid))
    position = edges / scale
    nearest = np.clip(np.rint(position), first, last)
    integral = nearest / 12.0 + (position - nearest) ** 3 / 3.0
    density = counts / np.diff(edges)
    return scale[:, 0] ** 3 * (np.diff(integral, axis=1) @ density) / counts.sum()


def candidates(limit: float, count: int = _COARSE) -> Array:
    """``count`` fractions of a limit, itself first, each a little smaller; 0 alone for 0."""
    if limit == 0.0:
        return np.zeros(1)
    return limit * np.geomspace(1.0, _LEAST, count)


def around(value: float, limit: float, count: int = _FINE) -> Array:
    """Values between the neighbours of ``value`` in :func:`candidates`, at most ``limit``."""
    if value == 0.0:
        return np.zeros(1)
    ratio = _LEAST ** (1.0 / (_COARSE - 1))
    factors = np.linspace(ratio, 1.0 / ratio, count)
    magnitudes = np.minimum(abs(value) * factors, abs(limit))
    return np.copysign(magnitudes, value)


def _joint(histogram: Histogram, low: float, high: float, grid: Grid) -> tuple[float, float]:
    # Clipping errors of each side alone and the rounding of what is between add up to a table of
    # all pairs at once; rounding is taken as step² / 12 here, the refinement is exact.
    lows, highs = candidates(low), candidates(high)
    edges, counts = _spread(histogram)
    density = counts / np.diff(edges)

    def clipped(limits: Array, points: Array) -> Array:
        cubes = np.maximum(points - limits[:, None], 0.0) ** 3 / 3.0
        return np.diff(cubes, axis=1) @ density

    above = clipped(highs, edges)
    below = -clipped(-lows, -edges)
    step = (highs - lows[:, None]) / grid.steps
    error = below[:, None] + above + counts.sum() * step**2 / 12.0
    row, column = np.unravel_index(np.argmin(error), error.shape)
    return float(lows[row]), float(highs[column])


def _symmetric(histogram: Histogram, low: float, high: float, grid: Grid) -> tuple[float, float]:
    limits = candidates(max(-low, high))
    errors = squared_error(histogram, np.maximum(-limits, low), np.minimum(limits, high), grid)
    best = float(limits[np.argmin(errors)])
    return max(-best, low), min(best, high)


def _refined(histogram: Histogram, low: float, high: float, grid: Grid) -> tuple[float, float]:
    least, most = min(histogram.low, 0.0), max(histogram.high, 0.0)
    for _ in range(_ROUNDS):
        highs = around(high, most)
        errors = squared_error(histogram, np.full(len(highs), low), highs, grid)
        high = float(highs[np.argmin(errors)])
        lows = around(low, least)
        errors = squared_error(histogram, lows, np.full(len(lows), high), grid)
        low = float(lows[np.argmin(errors)])
    return low, high


def _spread(histogram: Histogram) -> tuple[Array, Array]:
    """Edges and counts, no bin without width: the outer ones are cut at the exact extremes."""
    edges = histogram.edges()
    least = histogram.width * 2.0**-20
    edges[0] = min(edges[0], edges[1] - least)
    edges[-1] = max(edges[-1], edges[-2] + least)
    return edges, histogram.counts.astype(np.float64)

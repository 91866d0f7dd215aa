"""Histograms with bins of a power of two, so that merging them loses nothing.

A value x is counted in bin floor(x / 2^shift). A bin of twice the width holds exactly two
neighbours, floor(floor(y) / 2) = floor(y / 2), so widening and merging give the same counts in any
order and any grouping: what one process sees and what a cluster sees is the same, bit for bit.
One pass is enough: the range need not be known before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HALF = 4096
"""Bins on each side of zero. Data on one side only fill at least half of them."""

_LEAST, _MOST = -100, 128
_BITS = HALF.bit_length() - 1


@dataclass(frozen=True)
class Histogram:
    """Counts of values.

    Attributes:
        shift: bin i holds i·2^shift ≤ x < (i + 1)·2^shift.
        first: number of the first bin.
        counts: int64 (bins,), read-only; the first and last are not 0 unless it is empty.
        low, high: the exact extremes of the values; inf and −inf where it is empty.
    """

    shift: int
    first: int
    counts: NDArray[np.int64]
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of a bin, real units."""
        return math.ldexp(1.0, self.shift)

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def edges(self) -> NDArray[np.float64]:
        """(bins + 1,) limits of the bins, the outer two pulled in to the exact extremes."""
        edges = (self.first + np.arange(len(self.counts) + 1, dtype=np.float64)) * self.width
        if len(self.counts):
            edges[0] = max(edges[0], self.low)
            # The top value itself lies below the last limit.
            edges[-1] = max(min(edges[-1], self.high), edges[0])
        return edges

    def quantile(self, share: float) -> float:
        """The value below which ``share`` (0 to 1) of the values lie, linear inside a bin."""
        below = np.concatenate([[0], np.cumsum(self.counts)])
        return float(np.interp(share * below[-1], below, self.edges()))


EMPTY = Histogram(_LEAST - _BITS, 0, np.zeros(0, np.int64), math.inf, -math.inf)


class Accumulator:
    """Counts arrays into one histogram; for one thread.

    Args:
        scratch: makes two buffers (float32, int32) of at least so many elements, kept and shared
            by the caller: fresh ones cost more than the counting.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._exponent = _LEAST
        self._counts = np.zeros(2 * HALF, np.int64)
        self._low, self._high = math.inf, -math.inf

    def add(self, values: NDArray[np.float32], low: float, high: float) -> None:
        """Counts finite values.

        Args:
            values: float32, any shape, contiguous.
            low: their exact minimum, which the caller has already.
            high: their exact maximum.
        """
        if not values.size:
            return
        self._low, self._high = min(self._low, low), max(self._high, high)
        exponent = exponent_of(max(-low, high))
        if exponent > self._exponent:
            if self._counts.any():
                self._counts = _halved(self._counts, exponent - self._exponent)
            self._exponent = exponent
        scaled, bins = self._scratch.of(values.size)
        # Scaling by a power of two is exact; float32 holds bin numbers up to 2^24.
        np.multiply(values.reshape(-1), np.float32(2.0 ** (_BITS - self._exponent)), out=scaled)
        np.floor(scaled, out=scaled)
        np.add(scaled, np.float32(HALF), out=scaled)
        np.copyto(bins, scaled, casting="unsafe")
        self._counts += np.bincount(bins, minlength=2 * HALF)

    def histogram(self) -> Histogram:
        """What was counted, empty ends cut off."""
        used = np.flatnonzero(self._counts)
        if not len(used):
            return EMPTY
        first, last = int(used[0]), int(used[-1])
        counts = self._counts[first : last + 1].copy()
        counts.flags.writeable = False
        return Histogram(self._exponent - _BITS, first - HALF, counts, self._low, self._high)


class Scratch:
    """Two buffers that grow to the largest size asked for."""

    def __init__(self) -> None:
        self._scaled = np.empty(0, np.float32)
        self._bins = np.empty(0, np.int32)

    def of(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Float32 and int32 buffers of ``size`` elements; their content is undefined."""
        if size > len(self._scaled):
            self._scaled = np.empty(size, np.float32)
            self._bins = np.empty(size, np.int32)
        return self._scaled[:size], self._bins[:size]


def exponent_of(magnitude: float) -> int:
    """The least e with magnitude ≤ 2^e, inside what float32 can scale (2^e itself goes up)."""
    return min(max(math.frexp(magnitude)[1], _LEAST), _MOST) if magnitude > 0 else _LEAST


def histogram_of(values: NDArray[np.float32]) -> Histogram:
    """The histogram of one array of finite float32 values."""
    counted = Accumulator(Scratch())
    if values.size:
        counted.add(np.ascontiguousarray(values), float(values.min()), float(values.max()))
    return counted.histogram()


def merged(one: Histogram, other: Histogram) -> Histogram:
    """Both together; exact, commutative and associative."""
    if not len(one.counts) or not len(other.counts):
        return one if len(one.counts) else other
    shift = max(one.shift, other.shift)
    one, other = widened(one, shift), widened(other, shift)
    first = min(one.first, other.first)
    last = max(one.first + len(one.counts), other.first + len(other.counts))
    counts = np.zeros(last - first, np.int64)
    for item in (one, other):
        start = item.first - first
        counts[start : start + len(item.counts)] += item.counts
    counts.flags.writeable = False
    return Histogram(shift, first, counts, min(one.low, other.low), max(one.high, other.high))


def widened(histogram: Histogram, shift: int) -> Histogram:
    """The same values in bins of width 2^shift, which is not less than now; exact."""
    steps = shift - histogram.shift
    if steps <= 0 or not len(histogram.counts):
        return histogram
    bins = (histogram.first + np.arange(len(histogram.counts))) >> min(steps, 62)
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    counts = np.add.reduceat(histogram.counts, starts)
    counts.flags.writeable = False
    return Histogram(shift, int(bins[0]), counts, histogram.low, histogram.high)


def coarsened(histogram: Histogram, bins: int) -> Histogram:
    """The same values in at most ``bins`` bins (2 or more); exact."""
    while len(histogram.counts) > bins:
        histogram = widened(histogram, histogram.shift + 1)
    return histogram


def _halved(counts: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    bins = (np.arange(-HALF, HALF) >> min(steps, 62)) + HALF
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    grown = np.zeros_like(counts)
    grown[bins[starts]] = np.add.reduceat(counts, starts)
    return grown

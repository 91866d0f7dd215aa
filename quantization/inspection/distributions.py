"""How values are spread, in few numbers: what reports draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantization.calibration.histogram import Histogram, coarsened, histogram_of

MOST_BINS = 128


@dataclass(frozen=True)
class Bins:
    """Counts of equally wide bins.

    Attributes:
        low, high: the outer limits, real values.
        counts: one per bin.
    """

    low: float
    high: float
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of values."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """The value below which ``share`` (0 to 1) of all values lie, linear inside a bin.

        >>> Bins(0.0, 4.0, (1, 1, 1, 1)).quantile(0.5)
        2.0
        """
        below = np.concatenate([[0], np.cumsum(self.counts)])
        edges = np.linspace(self.low, self.high, len(below))
        return float(np.interp(share * below[-1], below, edges)) if below[-1] else math.nan

    def fewer(self, most: int) -> Bins:
        """The same counts in at most ``most`` bins, neighbours added up."""
        each = -(-len(self.counts) // most)
        if each == 1:
            return self
        padded = np.concatenate([self.counts, np.zeros(-len(self.counts) % each, np.int64)])
        counts = padded.astype(np.int64).reshape(-1, each).sum(axis=1)
        width = (self.high - self.low) / len(self.counts)
        return Bins(self.low, self.low + width * len(padded), tuple(int(x) for x in counts))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"low": self.low, "high": self.high, "counts": list(self.counts)}


def shown(histogram: Histogram) -> Bins | None:
    """A calibration histogram in at most :data:`MOST_BINS` bins; None where it is empty."""
    few = coarsened(histogram, MOST_BINS)
    if not len(few.counts):
        return None
    low = few.first * few.width
    return Bins(low, low + len(few.counts) * few.width, tuple(int(x) for x in few.counts))


def bins_of(values: NDArray[Any]) -> Bins | None:
    """Of one array; values that are not finite are left out."""
    flat = np.asarray(values, np.float32).ravel()
    return shown(histogram_of(flat[np.isfinite(flat)]))

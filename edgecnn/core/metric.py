"""One measured quality figure with its sample size and interval: plain data between rooms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metric:
    """A quality figure in [0, 1].

    Attributes:
        name: ``accuracy``, ``map50``, ``map5095``.
        value: the figure, in [0, 1].
        n: how many test images it was measured on.
        low, high: 95 % interval.
        per_sample: float64 (n,), one score per test image in the data's order, where the metric
            is a mean over images (accuracy); lets two models be compared pairwise. None otherwise.
        resampled: float64 (rounds,), the figure on resamples of the test images that depend on
            their number alone, where it is no mean over images (mAP); does the same. None
            otherwise.
        details: what the figure was counted from, for those who look at single images; stays in
            memory.
        extra: further plain JSON values (``confusion``, ``map5095``, ``per_class``).
    """

    name: str
    value: float
    n: int
    low: float
    high: float
    per_sample: NDArray[np.float64] | None = field(default=None, compare=False)
    resampled: NDArray[np.float64] | None = field(default=None, compare=False)
    details: Any = field(default=None, compare=False, repr=False)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``per_sample``, ``resampled`` and ``details`` stay out."""
        return {
            "name": self.name,
            "value": self.value,
            "n": self.n,
            "interval95": [self.low, self.high],
            **self.extra,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Metric:
        """The inverse of :meth:`to_json`, without what stays in memory."""
        known = {"name", "value", "n", "interval95"}
        return cls(
            data["name"],
            data["value"],
            data["n"],
            data["interval95"][0],
            data["interval95"][1],
            extra={key: value for key, value in data.items() if key not in known},
        )


def wilson_interval(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a proportion (Wilson 1927), 95 % by default.

    >>> tuple(round(v, 3) for v in wilson_interval(97, 100))
    (0.915, 0.99)
    """
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_interval(
    first: NDArray[Any], second: NDArray[Any], z: float = 1.959964
) -> tuple[float, float]:
    """The interval of mean(first − second) over the same samples, 95 % by default.

    The mean of the differences ± z standard errors after adding half a pair of +1 and half a pair
    of −1 and one of 0 (the adjusted Wald interval for matched pairs, Agresti and Min 2005): for
    right/wrong scores Σd = b − c and Σd² = b + c are the discordant counts, and no discordant pair
    at all does not give a false certainty of ±0.

    Args:
        first: one score in [0, 1] per sample.
        second: the same samples in the same order.
        z: standard errors on either side.

    >>> tuple(round(v, 2) for v in paired_interval(np.ones(8), np.zeros(8)))
    (0.48, 1.0)
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = len(differences) + 2
    mean = float(differences.sum()) / n
    variance = (float((differences**2).sum()) + 1) / n - mean * mean
    half = z * math.sqrt(max(variance, 0.0) / n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def resampled_interval(first: NDArray[Any], second: NDArray[Any]) -> tuple[float, float]:
    """The 95 % interval of first − second from the two figures on the same resamples.

    Two models that answer alike on every image give (0, 0): nothing in the data tells them apart.

    >>> resampled_interval(np.array([0.5, 0.6]), np.array([0.5, 0.6]))
    (0.0, 0.0)
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    low, high = np.percentile(differences, (2.5, 97.5))
    return float(low), float(high)

"""What calibration keeps of the tensors that it sees, in constant memory.

A worker turns a few samples into one :class:`Observation`; :func:`merged` puts two neighbours
together. Extremes and counts merge exactly; the moving average runs over the samples in their
order, whoever computed them, because a worker reports the extremes of every sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantization.calibration import histogram
from quantization.calibration.histogram import Accumulator, Histogram, Scratch

DECAY = 0.99
"""Of the moving average: a sample's weight halves every 69 samples."""

Array32 = NDArray[np.float32]


@dataclass(frozen=True)
class Observation:
    """A few neighbouring samples.

    Attributes:
        low, high: float32 (samples, tensors), the extremes per sample; all finite.
        histograms: one per tensor; empty where none are wanted.
        broken: (sample, tensor) of the first value that is not finite, numbered as the rows and
            columns are; that sample and those behind it are not in ``low`` and ``high``.
    """

    low: Array32
    high: Array32
    histograms: tuple[Histogram, ...] = ()
    broken: tuple[int, int] | None = None


@dataclass(frozen=True)
class Summary:
    """All samples so far.

    Attributes:
        samples: how many.
        low, high: float32 (tensors,), the extremes.
        mean_low, mean_high: float64 (tensors,), Σ (1 − d)·d^(n − i)·x_i of the samples' extremes,
            d = :data:`DECAY`; not yet divided by the sum of the weights.
        histograms: one per tensor, or empty.
    """

    samples: int
    low: Array32
    high: Array32
    mean_low: NDArray[np.float64]
    mean_high: NDArray[np.float64]
    histograms: tuple[Histogram, ...]


class ChunkObserver:
    """Watches a few samples; for one thread.

    Args:
        tensors: how many each sample has.
        with_histograms: whether values are counted, not only their extremes kept.
    """

    def __init__(self, tensors: int, with_histograms: bool) -> None:
        scratch = Scratch()
        self._rows: list[tuple[list[float], list[float]]] = []
        self._tensors = tensors
        self._counted = [Accumulator(scratch) for _ in range(tensors if with_histograms else 0)]
        self._broken: tuple[int, int] | None = None

    def add(self, values: Sequence[Array32]) -> None:
        """Watches one sample's tensors; nothing more once a value was not finite."""
        if self._broken is not None:
            return
        # NaN goes through min and max, so that they alone tell whether all is finite.
        low = [float(value.min(initial=np.inf)) if value.size else 0.0 for value in values]
        high = [float(value.max(initial=-np.inf)) if value.size else 0.0 for value in values]
        finite = np.isfinite(low) & np.isfinite(high)
        if not finite.all():
            self._broken = (len(self._rows), int(np.argmin(finite)))
            return
        self._rows.append((low, high))
        for counted, value, least, most in zip(self._counted, values, low, high, strict=False):
            counted.add(value, least, most)

    def observation(self) -> Observation:
        """What was seen."""
        rows = np.array(self._rows, np.float32).reshape(-1, 2, self._tensors)
        histograms = tuple(counted.histogram() for counted in self._counted)
        return Observation(rows[:, 0], rows[:, 1], histograms, self._broken)


def start(tensors: int) -> Summary:
    """Before the first sample."""
    zeros = np.zeros(tensors)
    return Summary(
        samples=0,
        low=np.full(tensors, np.inf, np.float32),
        high=np.full(tensors, -np.inf, np.float32),
        mean_low=zeros,
        mean_high=zeros,
        histograms=(),
    )


def merged(summary: Summary, new: Observation) -> Summary:
    """``summary`` and the samples that come next, none of them broken."""
    pairs = zip(summary.histograms, new.histograms, strict=True) if summary.histograms else ()
    together = tuple(histogram.merged(old, more) for old, more in pairs) or new.histograms
    return Summary(
        samples=summary.samples + len(new.low),
        low=np.minimum(summary.low, new.low.min(axis=0, initial=np.inf)),
        high=np.maximum(summary.high, new.high.max(axis=0, initial=-np.inf)),
        mean_low=_moved(summary.mean_low, new.low),
        mean_high=_moved(summary.mean_high, new.high),
        histograms=together,
    )


def moving_average(summary: Summary) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exponential moving averages of the samples' extremes, (tensors,) each.

    Divided by the sum of the weights, so that the first samples do not count for more than their
    share when there are few (as Adam corrects its moments).

    Source: B. Jacob et al., CVPR 2018 (arXiv:1712.05877), section 3.1, ranges of activations.
    """
    weight = 1.0 - DECAY**summary.samples
    return summary.mean_low / weight, summary.mean_high / weight


def _moved(mean: NDArray[np.float64], rows: Array32) -> NDArray[np.float64]:
    for row in rows.astype(np.float64):
        mean = DECAY * mean + (1.0 - DECAY) * row
    return mean


def observed(samples: Iterable[Sequence[Array32]], tensors: int, counted: bool) -> Observation:
    """A few samples' tensors, watched one after the other."""
    watching = ChunkObserver(tensors, counted)
    for values in samples:
        watching.add(values)
    return watching.observation()

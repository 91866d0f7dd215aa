"""Percentiles of an endless run in bounded memory."""

from __future__ import annotations

import math
import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

#: What a frame goes through; ``track``, ``draw`` and ``write`` happen if somebody wants them, the
#: last two beside the loop.
STAGES = ("capture", "preprocess", "infer", "decode", "track", "draw", "write")
#: Until it is a camera's turn to use the model, where several share it.
WAIT = "wait"
_STEP = math.log(1.005)
_SMALLEST_MS = 1e-3
_BUCKETS = 4200


class Percentiles:
    """A histogram of milliseconds with buckets 0.5 % wide, from 1 µs to 20 minutes: 33 KiB.

    >>> spread = Percentiles()
    >>> for ms in range(1, 101):
    ...     spread.add(ms)
    >>> round(spread.percentile(50)), round(spread.percentile(95))
    (50, 95)
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS, np.int64)
        self.count = 0

    def add(self, ms: float) -> None:
        """Counts one value."""
        bucket = int(math.log(max(ms, _SMALLEST_MS) / _SMALLEST_MS) / _STEP + 0.5)
        self._counts[min(bucket, _BUCKETS - 1)] += 1
        self.count += 1

    def percentile(self, q: float) -> float | None:
        """The q-th percentile (0–100) by nearest rank, within 0.25 %; None without values."""
        if not self.count:
            return None
        rank = max(1, math.ceil(self.count * q / 100))
        bucket = int(np.searchsorted(np.cumsum(self._counts), rank))
        return _ms_of(bucket)

    def counts(self) -> NDArray[np.int64]:
        """How many values fell into each bucket."""
        return self._counts.copy()

    def to_json(self) -> dict[str, float | None]:
        """``{"p50", "p95"}`` in ms, rounded to the microsecond."""
        values = {f"p{q}": self.percentile(q) for q in (50, 95)}
        return {key: None if ms is None else round(ms, 3) for key, ms in values.items()}


class StageTimes:
    """The spread of each stage's milliseconds; any thread may add.

    Those of :data:`STAGES` are always there, ``wait`` where something was added.
    """

    def __init__(self) -> None:
        self._spread = {name: Percentiles() for name in STAGES}
        self._total = dict.fromkeys(self._spread, 0.0)
        self._lock = threading.Lock()

    def add(self, stage: str, ms: float) -> None:
        """Counts one value."""
        with self._lock:
            if stage == WAIT and stage not in self._spread:
                self._spread[stage], self._total[stage] = Percentiles(), 0.0
            self._spread[stage].add(ms)
            self._total[stage] += ms

    def histograms(self) -> dict[str, NDArray[np.int64]]:
        """Stage → how many values fell into each bucket of :class:`Percentiles`."""
        with self._lock:
            return {stage: spread.counts() for stage, spread in self._spread.items()}

    def mean(self, stage: str) -> float | None:
        """Milliseconds on average; None without values."""
        count = self._spread[stage].count
        return self._total[stage] / count if count else None

    def to_json(self) -> dict[str, dict[str, float | None]]:
        """Stage → ``{"p50", "p95"}`` in ms."""
        order = (*STAGES[:2], WAIT, *STAGES[2:])
        return {name: self._spread[name].to_json() for name in order if name in self._spread}


class RecentTimes:
    """The spread of each stage's milliseconds over the last seconds.

    >>> times = StageTimes()
    >>> recent = RecentTimes(times)
    >>> times.add("infer", 5.0)
    >>> recent.step()
    >>> round(recent.medians()["infer"])
    5

    Args:
        times: of the whole run.
        steps: how many steps back count; whoever calls :meth:`step` says how long one is.
    """

    def __init__(self, times: StageTimes, steps: int = 5) -> None:
        self.times = times
        self._before = times.histograms()
        self._steps: deque[dict[str, NDArray[np.int64]]] = deque(maxlen=steps)

    def step(self) -> None:
        """What came since the last step is the newest step."""
        now = self.times.histograms()
        came = {stage: counts - self._before.get(stage, 0) for stage, counts in now.items()}
        self._before = now
        # A few buckets of thousands: the values themselves are much shorter.
        self._steps.append(
            {stage: np.repeat(np.arange(counts.size), counts) for stage, counts in came.items()}
        )

    def medians(self) -> dict[str, float]:
        """Stage → ms, of the stages that had any in these steps."""
        found = {}
        for stage in self._before:
            steps = [step[stage] for step in self._steps if stage in step]
            buckets = np.sort(np.concatenate(steps or [np.empty(0, np.int64)]))
            if buckets.size:
                found[stage] = _ms_of(int(buckets[(buckets.size - 1) // 2]))
        return found


def _ms_of(bucket: int) -> float:
    """The middle of a bucket."""
    return _SMALLEST_MS * math.exp(bucket * _STEP) if bucket else 0.0

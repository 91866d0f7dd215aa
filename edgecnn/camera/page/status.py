"""How the loop is doing, once a second: what the page plots."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.page.live import WatchedCamera
from edgecnn.camera.stats import RecentTimes

#: Ages are those of the last seconds.
_AGE_S = 2.0
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class MachineState:
    """What a machine says of its health.

    Attributes:
        temperature_c: None: unknown.
        throttled: what slows it down now, for people.
    """

    temperature_c: float | None = None
    throttled: tuple[str, ...] = ()


ReadMachine = Callable[[], MachineState]


class StatusSampler:
    """Makes the ``status`` messages.

    Args:
        clock: for their time.
    """

    def __init__(self, clock: TimeSource = SYSTEM_CLOCK) -> None:
        self.machine = MachineState()
        self._clock = clock
        self._recent: dict[str, RecentTimes] = {}

    def sample(self, cameras: Iterable[WatchedCamera]) -> dict[str, Any]:
        """The JSON of a ``status`` message; to be called once a second."""
        cameras = tuple(cameras)
        return {
            "kind": "status",
            "time": self._clock.now().iso(),
            "cameras": {camera.facts.name: self._camera(camera) for camera in cameras},
            "viewers": len(frozenset().union(*(camera.viewers for camera in cameras))),
            "temperature_c": self.machine.temperature_c,
            "throttled": list(self.machine.throttled),
            "load": _load(),
            "memory_mb": _memory_mb(),
        }

    def _camera(self, camera: WatchedCamera) -> dict[str, Any]:
        facts, sink = camera.facts, camera.sink
        recent = self._recent.get(facts.name)
        if recent is None or recent.times is not facts.times:
            recent = self._recent[facts.name] = RecentTimes(facts.times)
        recent.step()
        ages, counts = sink.recent_ages(_AGE_S), facts.counts()
        spread = np.percentile(ages, (50, 95)) if ages else (None, None)
        width, height = sink.size or (None, None)
        return {
            "fps": round(sink.rate(), 2),
            "dropped": counts.dropped,
            "corrupt": counts.corrupt,
            "reconnects": counts.reconnects,
            "frames": sink.frames,
            "age_ms": {"p50": _rounded(spread[0]), "p95": _rounded(spread[1])},
            "stage_ms": {stage: _rounded(ms) for stage, ms in recent.medians().items()},
            "width": width,
            "height": height,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)


def _load() -> float | None:
    """Processes that run or want to, over the last minute."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):  # Windows has none
        return None


def _memory_mb() -> float | None:
    """What this process holds of the machine's memory, in powers of 1000."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    return None

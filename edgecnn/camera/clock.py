"""Time as the loop uses it: a monotonic clock for spans, the wall clock for people."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True)
class Instant:
    """One instant on both clocks.

    Attributes:
        monotonic_s: ``time.monotonic()``: spans are measured by it, it never jumps.
        wall_s: seconds since 1970, UTC: what people read; it may jump both ways.
    """

    monotonic_s: float
    wall_s: float

    def iso(self) -> str:
        """The wall clock's time to the millisecond, UTC.

        >>> Instant(0.0, 0.25).iso()
        '1970-01-01T00:00:00.250Z'
        """
        text = datetime.fromtimestamp(self.wall_s, UTC).isoformat(timespec="milliseconds")
        return text.removesuffix("+00:00") + "Z"


class TimeSource(Protocol):
    """What reads time, and waits; tests have one that does not sleep."""

    def now(self) -> Instant:
        """This instant."""

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits until ``stop`` is set (True) or the seconds are over (False)."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Instant:
        """See :class:`TimeSource`."""
        return Instant(time.monotonic(), time.time())

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """See :class:`TimeSource`."""
        return stop.wait(seconds)


SYSTEM_CLOCK = SystemClock()

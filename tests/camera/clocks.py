"""A clock that does not sleep."""

import threading
import time

from edgecnn.camera.clock import Instant


class FakeClock:
    """Time that passes only in waits and when a test says so.

    Attributes:
        waited: seconds of each wait.
        wall_jumps: added to the wall clock, one after the other, at each reading.
    """

    def __init__(self, *wall_jumps: float) -> None:
        self.waited: list[float] = []
        self.wall_jumps = list(wall_jumps)
        self._lock = threading.Lock()
        self._now_s = 1000.0
        self._wall_s = 1_700_000_000.0

    def now(self) -> Instant:
        with self._lock:
            if self.wall_jumps:
                self._wall_s += self.wall_jumps.pop(0)
            return Instant(self._now_s, self._wall_s + self._now_s)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waited.append(seconds)
            self._now_s += seconds
        time.sleep(0)
        return stop.is_set()

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._now_s += seconds


def until(condition, seconds: float = 20.0) -> None:
    """Waits for a condition that a thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)

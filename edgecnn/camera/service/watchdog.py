"""One sign of life for the manager out of those of all cameras."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from edgecnn.camera.clock import Instant


class Watchdog:
    """Knows whether every camera's loop goes on; its methods may be called from any thread.

    The whole counts as alive when each camera has given a sign since it counted so last: one loop
    that hangs is enough to end it.

    Args:
        cameras: their names.
        now: when it begins.
    """

    def __init__(self, cameras: Iterable[str], now: Instant) -> None:
        self._lock = threading.Lock()
        self._awaited = set(cameras)
        self._heard: set[str] = set()
        self._alive = now

    @property
    def alive(self) -> Instant:
        """When all were last known to go on."""
        with self._lock:
            return self._alive

    def hear(self, camera: str, now: Instant) -> bool:
        """A camera's loop goes on.

        Returns:
            Whether with that all do.
        """
        with self._lock:
            self._heard.add(camera)
            if not self._heard >= self._awaited:
                return False
            self._heard.clear()
            self._alive = now
            return True

    def retire(self, camera: str) -> bool:
        """A camera's loop is at its end, and gives no sign any more. May be repeated.

        Returns:
            Whether with that no loop runs any more.
        """
        with self._lock:
            last = self._awaited == {camera}
            self._awaited.discard(camera)
            return last

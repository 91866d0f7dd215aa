"""A file that is not there yet, and is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.capture import SourceRefusedError
from edgecnn.camera.sources.frames import Closing, Frame, Source, SourceCounts
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.sources.voice import SourceVoice
from edgecnn.core.errors import CameraError


class LateSource(Closing):
    """Opens a source when it is there; until then :meth:`read` gives nothing.

    Args:
        opener: opens it; called by :meth:`read`, with growing pauses between.
        name: for messages.
        notices: get that it is waited for, and that it is there.
        clock: for the pauses.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        name: str,
        notices: Notices | None,
        clock: TimeSource = SYSTEM_CLOCK,
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._voice = SourceVoice(name, notices, clock)
        self._pauses = ReconnectPolicy()
        self._source: Source | None = None
        self._failures = 0
        self._next_s = clock.now().monotonic_s
        self._stop = threading.Event()

    @property
    def live(self) -> bool:
        """See :class:`Source`."""
        return self._source is not None and self._source.live

    @property
    def fps(self) -> float | None:
        """See :class:`Source`."""
        return None if self._source is None else self._source.fps

    @property
    def counts(self) -> SourceCounts:
        """See :class:`Source`."""
        return SourceCounts() if self._source is None else self._source.counts

    @property
    def ended(self) -> bool:
        """See :class:`Source`."""
        return self._stop.is_set() if self._source is None else self._source.ended

    def read(self, timeout_s: float) -> Frame | None:
        """See :class:`Source`.

        Raises:
            SourceRefusedError: it is there, and lets nobody in.
            CameraError: see :class:`Source`.
        """
        if self._source is None and not self._stop.is_set():
            self._try(timeout_s)
        return None if self._source is None else self._source.read(timeout_s)

    def close(self) -> None:
        """See :class:`Source`."""
        self._stop.set()
        if self._source is not None:
            self._source.close()

    def _try(self, timeout_s: float) -> None:
        """Opens it, if it is time to and it is there; else waits."""
        left_s = self._next_s - self._clock.now().monotonic_s
        if left_s > 0:
            self._clock.wait(self._stop, min(left_s, timeout_s))
        if self._stop.is_set() or self._clock.now().monotonic_s < self._next_s:
            return
        try:
            self._source = self._opener()
        except SourceRefusedError:
            raise
        except CameraError as error:
            self._voice.waiting(error)
            self._next_s = self._clock.now().monotonic_s + self._pauses.pause_s(self._failures)
            self._failures += 1
        else:
            self._voice.back()

"""A file in real time: its frames when they are due, the newest first, as a camera gives them."""

from __future__ import annotations

import threading
from dataclasses import replace

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.sources.ahead import ReadAhead, StillReader
from edgecnn.camera.sources.frames import Frame, SourceCounts

_LONGEST_GAP_S = 10.0


class PacedSource(ReadAhead):
    """Frames in real time; one that nobody took when the next is due is dropped.

    Frame by frame the file's own positions say when each is due, counted from the first one: what
    decodes slowly, or a pause of the whole machine, delays single frames and not the schedule. A
    gap of over 10 s between two positions is taken for a break in the recording, and not waited
    for.

    Args:
        reader: open; released here.
        clock: for the schedule.
    """

    live = True

    def __init__(self, reader: StillReader, clock: TimeSource = SYSTEM_CLOCK) -> None:
        super().__init__(reader, room=1)
        self._clock = clock
        self._stop = threading.Event()
        self._dropped = 0
        self._start_s: float | None = None
        self._last_s = 0.0

    @property
    def counts(self) -> SourceCounts:
        """See :class:`~edgecnn.camera.sources.frames.Source`."""
        return replace(super().counts, dropped=self._dropped)

    def close(self) -> None:
        """See :class:`ReadAhead`; also ends the wait for a frame's time."""
        self._stop.set()
        super().close()

    def _hand_on(self, frame: Frame) -> bool:
        left_s = self._left_s(frame.timestamp_s)
        self._pace.note(waited=left_s > 0)
        self._clock.wait(self._stop, left_s)
        frame = replace(frame, captured=self._clock.now())
        while not self._stop.is_set():
            if self._frames.offer(frame):
                return True
            if self._frames.get(0) is not None:
                self._dropped += 1
        return False

    def _left_s(self, at_s: float) -> float:
        """Seconds until the frame at this position is due; 0: it is late."""
        now_s = self._clock.now().monotonic_s
        if self._start_s is None:
            self._start_s = now_s - at_s
        elif at_s - self._last_s > _LONGEST_GAP_S:
            self._start_s -= at_s - self._last_s
        self._last_s = at_s
        return max(self._start_s + at_s - now_s, 0.0)

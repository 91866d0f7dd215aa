"""``--source test``: the moving pattern as a camera gives it."""

from __future__ import annotations

import math
import threading
import time

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.sources.frames import Closing, Frame, SourceCounts
from edgecnn.camera.sources.pattern import Pattern
from edgecnn.camera.sources.pattern_options import PatternOptions


class PatternSource(Closing):
    """The pattern, live at its rate: frame k is there k periods after the first read.

    A frame is drawn when it is asked for; those that were due meanwhile are dropped, as a camera's
    would be. Each frame carries its truth.

    Args:
        options: see :class:`PatternOptions`.
        clock: for the schedule.
    """

    live = True

    def __init__(
        self, options: PatternOptions | None = None, clock: TimeSource = SYSTEM_CLOCK
    ) -> None:
        options = options or PatternOptions()
        self.fps: float | None = options.rate
        self._rate = options.rate
        self._pattern = Pattern(options.width, options.height, options.rate, options.seed)
        self._frames = (
            None if options.seconds is None else max(1, round(options.seconds * options.rate))
        )
        self._clock = clock
        self._stop = threading.Event()
        self._start_s: float | None = None
        self._next = 0
        self._dropped = 0

    @property
    def counts(self) -> SourceCounts:
        """See :class:`~edgecnn.camera.sources.frames.Source`."""
        return SourceCounts(dropped=self._dropped)

    @property
    def ended(self) -> bool:
        """Closed, or the last frame was taken."""
        return self._stop.is_set() or self._next == self._frames

    def read(self, timeout_s: float) -> Frame | None:
        """See :class:`~edgecnn.camera.sources.frames.Source`."""
        if self.ended:
            return None
        now_s = self._clock.now().monotonic_s
        if self._start_s is None:
            self._start_s = now_s
        left_s = self._start_s + self._next / self._rate - now_s
        if left_s > 0:
            if self._clock.wait(self._stop, min(left_s, timeout_s)) or left_s > timeout_s:
                return None
            now_s = self._clock.now().monotonic_s
        number = max(self._next, math.floor((now_s - self._start_s) * self._rate + 1e-6))
        if self._frames is not None:
            number = min(number, self._frames - 1)
        self._dropped += number - self._next
        self._next = number + 1
        start_s = time.monotonic()
        image = self._pattern.draw(number)
        taken_ms = (time.monotonic() - start_s) * 1e3
        return Frame(
            image,
            number,
            self._clock.now(),
            number / self._rate,
            taken_ms,
            truth=self._pattern.truth(number),
        )

    def close(self) -> None:
        """Ends a wait; may be called twice."""
        self._stop.set()

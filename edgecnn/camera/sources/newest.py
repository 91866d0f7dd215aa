"""The newest frame of a live source, decoded when it is about to be looked at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgecnn.camera.clock import Instant, TimeSource
from edgecnn.camera.sources.capture import Image, Undecoded
from edgecnn.camera.sources.frames import Frame

_SHARE = 0.2


class _Average:
    """A moving average that starts with its first value; 0 before."""

    def __init__(self) -> None:
        self.value = 0.0
        self._count = 0

    def add(self, value: float) -> None:
        self._count += 1
        self.value += (value - self.value) * max(_SHARE, 1 / self._count)


@dataclass(frozen=True)
class _Held:
    """A frame that nobody has taken yet."""

    shot: Image | Undecoded
    sequence: int
    captured: Instant
    timestamp_s: float
    capture_ms: float


class NewestFrame:
    """Room for one frame: a newer one takes the place of one that nobody took.

    A compressed picture is decoded where it costs least. When the consumer waits, or is about to
    ask (judged by how long it took for the frames before), the thread that brings the picture
    decodes it, beside the consumer's own work. Pictures that come while the consumer is busy for
    long are kept compressed: most of them are replaced without ever being decoded. When it asks
    earlier than expected, it decodes the newest one itself.

    Args:
        clock: says when a frame was captured.
        over: whether no frame will come any more.

    Attributes:
        changed: guards all of it; notify it when ``over`` changes.
        dropped, corrupt: counts, see :class:`~edgecnn.camera.sources.frames.SourceCounts`.
        undecodable: pictures in a row that looked whole, and could not be decoded.
    """

    def __init__(self, clock: TimeSource, over: Callable[[], bool]) -> None:
        self.changed = threading.Condition()
        self.dropped = self.corrupt = self.undecodable = 0
        self._clock = clock
        self._over = over
        self._held: _Held | None = None
        self._next = 0
        self._first_s: float | None = None
        self._asked = False
        self._taken_s: float | None = None
        self._busy_s, self._period_s, self._decode_s = _Average(), _Average(), _Average()
        self._came_s: float | None = None

    @property
    def empty(self) -> bool:
        """Nothing to take; to be asked under ``changed``."""
        return self._held is None

    def put(self, shot: Image | Undecoded, capture_ms: float, welcome: Callable[[], bool]) -> bool:
        """A frame has come.

        Args:
            shot: the picture.
            capture_ms: how long the read took.
            welcome: asked under the lock: whether the one that brings it still may.

        Returns:
            Whether it is there to be taken: welcome, and not found damaged.
        """
        captured = self._clock.now()
        if not isinstance(shot, np.ndarray) and self._due():
            image = self._decoded(shot)
            if image is None:
                with self.changed:
                    self._next += welcome()
                return False
            shot = image
        with self.changed:
            if not welcome():
                return False
            if self._first_s is None:
                self._first_s = captured.monotonic_s
            self.dropped += self._held is not None
            since_s = captured.monotonic_s - self._first_s
            self._held = _Held(shot, self._next, captured, since_s, capture_ms)
            self._next += 1
            self.changed.notify_all()
        return True

    def skip(self, welcome: Callable[[], bool], count: int = 1) -> None:
        """Damaged pictures have come: they are counted, and have numbers of their own."""
        with self.changed:
            if welcome():
                self._next += count
                self.corrupt += count

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that nobody took; None: none came within the time, or it is over."""
        now = time.monotonic()
        if self._taken_s is not None:
            self._busy_s.add(now - self._taken_s)
            self._taken_s = None
        end = now + timeout_s
        while True:
            with self.changed:
                self._asked = True
                self.changed.wait_for(
                    lambda: self._held is not None or self._over(), max(end - time.monotonic(), 0)
                )
                self._asked = False
                held, self._held = self._held, None
            if held is None:
                return None
            image = held.shot if isinstance(held.shot, np.ndarray) else self._decoded(held.shot)
            if image is not None:
                self._taken_s = time.monotonic()
                return Frame(image, held.sequence, held.captured, held.timestamp_s, held.capture_ms)

    def clear(self) -> None:
        """Forgets the frame that nobody took; to be called under ``changed``."""
        self._held = None

    def _due(self) -> bool:
        """Whether a picture that comes now is likely to be looked at."""
        real = time.monotonic()
        if self._came_s is not None:
            self._period_s.add(min(real - self._came_s, 1.0))
        self._came_s = real
        taken_s = self._taken_s
        if self._asked or taken_s is None:
            return True
        margin_s = 0.1 * self._busy_s.value + 1.25 * self._period_s.value + self._decode_s.value
        return real - taken_s >= self._busy_s.value - margin_s

    def _decoded(self, shot: Undecoded) -> Image | None:
        start = time.monotonic()
        image = shot.decode()
        with self.changed:
            if image is None:
                self.corrupt += 1
                self.undecodable += 1
            else:
                self.undecodable = 0
                self._decode_s.add(time.monotonic() - start)
        return image

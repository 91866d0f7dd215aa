"""A camera on the page: the sink that the loop gives frames to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import NoticeKind
from edgecnn.camera.page.demand import NOTHING, Job
from edgecnn.camera.page.encode import Encoded, Encoder
from edgecnn.camera.seen import Seen, Wants

_NOTICES = frozenset(get_args(NoticeKind))
_REMEMBERED = 1024
#: The rate is that of the last seconds, and of so many frames at least.
_RATE_S, _RATE_FRAMES = 2.0, 4


class CameraSink:
    """Implements :class:`edgecnn.camera.seen.FrameSink`: costs nothing while nobody watches.

    Whether somebody does is asked anew with each frame. A frame is taken only while the encoder
    has time for it, so that nothing waits and nothing is copied in vain.

    Args:
        camera: its name.
        clock: for rates and pauses.

    Attributes:
        demand: what is wanted of the coming frames; set by the server's thread.
        size: width and height of the last frame; None: there was none.
        frames: how many there were.
    """

    def __init__(self, camera: str, clock: TimeSource = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self.demand = NOTHING
        self.size: tuple[int, int] | None = None
        self.frames = 0
        self.encoder = Encoder(camera, clock)
        self._on_event: Callable[[Event], object] = _nobody
        self._next = NOTHING
        self._lock = threading.Lock()
        self._ages: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def connect(
        self,
        deliver: Callable[[Encoded], object],
        on_event: Callable[[Event], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Says who gets what was made of a frame, events, and errors of ours; on any thread."""
        self.encoder.deliver, self.encoder.failed = deliver, failed
        self._on_event = on_event

    @property
    def wants(self) -> Wants:
        """See :class:`~edgecnn.camera.seen.FrameSink`: what it says holds for the next frame."""
        job = self.demand
        if job and self.encoder.free:
            if not self.encoder.due:
                job = replace(job, live=False, stream=False)
        else:
            job = NOTHING
        self._next = job
        return job.pixels

    def put(self, seen: Seen) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        self.frames += 1
        height, width = seen.frame.image.shape[:2]
        self.size = width, height
        now_s = self._clock.now().monotonic_s
        with self._lock:
            self._ages.append((now_s, seen.result.age_ms))
        for event in seen.events:
            self.tell(event)
        job: Job = self._next
        if job:
            self._next = NOTHING
            self.encoder.take(seen, job, self.rate())

    def tell(self, event: Event) -> None:
        """Hands an event on; notices come to the page by themselves."""
        if event.kind not in _NOTICES:
            self._on_event(event)

    def finish(self) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        self.encoder.close()

    def discard(self) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        self.encoder.close()

    def summary(self) -> dict[str, object]:
        """There is nothing to say."""
        return {}

    def rate(self) -> float:
        """Frames a second, of the last seconds; 0 where none came."""
        now_s = self._clock.now().monotonic_s
        with self._lock:
            times = [at_s for at_s, _ in self._ages]
        recent = [at_s for at_s in times if now_s - at_s <= _RATE_S]
        if len(recent) < _RATE_FRAMES:
            recent = times[-_RATE_FRAMES:]
        if len(recent) < 2:
            return 0.0
        span_s, since_s = recent[-1] - recent[0], now_s - recent[-1]
        periods = len(recent) - 1
        # The rate of a camera that has stopped falls, and is not stuck at its last one.
        late = since_s * periods > 2 * span_s
        return periods / max(span_s + (since_s if late else 0), 1e-6)

    def recent_ages(self, seconds: float) -> list[float]:
        """Ages of the frames of the last seconds, ms."""
        since_s = self._clock.now().monotonic_s - seconds
        with self._lock:
            return [age for at_s, age in self._ages if at_s >= since_s]


def _nobody(event: Event) -> None:
    """Gets an event before anybody is connected."""

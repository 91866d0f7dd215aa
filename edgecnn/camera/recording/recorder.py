"""``--record``: everything that is seen, in segments."""

from __future__ import annotations

from pathlib import Path

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.recording.storage import Storage, VideoPart
from edgecnn.camera.seen import Seen

#: How much too early a frame may be and still be taken, as a share of the period: cameras are not
#: exact, and a tenth of their frames should not be left out for it.
_EARLY = 0.1


class Rate:
    """Chooses frames so that at most so many a second are taken, evenly.

    Args:
        fps: at most; None: every frame.
    """

    def __init__(self, fps: float | None) -> None:
        self._period_s = 0.0 if fps is None else 1 / fps
        self._due_s: float | None = None

    def takes(self, time_s: float) -> bool:
        """Whether the frame of this time is taken; times that go back begin anew."""
        if not self._period_s:
            return True
        due_s = self._due_s
        if due_s is None or not due_s - 2 * self._period_s <= time_s < due_s + self._period_s:
            self._due_s = time_s + self._period_s
            return True
        if time_s < due_s - _EARLY * self._period_s:
            return False
        self._due_s = due_s + self._period_s
        return True


class FrameTimeline:
    """Times that go forward, made of a source's: a list of files begins again and again at 0.

    Args:
        live: frames are told apart by when they were captured, else by their place in the file.
    """

    def __init__(self, live: bool) -> None:
        self._live = live
        self._last_s: float | None = None
        self._gap_s, self._shift_s = 0.04, 0.0

    def at(self, captured: Instant, timestamp_s: float) -> float:
        """Seconds on a scale of its own; those of one frame may be asked for repeatedly."""
        time_s = captured.monotonic_s if self._live else timestamp_s
        if self._last_s is not None:
            step_s = time_s + self._shift_s - self._last_s
            if step_s < 0:
                self._shift_s += self._gap_s - step_s
            elif step_s > 0:
                self._gap_s = step_s
        self._last_s = time_s + self._shift_s
        return self._last_s


class Recorder:
    """Writes every frame, or some of them, into one segment after the other.

    A segment ends after its time, before it takes more than a quarter of the quota, when the
    frame's size changes, and when the disk is in trouble.

    Args:
        folder: of the segments.
        storage: writes them.
        segment_s: seconds of a segment.
        fps: at most so many frames a second; None: every one.
        live: see :class:`FrameTimeline`.
        title: of the files, for people.
    """

    def __init__(
        self,
        folder: Path,
        storage: Storage,
        *,
        segment_s: float,
        fps: float | None,
        live: bool,
        title: str = "",
    ) -> None:
        self._folder, self._storage, self._title = folder, storage, title
        self._segment_s, self._live = segment_s, live
        self._rate, self._timeline = Rate(fps), FrameTimeline(live)
        self._part: VideoPart | None = None
        self._start_s = 0.0

    def wants(self, seen: Seen) -> bool:
        """See :class:`~edgecnn.camera.recording.encoder.JpegSink`."""
        frame = seen.frame
        return self._rate.takes(frame.captured.monotonic_s if self._live else frame.timestamp_s)

    def put(self, frame: EncodedFrame) -> None:
        """See :class:`~edgecnn.camera.recording.encoder.JpegSink`."""
        time_s = self._timeline.at(frame.captured, frame.timestamp_s)
        if self._part is not None and self._full(self._part, frame, time_s):
            self._end()
        if self._part is None:
            self._part = self._storage.begin(self._folder, frame, title=self._title)
            self._start_s = time_s
        if self._part is None:
            self._storage.counts.not_recorded += 1
        elif not self._storage.write(self._part, frame.jpeg, time_s - self._start_s):
            self._storage.counts.not_recorded += 1
            self._end()

    def missed(self, events: tuple[Event, ...]) -> None:
        """See :class:`~edgecnn.camera.recording.encoder.JpegSink`."""
        self._storage.counts.not_recorded += 1

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def tick(self) -> None:
        """Nothing to do."""

    def finish(self) -> None:
        """The last segment gets its name."""
        self._end()

    def summary(self) -> dict[str, object]:
        """The storage says it."""
        return {}

    def _full(self, part: VideoPart, frame: EncodedFrame, time_s: float) -> bool:
        if frame.size != part.writer.size or time_s - self._start_s >= self._segment_s:
            return True
        limit = self._storage.part_limit_bytes
        size = part.writer.size_bytes + part.writer.closing_bytes + len(frame.jpeg)
        return limit is not None and size > limit

    def _end(self) -> None:
        if self._part is not None:
            self._storage.end(self._part)
            self._part = None

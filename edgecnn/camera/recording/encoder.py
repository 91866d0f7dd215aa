"""JPEG frames for everything that records, each encoded once, off the loop's thread.

Segments, clips and snapshots want the same picture of a frame. :class:`JpegStage` is the one
:class:`~edgecnn.camera.seen.FrameSink` that the loop knows of; it draws and encodes on a small pool
of threads, and gives the result to each :class:`JpegSink` that wanted that frame, in order and on
one thread of its own. So a JpegSink needs no lock, may take its time with the disk, and whatever
several want is encoded once.

What is under way is bounded twice: raw pictures by the number of encoding threads and by their
bytes, encoded ones by their bytes (a memory card may stall for a second). Beyond that a file's loop
waits, and a live source's frame is not recorded, which the sinks that wanted it are told.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from edgecnn.camera.bound import usable_cores
from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.seen import Seen
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import CameraError

#: Pictures that are being encoded take at most so many bytes; one is always allowed.
_PICTURE_BYTES = 64 << 20
#: Encoded frames that wait for the disk take at most so many bytes, and are at most so many.
_WAITING_BYTES, _WAITING_ITEMS = 16 << 20, 4096
#: So many live frames that there was no room for are worth a notice.
_MANY = 100
#: So long without room for a live frame is worth a notice, seconds.
_HANGS_S = 5.0
#: A file's loop waits for the disk rather than let more frames wait: a kill would cost them.
_WAITING_FRAMES = 25
#: How often the sinks get their turn when no frame comes, seconds.
_TICK_S = 1.0


@dataclass(frozen=True)
class EncodedFrame:
    """One frame as a JPEG, without the pixels that it was made of.

    Attributes:
        jpeg: the whole file.
        size: width and height, pixels.
        sequence, captured, timestamp_s: of the :class:`~edgecnn.camera.sources.frames.Frame`.
        events: what began or ended with it.
    """

    jpeg: bytes
    size: tuple[int, int]
    sequence: int
    captured: Instant
    timestamp_s: float
    events: tuple[Event, ...] = ()


class JpegSink(Protocol):
    """Records JPEG frames: segments, clips, snapshots.

    :meth:`wants` is called on the loop's thread, everything else on the stage's own thread, one
    call after the other, frames and events in the order in which they happened.
    """

    def wants(self, seen: Seen) -> bool:
        """Whether it takes this frame; answers at once."""

    def put(self, frame: EncodedFrame) -> None:
        """Takes a frame that it wanted.

        Raises:
            CameraError: it cannot go on; it is not called again but to finish.
        """

    def missed(self, seen_events: tuple[Event, ...]) -> None:
        """A frame that it wanted came too fast to be encoded; these began or ended with it."""

    def tell(self, event: Event) -> None:
        """Takes an event that belongs to no frame."""

    def tick(self) -> None:
        """About a second has passed without a frame."""

    def finish(self) -> None:
        """The loop is over: what was taken is brought to its end.

        Raises:
            CameraError: it could not be.
        """

    def summary(self) -> dict[str, object]:
        """Counts for the last JSON line, by key; asked when it has finished."""


@dataclass(frozen=True)
class _Job:
    """A frame on its way, and who wanted it; ``frame`` is None when there was no room for it."""

    sinks: tuple[JpegSink, ...]
    frame: Future[tuple[EncodedFrame, float]] | None
    events: tuple[Event, ...]


class JpegStage:
    """Encodes frames for several sinks; implements :class:`edgecnn.camera.seen.FrameSink`.

    Args:
        sinks: get the frames they want, in this order.
        raw: the pixels as they came; otherwise with what was found drawn on them.
        quality: of the JPEG, 1 to 100.
        live: frames that there is no room for are missed; otherwise the loop waits.
        times: gets the milliseconds of ``write``: encoding and what the sinks take.
        notices: are told when frames cannot be recorded for seconds; None: nobody is.
        workers: encoding threads; None: one for each usable core, 2 to 4.
    """

    def __init__(
        self,
        sinks: Sequence[JpegSink],
        *,
        raw: bool,
        quality: int,
        live: bool,
        times: StageTimes,
        notices: Notices | None = None,
        workers: int | None = None,
    ) -> None:
        self.wants: Literal["raw", "drawn"] = "raw" if raw else "drawn"
        self._sinks, self._quality, self._live, self._times = tuple(sinks), quality, live, times
        count = workers or min(max(usable_cores(), 2), 4)
        self._room = _Room(count + 2, None if live else _WAITING_FRAMES)
        self._pool = ThreadPoolExecutor(count, "edgecnn-encode")
        self._jobs: queue.SimpleQueue[_Job | Event | None] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(1, "edgecnn-record")
        self._failed: CameraError | None = None
        self._notices = notices
        self._missed = 0
        self._full_s: float | None = None
        self._said = False
        self._lost = [0] * len(self._sinks)
        self._left = list(sinks)
        self._delivered = self._thread.submit(self._deliver)
        self._delivered.add_done_callback(lambda _: self._room.close())
        self._finished = False

    def put(self, seen: Seen) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        wanted = tuple(sink for sink in self._sinks if sink.wants(seen))
        if not wanted:
            return
        frame = None
        if self._room.enter(seen.frame.image.nbytes, wait=not self._live):
            frame = self._pool.submit(self._encode, seen)
        self._watch(frame is None)
        if frame is not None or self._jobs.qsize() < _WAITING_ITEMS:
            self._jobs.put(_Job(wanted, frame, seen.events))
            return
        for number, sink in enumerate(self._sinks):
            self._lost[number] += sink in wanted

    def tell(self, event: Event) -> None:
        """See :class:`~edgecnn.camera.seen.FrameSink`."""
        if self._jobs.qsize() < _WAITING_ITEMS:
            self._jobs.put(event)

    def finish(self) -> None:
        """Everything under way is written, and the sinks are finished.

        Raises:
            CameraError: the first of a sink.
        """
        if self._finished:
            return
        self._finished = True
        self._jobs.put(None)
        try:
            self._delivered.result()
        finally:
            self._thread.shutdown()
            self._pool.shutdown(cancel_futures=True)
        if self._failed is not None:
            raise self._failed

    def discard(self) -> None:
        """A recording has worth when the loop failed too: it is finished."""
        with suppress(CameraError):
            self.finish()

    def summary(self) -> dict[str, object]:
        """What the sinks say."""
        return {key: value for sink in self._sinks for key, value in sink.summary().items()}

    def _watch(self, full: bool) -> None:
        """Says it once when there has been no room for seconds, and when there is again."""
        now = time.monotonic()
        if not full:
            if self._said and self._notices is not None:
                self._notices.say("recording_resumed", "recording resumed")
            self._full_s, self._said = None, False
            return
        self._missed += 1
        if self._missed == _MANY and self._notices is not None:
            self._notices.say(
                "dropped",
                f"frames come faster than they can be recorded, {_MANY} are not; --record-fps or a"
                " smaller picture helps",
            )
        if self._full_s is None:
            self._full_s = now
        elif now - self._full_s >= _HANGS_S and not self._said and self._notices is not None:
            self._said = True
            self._notices.say(
                "recording_stopped",
                f"recording stopped, detection goes on: for {_HANGS_S:.0f} s no frame could be"
                " written; does the disk hang?",
            )

    def _encode(self, seen: Seen) -> tuple[EncodedFrame, float]:
        """The frame's JPEG, and the milliseconds that it took without drawing."""
        import cv2

        size = 0
        try:
            image = seen.picture.raw if self.wants == "raw" else seen.picture.drawn()
            start = time.perf_counter()
            done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            if not done:
                raise CameraError(
                    f"a frame of {image.shape[1]}×{image.shape[0]} could not be encoded as JPEG",
                    hint="JPEG holds at most 65500 pixels in each direction",
                )
            jpeg = data.tobytes()
            size = len(jpeg)
        finally:
            self._room.encoded(seen.frame.image.nbytes, size)
        frame = seen.frame
        encoded = EncodedFrame(
            jpeg,
            (image.shape[1], image.shape[0]),
            frame.sequence,
            frame.captured,
            frame.timestamp_s,
            seen.events,
        )
        return encoded, (time.perf_counter() - start) * 1e3

    def _deliver(self) -> None:
        """The stage's own thread: hands on what is encoded, in order, until the end."""
        try:
            while True:
                try:
                    job = self._jobs.get(timeout=_TICK_S)
                except queue.Empty:
                    self._each(self._left, lambda sink: sink.tick())
                    continue
                if job is None:
                    break
                self._hand_on(job)
        finally:
            for sink, lost in zip(self._sinks, self._lost, strict=True):
                for _ in range(lost):
                    self._each((sink,), lambda one: one.missed(()))
            self._each(self._sinks, lambda sink: sink.finish())

    def _hand_on(self, job: _Job | Event) -> None:
        if isinstance(job, Event):
            self._each(self._left, lambda sink: sink.tell(job))
            return
        wanting = [sink for sink in self._left if sink in job.sinks]
        ready = None
        try:
            ready = job.frame.result() if job.frame is not None else None
        except CameraError as error:
            self._failed = self._failed or error
            self._room.leave(0)
        if ready is None:
            self._each(wanting, lambda sink: sink.missed(job.events))
            return
        frame, encode_ms = ready
        start = time.perf_counter()
        self._each(wanting, lambda sink: sink.put(frame))
        self._times.add("write", encode_ms + (time.perf_counter() - start) * 1e3)
        self._room.leave(len(frame.jpeg))

    def _each(self, sinks: Sequence[JpegSink], call: Callable[[JpegSink], None]) -> None:
        """Calls each; one that cannot go on is not called any more but to finish."""
        for sink in tuple(sinks):
            try:
                call(sink)
            except CameraError as error:
                self._failed = self._failed or error
                if sink in self._left:
                    self._left.remove(sink)


class _Room:
    """How much may be under way: pictures until they are encoded, bytes until they are written.

    Args:
        pictures: at most so many.
        frames: at most so many encoded ones; None: as many as their bytes allow.
    """

    def __init__(self, pictures: int, frames: int | None = None) -> None:
        self._most, self._pictures, self._picture_bytes = pictures, 0, 0
        self._most_frames, self._frames = frames, 0
        self._bytes, self._closed = _WAITING_BYTES, False
        self._changed = threading.Condition()

    def enter(self, size: int, wait: bool) -> bool:
        """Takes the place of a picture of so many bytes; False: there is none.

        With ``wait`` there will be none either: it was closed.
        """
        with self._changed:
            while wait and not self._closed and not self._fits(size):
                self._changed.wait()
            if self._closed or not self._fits(size):
                return False
            self._pictures += 1
            self._picture_bytes += size
            return True

    def encoded(self, size: int, jpeg: int) -> None:
        """A picture of so many bytes has become so many as a JPEG."""
        with self._changed:
            self._pictures -= 1
            self._picture_bytes -= size
            self._bytes -= jpeg
            self._frames += 1
            self._changed.notify()

    def leave(self, size: int) -> None:
        """So many bytes are written."""
        with self._changed:
            self._bytes += size
            self._frames -= 1
            self._changed.notify()

    def _fits(self, size: int) -> bool:
        full = self._most_frames is not None and self._frames >= self._most_frames
        if full or self._bytes <= 0:
            return False
        within = self._picture_bytes + size <= _PICTURE_BYTES and self._pictures < self._most
        return within or not self._pictures

    def close(self) -> None:
        """Nobody will make room any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

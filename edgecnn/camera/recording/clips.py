"""A short video around each event: ``--clips``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.events.event import SHOWN_KINDS, Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.attachments import Attachments
from edgecnn.camera.recording.encoder import EncodedFrame
from edgecnn.camera.recording.late import LateEvents
from edgecnn.camera.recording.names import RecordingName
from edgecnn.camera.recording.preroll import SAME_S, PreRoll
from edgecnn.camera.recording.recorder import FrameTimeline, Rate
from edgecnn.camera.recording.storage import Storage, VideoPart
from edgecnn.camera.seen import Seen


@dataclass
class _Clip:
    """The clip that is written: its file, when its first frame was, and until when it shows."""

    name: str
    part: VideoPart
    size: tuple[int, int]
    start_s: float
    until_s: float


class ClipSink:
    """Writes the frames around events, as a sink of the encoding stage.

    What was before an event comes from memory, where the JPEG frames of the last seconds are held.
    Which clip shows an event, and so whether one is prolonged, was decided when the event got its
    name (:class:`~edgecnn.camera.recording.attachments.Attachments`). Seconds are those of the
    frames' timestamps.

    Args:
        storage: of the files.
        folder: one of the storage's.
        attachments: names the clips.
        before_s, after_s: how much a clip shows before and after its event, seconds.
        fps: at most so many frames a second; None: every one.
        live: frames come in real time: a clip ends in time also while none come.
        notices: get what the clips do not show.
        clock: says how long no frame has come.
        most_bytes: of the frames in memory; None: what suits this machine.
    """

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        attachments: Attachments,
        *,
        before_s: float,
        after_s: float,
        fps: float | None,
        live: bool,
        notices: Notices,
        clock: TimeSource = SYSTEM_CLOCK,
        most_bytes: int | None = None,
    ) -> None:
        self._storage, self._folder, self._attachments = storage, folder, attachments
        self._before_s, self._after_s, self._live = before_s, after_s, live
        self._notices, self._clock = notices, clock
        self._before = PreRoll(before_s, most_bytes)
        self._rate, self._timeline = Rate(fps), FrameTimeline(live)
        self._clip: _Clip | None = None
        self._latest: str | None = None
        self._late = LateEvents()
        self._last: tuple[float, EncodedFrame] | None = None
        self._said_short = False
        self._files = self._lost = 0

    def wants(self, seen: Seen) -> bool:
        """Every frame, if a clip shows something before its event; otherwise those of clips."""
        frame = seen.frame
        taken = self._rate.takes(frame.captured.monotonic_s if self._live else frame.timestamp_s)
        if any(map(begins_clip, seen.events)):
            return True
        running = self._attachments.running(frame.captured, frame.timestamp_s)
        return taken and (self._before_s > 0 or running or self._late.waiting)

    def put(self, frame: EncodedFrame) -> None:
        """Adds the frame to the clip that it belongs to, and to those in memory."""
        now_s = self._timeline.at(frame.captured, frame.timestamp_s)
        for event in (*self._late.take(), *frame.events):
            if begins_clip(event):
                self._show(event, now_s, frame)
        if self._clip is not None:
            if now_s > self._clip.until_s + SAME_S:
                self._end()
            else:
                self._write(now_s, frame)
        if self._before_s > 0:
            self._before.add(now_s, frame)
            self._say_short()
        self._last = (now_s, frame)

    def missed(self, seen_events: tuple[Event, ...]) -> None:
        """The clips of these events begin with the next frame."""
        self._late.keep(filter(begins_clip, seen_events))

    def tell(self, event: Event) -> None:
        """Nothing to do."""

    def tick(self) -> None:
        """Ends a clip whose time is over while a live source gives no frame."""
        if self._clip is None or self._last is None or not self._live:
            return
        last_s, frame = self._last
        passed_s = self._clock.now().monotonic_s - frame.captured.monotonic_s
        if last_s + passed_s > self._clip.until_s:
            self._end()

    def finish(self) -> None:
        """Ends the clip that is open."""
        self._end()
        self._late.give_up()

    def summary(self) -> dict[str, object]:
        """See docs/json.md."""
        return {"clips": {"files": self._files, "lost": self._lost + self._late.lost}}

    def _show(self, event: Event, now_s: float, frame: EncodedFrame) -> None:
        """Begins the clip of an event, or lets the one that runs go on for it."""
        until_s = now_s + self._after_s
        if self._clip is not None and self._clip.name == event.clip:
            self._clip.until_s = until_s
            return
        if event.clip is None or event.clip == self._latest:
            return  # the disk has ended it
        self._end()
        self._latest = event.clip
        before = self._before.frames(now_s - self._before_s)
        before = [(at_s, each) for at_s, each in before if each.size == frame.size]
        start_s, first = before[0] if before else (now_s, frame)
        name = RecordingName.of(Path(event.clip))
        title = f"{event.label}, {event.moment.iso()}"
        part = self._storage.begin(self._folder, first, name=name, title=title)
        if part is None:
            self._lost += 1
            return
        self._clip = _Clip(event.clip, part, frame.size, start_s, until_s)
        for at_s, each in before:
            self._write(at_s, each)

    def _write(self, at_s: float, frame: EncodedFrame) -> None:
        """Adds a frame; a disk that does not take it ends the clip."""
        clip = self._clip
        if clip is None:
            return
        jpeg = frame.jpeg if frame.size == clip.size else scaled(frame.jpeg, clip.size)
        limit, writer = self._storage.part_limit_bytes, clip.part.writer
        size = writer.size_bytes + writer.closing_bytes + len(jpeg)
        full = limit is not None and size > limit
        if full or not self._storage.write(clip.part, jpeg, at_s - clip.start_s):
            self._end()

    def _end(self) -> None:
        clip, self._clip = self._clip, None
        if clip is not None:
            written = self._storage.end(clip.part) is not None
            self._files += written
            self._lost += not written

    def _say_short(self) -> None:
        """Memory that bounds what clips show is said once."""
        short_s = self._before.short_s
        if short_s is None or self._said_short:
            return
        self._said_short = True
        self._notices.say(
            "clip_shortened",
            f"clips begin about {short_s:.1f} s before their events instead of"
            f" {self._before_s:g} s: {self._before.most_bytes / 1e6:.0f} MB of memory hold no more"
            " frames; record fewer of them, smaller ones, or at a lower quality",
        )


def begins_clip(event: Event) -> bool:
    """Whether a clip was named for it: what leaves names the clip that showed how it came."""
    return event.kind in SHOWN_KINDS and event.clip is not None


def scaled(jpeg: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG of another width and height: a source may change its resolution within a clip."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return jpeg
    fitted = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", fitted)[1].tobytes()

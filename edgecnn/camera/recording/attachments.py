"""Which files will show an event: their names are known when it begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.recording.names import PICTURE, VIDEO
from edgecnn.camera.recording.preroll import SAME_S
from edgecnn.camera.recording.recorder import FrameTimeline
from edgecnn.camera.recording.storage import Storage

#: A clip that event after event prolongs ends after so many seconds, and the next one begins.
LONGEST_CLIP_S = 60.0


@dataclass
class _Running:
    """The clip of now: its name, until when it shows, and until when it can be prolonged."""

    name: str
    until_s: float
    bound_s: float


class Attachments:
    """Names the clip and the snapshot of an event that begins, in the event.

    An event while a clip runs prolongs it, and both events name the same clip. A clip is never
    prolonged beyond a minute (nor below ``before_s + after_s``): an event that would need
    more begins the next one, and the one that runs ends there.

    While the disk is in trouble nothing can be promised, and nothing is named. Everything is called
    on the loop's thread.

    Args:
        storage: of the files.
        clips, snapshots: folders of such files; None: there are none.
        before_s, after_s: how much a clip shows before and after its event, seconds.
        live: see :class:`~edgecnn.camera.recording.recorder.FrameTimeline`.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        clips: Path | None,
        snapshots: Path | None,
        before_s: float,
        after_s: float,
        live: bool,
    ) -> None:
        self._storage, self._clips, self._snapshots = storage, clips, snapshots
        self._before_s, self._after_s = before_s, after_s
        self._timeline = FrameTimeline(live)
        self._running: _Running | None = None

    def __call__(self, event: Event) -> Event:
        """The event with the names of its files."""
        if event.timestamp_s is None or self._storage.stopped:
            self._running = None
            return event
        now_s = self._timeline.at(event.moment, event.timestamp_s)
        clip = None if self._clips is None else self._clip(event, now_s)
        snapshot = None
        if self._snapshots is not None:
            snapshot = self._name(event, PICTURE)
        return replace(event, clip=clip, snapshot=snapshot)

    def running(self, captured: Instant, timestamp_s: float) -> bool:
        """Whether a frame belongs to a clip that an event has begun."""
        now_s = self._timeline.at(captured, timestamp_s)
        return self._running is not None and now_s <= self._running.until_s + SAME_S

    def _clip(self, event: Event, now_s: float) -> str:
        until_s, running = now_s + self._after_s, self._running
        if running is not None and now_s <= running.until_s + SAME_S and until_s <= running.bound_s:
            running.until_s = until_s
            return running.name
        bound_s = max(now_s - self._before_s + LONGEST_CLIP_S, until_s)
        self._running = _Running(self._name(event, VIDEO), until_s, bound_s)
        return self._running.name

    def _name(self, event: Event, suffix: str) -> str:
        return self._storage.new_name(event.moment.wall_s, suffix, event.label or "").file()

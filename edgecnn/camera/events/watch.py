"""What appears and what leaves, found out from the detections of one frame after the other."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from edgecnn.camera.clock import SYSTEM_CLOCK, Instant, TimeSource
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.regions import InRegions
from edgecnn.camera.following import Crossing
from edgecnn.camera.notices import LoopNotice
from edgecnn.camera.result import FrameResult, Item
from edgecnn.camera.sources.frames import Frame

#: Names the files that will show an event, in the event.
Attach = Callable[[Event], Event]

#: What counts as one thing that can be there: a label, a region or None for the whole frame, and a
#: track or None where nothing is followed.
PresenceKey = tuple[str, str | None, int | None]


@dataclass
class _Presence:
    """Something that is there, or may come to be.

    Attributes:
        began_s, last_s: when it was seen first and last, in the watch's seconds.
        best: the highest score up to now.
        frame, timestamp_s, file: of the frame it was seen on last.
        box_xyxy: likewise.
        frames, hits: since it began: how many frames there were, and on how many it was.
        absent_s: when it was first missing since it was last seen; None: it is there.
        appeared: its event; None: it has not been there for long enough.
    """

    began_s: float
    last_s: float
    best: float
    frame: int
    timestamp_s: float
    file: str | None
    box_xyxy: tuple[float, float, float, float]
    frames: int = 0
    hits: int = 0
    absent_s: float | None = None
    appeared: Event | None = None


class EventWatch:
    """Implements :class:`edgecnn.camera.loop.EventSource`.

    For each label in each region there is something, or there is not: several objects of one label
    are one presence, that lasts from the first to the last of them. It has appeared once it has
    been there for ``after_s``, on at least half of the frames of that time; it has left once frames
    without it span ``gap_s``. While no frames come, nobody can tell, and nothing leaves.

    Where things are followed, each track is a presence of its own, and what has no number yet is
    none; it has also left when its track is over. What passes a line or the border of a zone is an
    event at once, wherever the regions are.

    Time is that of the frames: the position in a file, so that a file gives the same events however
    fast it is processed, and the monotonic clock for live sources. The wall clock only dates
    events. At most labels × regions presences are remembered, or as many for each track.

    Args:
        config: what makes an event.
        source: where frames come from, passwords masked.
        attach: names the files of an event that begins; None: there are none.
        run: marks all events of this run of the program; None: one that no other run has.
        clock: dates what belongs to no frame.
        camera: the name of the camera; None: it has none.
        next_number: numbers the events of all cameras of a run; None: there is one camera.
    """

    def __init__(
        self,
        config: EventConfig,
        source: str,
        attach: Attach | None = None,
        run: str | None = None,
        clock: TimeSource = SYSTEM_CLOCK,
        camera: str | None = None,
        next_number: Callable[[], int] | None = None,
    ) -> None:
        self._config, self._source, self._clock = config, source, clock
        self._camera, self._next_number = camera, next_number or count(1).__next__
        self._attach = attach
        self._run = run or uuid.uuid4().hex[:12]
        self._regions = InRegions(config.regions)
        self._there: dict[PresenceKey, _Presence] = {}
        self._now_s = 0.0
        self._before_s: float | None = None

    def begin(self) -> Event:
        """See :class:`edgecnn.camera.loop.EventSource`."""
        return self._event("started", self._clock.now())

    def notice(self, notice: LoopNotice) -> Event:
        """See :class:`edgecnn.camera.loop.EventSource`."""
        event = replace(self._event(notice.kind, notice.moment), text=notice.text)
        if notice.camera == self._camera:
            return event
        return replace(event, camera=None, source=None)

    def see(self, frame: Frame, result: FrameResult) -> tuple[Event, ...]:
        """What happened with this frame: first what left, then what appeared, then what passed."""
        if not math.isfinite(frame.timestamp_s):
            frame = replace(frame, timestamp_s=self._before_s or 0.0)
        now_s = self._advance(frame.timestamp_s)
        found = self._found(frame, result)
        following = result.following
        over = frozenset(following.ended if following is not None else ())
        left = [
            self._left(key, presence, began, frame.captured)
            for key, presence in tuple(self._there.items())
            if key not in found and (began := self._missing(key, presence, now_s, over))
        ]
        appeared = [
            self._appeared(key, item, frame)
            for key, item in found.items()
            if self._seen(key, item, frame, now_s)
        ]
        crossings = following.crossings if following is not None else ()
        return (
            *left,
            *appeared,
            *(self._passed(crossing, frame, frame.captured) for crossing in crossings),
        )

    def end(self, why: str, crossings: tuple[Crossing, ...] = ()) -> tuple[Event, ...]:
        """What passed, and is known only now; what is still there leaves; then the end itself."""
        now = self._clock.now()
        passed = [self._passed(crossing, None, now) for crossing in crossings]
        there, self._there = self._there, {}
        left = [
            self._left(key, presence, presence.appeared, now)
            for key, presence in there.items()
            if presence.appeared is not None
        ]
        return (*passed, *left, replace(self._event("ended", now), text=why))

    def _advance(self, timestamp_s: float) -> float:
        """The watch's own seconds, which never go back: a list's next file may begin at 0."""
        if self._before_s is not None:
            self._now_s += max(0.0, timestamp_s - self._before_s)
        self._before_s = timestamp_s
        return self._now_s

    def _found(self, frame: Frame, result: FrameResult) -> dict[PresenceKey, Item]:
        """The best detection of each label, or of each track, in each region."""
        found: dict[PresenceKey, Item] = {}
        followed = result.following is not None
        size = (frame.image.shape[0], frame.image.shape[1])
        for item in result.items:
            if followed and item.track is None:
                continue
            for region in self._regions.of(item, size):
                key = (item.label, region, item.track)
                if key not in found or item.score > found[key].score:
                    found[key] = item
        return found

    def _seen(self, key: PresenceKey, item: Item, frame: Frame, now_s: float) -> bool:
        """Notes that it is there; whether it appears with that."""
        presence = self._there.get(key)
        if presence is None:
            presence = self._there[key] = _Presence(
                now_s, now_s, item.score, frame.sequence, frame.timestamp_s, frame.name,
                item.box_xyxy,
            )  # fmt: skip
        presence.last_s, presence.absent_s = now_s, None
        presence.best = max(presence.best, item.score)
        presence.frame, presence.timestamp_s = frame.sequence, frame.timestamp_s
        presence.file, presence.box_xyxy = frame.name, item.box_xyxy
        presence.frames += 1
        presence.hits += 1
        return presence.appeared is None and now_s - presence.began_s >= self._config.after_s

    def _missing(
        self, key: PresenceKey, presence: _Presence, now_s: float, over: frozenset[int]
    ) -> Event | None:
        """Notes that it is not there; if it leaves with that, the event it began with."""
        presence.frames += 1
        if presence.absent_s is None:
            presence.absent_s = now_s
        gone = key[2] in over or now_s - presence.absent_s >= self._config.gap_s
        if presence.appeared is None and 2 * presence.hits < presence.frames:
            gone = True
        if not gone:
            return None
        del self._there[key]
        return presence.appeared

    def _appeared(self, key: PresenceKey, item: Item, frame: Frame) -> Event:
        event = self._of(key, self._there[key], "appeared", frame.captured, item.score)
        if self._attach is not None:
            event = self._attach(event)
        self._there[key].appeared = event
        return event

    def _left(self, key: PresenceKey, presence: _Presence, began: Event, moment: Instant) -> Event:
        return replace(
            self._of(key, presence, "left", moment, presence.best),
            seconds=presence.last_s - presence.began_s,
            began=began.number,
            clip=began.clip,
            snapshot=began.snapshot,
        )

    def _of(
        self, key: PresenceKey, presence: _Presence, kind: str, moment: Instant, score: float
    ) -> Event:
        """An event of a presence, on the frame it was seen on last."""
        return replace(
            self._event(kind, moment),
            frame=presence.frame,
            timestamp_s=presence.timestamp_s,
            file=presence.file,
            label=key[0],
            score=score,
            box_xyxy=presence.box_xyxy,
            region=key[1],
            track=key[2],
        )

    def _passed(self, crossing: Crossing, frame: Frame | None, moment: Instant) -> Event:
        """An event of a line or zone, on the frame that made it sure; None: the end did."""
        line = crossing.kind == "line"
        event = replace(
            self._event(
                "crossed" if line else "entered" if crossing.direction == "in" else "exited",
                moment,
            ),
            label=crossing.label,
            score=crossing.score,
            box_xyxy=crossing.box_xyxy,
            track=crossing.track,
            line=crossing.place if line else None,
            zone=None if line else crossing.place,
            direction=crossing.direction,
        )
        if frame is None:
            return event
        event = replace(event, frame=frame.sequence, timestamp_s=frame.timestamp_s, file=frame.name)
        return event if self._attach is None else self._attach(event)

    def _event(self, kind: str, moment: Instant) -> Event:
        number = self._next_number()
        return Event(number, kind, moment, self._source, run=self._run, camera=self._camera)

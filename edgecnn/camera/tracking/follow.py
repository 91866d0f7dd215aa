"""Tracker and counter as the loop's follower."""

from __future__ import annotations

import math

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.following import Crossing, Following
from edgecnn.camera.result import Item
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.tracking.tracked import Tracker
from edgecnn.camera.tracking.trails import Trails


class TrackAndCount:
    """Implements :class:`edgecnn.camera.loop.Follower`.

    Args:
        tracker: knows things again.
        counter: counts them; None: nothing is counted.
    """

    def __init__(self, tracker: Tracker, counter: Counter | None = None) -> None:
        self._tracker, self._counter = tracker, counter
        self._trails = Trails()
        self._now_s = 0.0
        self._before_s: float | None = None
        self._highest = 0

    def follow(self, frame: Frame, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], Following]:
        """See :class:`edgecnn.camera.loop.Follower`."""
        now_s = self._advance(frame.timestamp_s)
        tracked = self._tracker.update(items, now_s)
        for sighting in tracked.sightings:
            self._highest = max(self._highest, sighting.item.track or 0)
        crossings: tuple[Crossing, ...] = ()
        if self._counter is not None:
            size = (frame.image.shape[0], frame.image.shape[1])
            crossings = self._counter.count(tracked, now_s, size)
        following = Following(
            trails=self._trails.update(tracked.items, tracked.ended, now_s),
            crossings=crossings,
            counts=self._counter.counts if self._counter is not None else (),
            ended=tracked.ended,
        )
        return tracked.items, following

    def end(self) -> tuple[Crossing, ...]:
        """See :class:`edgecnn.camera.loop.Follower`."""
        return self._counter.end() if self._counter is not None else ()

    def summary(self) -> dict[str, object]:
        """See :class:`edgecnn.camera.loop.Follower`: how many tracks there were, and the counts."""
        found: dict[str, object] = {"tracks": self._highest}
        if self._counter is not None:
            found["counts"] = [count.to_json() for count in self._counter.counts]
        return found

    def _advance(self, timestamp_s: float) -> float:
        """Seconds that never go back: a list's next file may begin at 0."""
        if not math.isfinite(timestamp_s):
            return self._now_s
        if self._before_s is not None:
            self._now_s += max(0.0, timestamp_s - self._before_s)
        self._before_s = timestamp_s
        return self._now_s

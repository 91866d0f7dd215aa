"""Tracker and counter as the loop's follower."""

from __future__ import annotations

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.following import Following
from edgecnn.camera.result import Item
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.tracking.tracked import Tracker


class TrackAndCount:
    """Implements :class:`edgecnn.camera.loop.Follower`.

    Args:
        tracker: knows things again.
        counter: counts them; None: nothing is counted.
    """

    def __init__(self, tracker: Tracker, counter: Counter | None = None) -> None:
        self._tracker, self._counter = tracker, counter
        self._now_s, self._before_s = 0.0, None

    def follow(self, frame: Frame, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], Following]:
        """See :class:`edgecnn.camera.loop.Follower`."""
        tracked = self._tracker.update(items, frame.timestamp_s)
        if self._counter is None:
            return tracked.items, Following(ended=tracked.ended)
        size = (frame.image.shape[0], frame.image.shape[1])
        crossings = self._counter.count(tracked, frame.timestamp_s, size)
        following = Following(crossings=crossings, counts=self._counter.counts, ended=tracked.ended)
        return tracked.items, following

    def summary(self) -> dict[str, object]:
        """See :class:`edgecnn.camera.loop.Follower`."""
        counts = self._counter.counts if self._counter is not None else ()
        return {"counts": [count.to_json() for count in counts]}

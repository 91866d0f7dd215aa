"""The ways that things which are followed went."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edgecnn.camera.following import Trail
from edgecnn.camera.result import Item

#: A trail goes back so far, seconds and points.
_LONG_S = 2.0
_MOST_POINTS = 64
#: It is shown until its track was not seen for so long, seconds; the last frame's always is.
_SHOWN_S = 0.5


class _Way:
    """Where one of them was: times and points, the oldest first."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.times: deque[float] = deque(maxlen=_MOST_POINTS)
        self.points: deque[tuple[float, float]] = deque(maxlen=_MOST_POINTS)

    def add(self, item: Item, time_s: float) -> None:
        """Goes on to where the item stands, and forgets what was too long ago."""
        self.item = item
        self.times.append(time_s)
        self.points.append(item.anchor_xy)
        while self.times[0] < time_s - _LONG_S:
            self.times.popleft()
            self.points.popleft()


class Trails:
    """Remembers the last ways of all tracks: the middles of their boxes' bottoms, or their points.

    What it holds is bounded by the number of tracks.
    """

    def __init__(self) -> None:
        self._ways: dict[int, _Way] = {}

    def update(
        self, items: Iterable[Item], ended: Iterable[int], time_s: float
    ) -> tuple[Trail, ...]:
        """The trails with this frame.

        Args:
            items: that are on it; those without a track have no trail.
            ended: tracks that are over.
            time_s: of the frame, in seconds that never go back.
        """
        for number in ended:
            self._ways.pop(number, None)
        for item in items:
            if item.track is not None:
                way = self._ways.get(item.track)
                if way is None:
                    way = self._ways[item.track] = _Way(item)
                way.add(item, time_s)
        return tuple(
            Trail(number, way.item.label, way.item.class_index, tuple(way.points))
            for number, way in self._ways.items()
            if time_s - way.times[-1] <= _SHOWN_S
        )

"""What passes a line."""

from __future__ import annotations

import math

from edgecnn.camera.counting.evidence import Evidence
from edgecnn.camera.counting.walk import Walk
from edgecnn.camera.following import Direction
from edgecnn.camera.geometry import Point, passed, side_of


class AtLine:
    """One track at one line.

    The way between two sightings is the segment between them, however far: only what passes between
    the line's ends counts. Each pass is noted, one back takes one away; what is left counts once
    the track surely is off the line on its other side
    (:class:`~edgecnn.camera.counting.evidence.Evidence`). So jitter on the line, and turning back,
    give nothing.

    Args:
        points: the line's ends, x, y in frame pixels.
    """

    __slots__ = ("_a", "_b", "_evidence", "_length", "_passes", "_safe", "_side")

    def __init__(self, points: tuple[Point, ...]) -> None:
        self._a, self._b = points
        self._length = math.dist(self._a, self._b)
        self._evidence = Evidence()
        self._side: int | None = None
        self._passes = 0
        self._safe: tuple[float, float, float] | None = None

    def see(self, walk: Walk) -> tuple[Direction, ...]:
        """Takes the track's next sighting; what it has passed with that."""
        x, y = walk.point
        if self._safe is not None:
            from_x, from_y, square = self._safe
            if (x - from_x) ** 2 + (y - from_y) ** 2 < square:
                return ()
        if walk.before is not None:
            self._passes += passed(self._a, self._b, walk.before, walk.point)
        # From the whole straight line: what runs along the line shows no side beyond its ends.
        off = side_of(self._a, self._b, walk.point) / self._length
        side = self._evidence.add(off, walk)
        self._safe = None
        if not side:
            return ()
        room = abs(off) - 2 * walk.clear()
        if room > 0:
            # As long as it stays in this circle, it is clear of it.
            self._safe = (x, y, room * room)
            self._evidence.forget()
        return self._settle(side, walk)

    def end(self, walk: Walk) -> tuple[Direction, ...]:
        """The track is over; what it has passed before that, and was not sure."""
        if not self._passes:
            return ()
        side = self._evidence.at_last(walk)
        return self._settle(side, walk) if side else ()

    @property
    def inside(self) -> bool:
        """Nothing is inside a line."""
        return False

    def _settle(self, side: int, walk: Walk) -> tuple[Direction, ...]:
        before = self._side if self._side is not None else self._evidence.at_first(walk)
        passes, self._passes, self._side = self._passes, 0, side
        # A line passed to the other side than where it now is was passed around its end.
        if before * side >= 0 or passes * side <= 0:
            return ()
        return ("in",) if side > 0 else ("out",)

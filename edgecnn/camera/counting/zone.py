"""What enters and leaves a zone."""

from __future__ import annotations

import math
from functools import cached_property

from edgecnn.camera.counting.evidence import Evidence
from edgecnn.camera.counting.walk import Walk
from edgecnn.camera.following import Direction
from edgecnn.camera.geometry import Point, distance, holds, passed, sides

# Points of a way in doubt that are remembered.
_MOST_POINTS = 64
# A way in doubt has passed if it would have, moved aside by so much of the usual distance.
_ASIDE = 0.6
_ASIDES = (
    (0.0, 0.0),
    *((math.cos(turn), math.sin(turn)) for turn in (k * math.pi / 4 for k in range(8))),
)


class ZoneBorder:
    """The border of a zone.

    Args:
        points: corners, x, y in frame pixels.
    """

    def __init__(self, points: tuple[Point, ...]) -> None:
        self._points = points

    @cached_property
    def around(self) -> list[tuple[Point, Point]]:
        """The sides."""
        return sides(self._points)

    def depth(self, x: float, y: float) -> float:
        """How far inside a point lies, pixels; outside, less than 0."""
        off = min(distance(a, b, x, y) for a, b in self.around)
        return off if holds(self.around, x, y) else -off

    def is_met(self, start: Point, end: Point) -> bool:
        """Whether a straight way passes the border."""
        return any(passed(a, b, start, end) for a, b in self.around)


class AtZone:
    """One track at one zone.

    It is in or out once it surely is
    (:class:`~edgecnn.camera.counting.evidence.Evidence`), so that what stops on the border, or
    turns back there, counts nothing. What has been through (or out and in again) without ever being
    sure of it, because the zone is narrow there or frames are missing, counts both if its way still
    passes the border when it is moved aside a little, to anywhere: a corner that is only brushed
    does not count.

    Args:
        border: of the zone.
    """

    __slots__ = ("_border", "_evidence", "_inside", "_met", "_safe", "_way")

    def __init__(self, border: ZoneBorder) -> None:
        self._border = border
        self._evidence = Evidence()
        self._inside: bool | None = None
        self._met = False
        self._way: list[Point] = []
        self._safe: tuple[float, float, float] | None = None

    @property
    def inside(self) -> bool:
        """Whether it is in the zone."""
        return bool(self._inside)

    def see(self, walk: Walk) -> tuple[Direction, ...]:
        """Takes the track's next sighting; what it has passed with that, in order."""
        x, y = walk.point
        if self._safe is not None:
            from_x, from_y, square = self._safe
            if (x - from_x) ** 2 + (y - from_y) ** 2 < square:
                return ()
            # Where it was left unseen, it was clear of the border.
            self._way = [] if walk.before is None else [walk.before]
            self._safe = None
        if walk.before is not None and not self._met:
            self._met = self._border.is_met(walk.before, walk.point)
        self._note(walk.point)
        depth = self._border.depth(x, y)
        side = self._evidence.add(depth, walk)
        if not side:
            return ()
        room = abs(depth) - 2 * walk.clear()
        if room > 0:
            # As long as it stays in this circle, it is clear of the border.
            self._safe = (x, y, room * room)
            self._evidence.forget()
        return self._settle(side > 0, walk)

    def end(self, walk: Walk) -> tuple[Direction, ...]:
        """The track is over; what it has passed before that, and was not sure."""
        side = self._evidence.at_last(walk) if self._met else 0
        return self._settle(side > 0, walk) if side else ()

    def _note(self, point: Point) -> None:
        """Remembers the way; of a long one every other point."""
        self._way.append(point)
        if len(self._way) > _MOST_POINTS:
            self._way = [*self._way[:-1:2], self._way[-1]]

    def _settle(self, inside: bool, walk: Walk) -> tuple[Direction, ...]:
        before, met, way = self._inside, self._met, self._way
        self._inside, self._met, self._way = inside, False, [walk.point]
        if before is None:
            first = self._evidence.at_first(walk)
            if first == 0:
                return ()
            before = first > 0
        if before != inside:
            return ("in",) if inside else ("out",)
        if not (met and self._passes_aside(way, _ASIDE * walk.clear())):
            return ()
        return ("out", "in") if inside else ("in", "out")

    def _passes_aside(self, way: list[Point], aside: float) -> bool:
        """Whether the way meets the border also when it is moved aside a little, to anywhere."""
        smooth = [_mean(way, place) for place in range(len(way))]
        return all(
            self._meets([(x + aside * across, y + aside * down) for x, y in smooth])
            for across, down in _ASIDES
        )

    def _meets(self, way: list[Point]) -> bool:
        return any(self._border.is_met(a, b) for a, b in zip(way, way[1:], strict=False))


def _mean(way: list[Point], place: int) -> Point:
    """The mean of up to five points around one; the ends stay."""
    reach = min(place, len(way) - 1 - place, 2)
    near = way[place - reach : place + reach + 1]
    return sum(x for x, _ in near) / len(near), sum(y for _, y in near) / len(near)

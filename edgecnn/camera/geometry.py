"""Plane geometry of lines and polygons in a frame; x goes right and y down."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]


def sides(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    """The sides of a polygon, from each corner to the next."""
    return list(zip(points, [*points[1:], points[0]], strict=True))


def area(points: Sequence[Point]) -> float:
    """What a polygon encloses, in the square of its unit."""
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in sides(points))) / 2


def side_of(a: Point, b: Point, point: Point) -> float:
    """On which side of the way from a to b a point lies: right (as seen) more than 0, left less.

    >>> side_of((0, 0), (10, 0), (5, 3))
    30
    """
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])


def self_crossing(points: Sequence[Point]) -> tuple[int, int] | None:
    """The numbers, from 1, of two sides that are no neighbours and cross; None: there are none."""
    around = sides(points)
    for first, (a, b) in enumerate(around):
        for second in range(first + 2, len(around)):
            if first == 0 and second == len(around) - 1:
                continue
            c, d = around[second]
            if side_of(a, b, c) * side_of(a, b, d) < 0 and side_of(c, d, a) * side_of(c, d, b) < 0:
                return first + 1, second + 1
    return None


def holds(around: Sequence[tuple[Point, Point]], x: float, y: float) -> bool:
    """Whether a point lies in the polygon with these sides, or on its border."""
    inside = False
    for (x1, y1), (x2, y2) in around:
        side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if side == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        # A ray to the right crosses a side that begins on or above it and ends below it.
        if (y1 <= y) != (y2 <= y) and (side > 0) == (y2 > y1):
            inside = not inside
    return inside


def distance(a: Point, b: Point, x: float, y: float) -> float:
    """How far a point is from the segment between a and b."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    along = ((x - a[0]) * dx + (y - a[1]) * dy) / square if square else 0.0
    along = min(max(along, 0.0), 1.0)
    return math.hypot(x - a[0] - along * dx, y - a[1] - along * dy)


def passed(a: Point, b: Point, start: Point, end: Point) -> int:
    """Whether the way from start to end passes the segment between a and b.

    Points on the line count to its right, so that a way of several pieces passes as often in each
    direction as the whole does.

    Returns:
        1: to its right-hand side, as seen on the way from a to b; -1: to its left; 0: it does not.
    """
    first, last = side_of(a, b, start), side_of(a, b, end)
    if (first >= 0) == (last >= 0):
        return 0
    share = first / (first - last)
    x, y = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = (x - a[0]) * dx + (y - a[1]) * dy
    if not 0 <= along <= dx * dx + dy * dy:
        return 0
    return 1 if last >= 0 else -1


def clipped(points: Sequence[Point], width: float, height: float) -> list[Point]:
    """The part of a polygon, or of a line, in the rectangle from (0, 0): Sutherland-Hodgman."""
    kept = list(points)
    for axis, bound, sign in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        found: list[Point] = []
        for start, end in sides(kept) if kept else ():
            from_, to = sign * (start[axis] - bound), sign * (end[axis] - bound)
            if from_ >= 0:
                found.append(start)
            if (from_ >= 0) != (to >= 0):
                share = from_ / (from_ - to)
                found.append(
                    (
                        start[0] + share * (end[0] - start[0]),
                        start[1] + share * (end[1] - start[1]),
                    )
                )
        kept = found
    return kept

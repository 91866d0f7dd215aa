"""Lines and zones, as they are given, and where they lie in a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.corners import MOST_CORNERS
from edgecnn.camera.following import PlaceKind
from edgecnn.camera.geometry import Point, area, clipped, self_crossing
from edgecnn.core.errors import UsageError

#: Farther than this from the frame's corner nothing is meant, pixels.
_FARTHEST = 100_000
_LONGEST_NAME = 100
_HINTS = {
    "line": "for example --line 0,240,640,240 (pixels) or --line door=0%,50%,100%,50%: x,y of both"
    " ends",
    "zone": "for example --zone shop=100,80,400,80,400,300,100,300 (pixels) or"
    " --zone 10%,20%,50%,90%: x,y of each corner; two corners make a rectangle",
}


@dataclass(frozen=True)
class CountedPlace:
    """A line, or the border of a zone, that is counted at.

    Attributes:
        name: for events and people.
        kind: which of the two.
        points: x, y: a line's two ends, or a zone's corners; two of these are opposite corners of
            a rectangle, and become four.
        pixels: whether they are pixels of the frame; otherwise shares of it, 0 to 1.
    """

    name: str
    kind: PlaceKind
    points: tuple[Point, ...]
    pixels: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError when nothing could be counted at it."""
        what, hint = f"{self.kind} '{self.name}'", place_hint(self.kind)
        name = self.name
        if not (name.strip() and name.isprintable() and len(name) <= _LONGEST_NAME):
            raise UsageError(
                f"a {self.kind} has the name {name[:200]!r}, expected 1 to {_LONGEST_NAME} letters",
                hint=hint,
            )
        for value in (value for point in self.points for value in point):
            if not (abs(value) <= _FARTHEST if self.pixels else 0 <= value <= 1):
                expected = f"{-_FARTHEST} to {_FARTHEST} pixels" if self.pixels else "0% to 100%"
                raise UsageError(
                    f"{what} has the coordinate {value:g}, expected {expected}", hint=hint
                )
        if self.kind == "line":
            self._check_line(what, hint)
        else:
            self._check_zone(what, hint)

    def _check_line(self, what: str, hint: str) -> None:
        if len(self.points) != 2:
            raise UsageError(f"{what} has {len(self.points)} points, expected 2", hint=hint)
        if math.dist(*self.points) < 1e-6:
            raise UsageError(f"{what} begins and ends at the same point", hint=hint)

    def _check_zone(self, what: str, hint: str) -> None:
        if len(self.points) == 2:
            (x1, y1), (x2, y2) = self.points
            object.__setattr__(self, "points", ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
        if len(self.points) > 3 and self.points[0] == self.points[-1]:
            object.__setattr__(self, "points", self.points[:-1])  # other tools close the way
        if not 3 <= len(self.points) <= MOST_CORNERS:
            raise UsageError(
                f"{what} has {len(self.points)} corners, expected 2 to {MOST_CORNERS}", hint=hint
            )
        crossed = self_crossing(self.points)
        if crossed is not None:
            raise UsageError(
                f"{what} crosses itself: its side {crossed[0]} meets its side {crossed[1]}",
                hint="give the corners in the order in which they lie around the zone",
            )
        if area(self.points) < 1e-9:
            raise UsageError(f"{what} encloses no area", hint=hint)

    def in_frame(self, frame_hw: tuple[int, int]) -> tuple[Point, ...]:
        """Its points in pixels of a frame.

        >>> CountedPlace("door", "line", ((0, 0.5), (1, 0.5))).in_frame((480, 640))
        ((0, 240.0), (640, 240.0))

        Args:
            frame_hw: the frame's height and width, pixels.
        """
        if self.pixels:
            return self.points
        height, width = frame_hw
        return tuple((x * width, y * height) for x, y in self.points)

    def reaches(self, frame_hw: tuple[int, int]) -> Literal["in", "partly", "out"]:
        """Whether it lies in a frame, reaches beyond it, or lies outside.

        Args:
            frame_hw: the frame's height and width, pixels.
        """
        height, width = frame_hw
        points = self.in_frame(frame_hw)
        if all(0 <= x <= width and 0 <= y <= height for x, y in points):
            return "in"
        seen = clipped(points, width, height)
        if not seen:
            return "out"
        if self.kind == "zone":
            return "partly" if area(seen) > 1e-6 else "out"
        return "partly" if any(math.dist(seen[0], point) > 1e-6 for point in seen) else "out"


def place_hint(kind: PlaceKind) -> str:
    """How a line or a zone is given."""
    return _HINTS[kind]

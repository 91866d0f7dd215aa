"""Lines and zones, as they are given."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.following import PlaceKind


@dataclass(frozen=True)
class CountedPlace:
    """A line, or the border of a zone, that is counted at.

    Attributes:
        name: for events and people.
        kind: which of the two.
        points: x, y: a line's two ends, or a zone's corners.
        pixels: whether they are pixels of the frame; otherwise shares of it, 0 to 1.
    """

    name: str
    kind: PlaceKind
    points: tuple[tuple[float, float], ...]
    pixels: bool = False

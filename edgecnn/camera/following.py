"""What is known of things across frames: the ways they went, what they crossed, how many did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["in", "out"]
PlaceKind = Literal["line", "zone"]


@dataclass(frozen=True)
class Trail:
    """Where something that is followed has been.

    Attributes:
        track: its number.
        label, class_index: its class.
        points: x, y of its anchor in frame pixels, the oldest first.
    """

    track: int
    label: str
    class_index: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Crossing:
    """Something that is followed has passed a line, or the border of a zone.

    Attributes:
        place: the name of the line or zone.
        kind: which of the two.
        direction: ``in``: over a line to its right-hand side, seen from its first point to its
            second; into a zone.
        track, label, score, box_xyxy: of what passed, as it was seen last.
    """

    place: str
    kind: PlaceKind
    direction: Direction
    track: int
    label: str
    score: float
    box_xyxy: tuple[float, float, float, float]

    def to_json(self) -> dict[str, Any]:
        """The object in ``crossings``."""
        return {
            self.kind: self.place,
            "direction": self.direction,
            "track": self.track,
            "label": self.label,
        }


@dataclass(frozen=True)
class PlaceCount:
    """How many have passed a line or the border of a zone, since the loop began.

    Attributes:
        place: the name of the line or zone.
        kind: which of the two.
        came_in, went_out: by label.
        inside: how many are in the zone now; None: a line.
    """

    place: str
    kind: PlaceKind
    came_in: dict[str, int]
    went_out: dict[str, int]
    inside: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The object in ``counts``."""
        return {
            self.kind: self.place,
            "in": sum(self.came_in.values()),
            "out": sum(self.went_out.values()),
            "inside": self.inside,
            "in_by_label": dict(self.came_in),
            "out_by_label": dict(self.went_out),
        }


@dataclass(frozen=True)
class Following:
    """What following gives of one frame, beside the numbers of its items.

    Attributes:
        trails: of what is there, or was a moment ago.
        crossings: with this frame.
        counts: up to this frame, of every line and zone.
        ended: tracks that are over: what they followed was not seen for too long.
    """

    trails: tuple[Trail, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    counts: tuple[PlaceCount, ...] = ()
    ended: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The keys that a frame's line has more; those without lines and zones are left out."""
        if not self.counts:
            return {}
        return {
            "crossings": [crossing.to_json() for crossing in self.crossings],
            "counts": [count.to_json() for count in self.counts],
        }

"""What a tracker makes of a frame, as whatever counts gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgecnn.camera.result import Item


@dataclass(frozen=True)
class Earlier:
    """How something was seen before its track was confirmed.

    Attributes:
        item: as it was seen.
        time_s: when, in the tracker's seconds.
    """

    item: Item
    time_s: float


@dataclass(frozen=True)
class Sighting:
    """Something that is followed, and was seen on this frame.

    Attributes:
        item: as it was seen, with the number of its track.
        earlier: on the frame that confirms the track: how it was seen before, the oldest first;
            else empty.
    """

    item: Item
    earlier: tuple[Earlier, ...] = ()


@dataclass(frozen=True)
class Tracked:
    """One frame's items, known again.

    Attributes:
        items: of the frame, in their order: those of confirmed tracks have its number, candidates
            that belong to no track are left out.
        sightings: of confirmed tracks.
        ended: numbers of confirmed tracks that are over.
    """

    items: tuple[Item, ...]
    sightings: tuple[Sighting, ...] = ()
    ended: tuple[int, ...] = ()


class Tracker(Protocol):
    """Knows things again."""

    def update(self, items: tuple[Item, ...], time_s: float) -> Tracked:
        """Takes the next frame's items.

        Args:
            items: of the frame, candidates among them.
            time_s: of the frame, in seconds that never go back.
        """

"""Counts what passes lines and the borders of zones."""

from __future__ import annotations

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.following import Crossing, PlaceCount
from edgecnn.camera.tracking.tracked import Tracked


class Counter:
    """Counts confirmed tracks.

    Args:
        places: lines and zones.
    """

    def __init__(self, places: tuple[CountedPlace, ...]) -> None:
        self._places = places
        self.counts: tuple[PlaceCount, ...] = ()

    def count(
        self, tracked: Tracked, time_s: float, frame_hw: tuple[int, int]
    ) -> tuple[Crossing, ...]:
        """What passed with this frame.

        Args:
            tracked: the frame's tracks.
            time_s: of the frame, in seconds that never go back.
            frame_hw: height and width of the frame, pixels.
        """
        return ()

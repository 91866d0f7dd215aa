"""What is followed and counted, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.counting.places import CountedPlace


@dataclass(frozen=True)
class FollowConfig:
    """What ``--track``, ``--line`` and ``--zone`` ask for.

    Attributes:
        places: lines and zones that are counted at.
        candidates_from: detections from this score on are given to the tracker, so that it can
            follow what is seen badly for a while.
    """

    places: tuple[CountedPlace, ...] = ()
    candidates_from: float = 0.1

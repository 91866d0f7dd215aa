"""Opens what follows and counts."""

from __future__ import annotations

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.loop import Follower
from edgecnn.camera.tracking.bytetrack import ByteTracker
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.camera.tracking.follow import TrackAndCount


def open_follower(config: FollowConfig | None) -> Follower | None:
    """What numbers and counts; None: nothing is followed."""
    if config is None:
        return None
    return TrackAndCount(ByteTracker(), Counter(config.places) if config.places else None)

"""Opens what follows and counts."""

from __future__ import annotations

from functools import partial

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.loop import Follower
from edgecnn.camera.notices import Notices
from edgecnn.camera.tracking.bytetrack import ByteTracker
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.camera.tracking.follow import TrackAndCount


def open_follower(config: FollowConfig | None, notices: Notices | None = None) -> Follower | None:
    """What numbers and counts; None: nothing is followed.

    Args:
        config: what was asked for.
        notices: get what happens to lines and zones; None: nobody does.
    """
    if config is None:
        return None
    if not config.places:
        return TrackAndCount(ByteTracker())
    say = partial(notices.say, "counting_changed") if notices is not None else None
    return TrackAndCount(ByteTracker(), Counter(config.places, say))

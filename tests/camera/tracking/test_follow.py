"""What the loop is told: trails, ended tracks, how many there were; time never goes back."""

import numpy as np

from edgecnn.camera.clock import Instant
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.camera.tracking.follow import TrackAndCount
from edgecnn.camera.tracking.open import open_follower
from edgecnn.camera.tracking.tracked import Tracked
from tests.camera.tracking.scenes import item


def frame(at: float, number: int = 0) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), number, Instant(at, at), at, 1.0)


def test_trails_begin_with_the_track_and_are_bounded():
    follower = open_follower(FollowConfig())
    for k in range(200):
        items, following = follower.follow(frame(k / 60), (item(100 + k, 100), item(300, 300)))
        if k == 1:
            assert [trail.points for trail in following.trails] == [((101, 130),), ((300, 330),)]
    assert [trail.track for trail in following.trails] == [1, 2]
    assert all(len(trail.points) == 64 for trail in following.trails)
    assert following.trails[0].points[-1] == (299, 130)
    assert (following.trails[0].label, following.trails[0].class_index) == ("car", 0)
    assert follower.summary() == {"tracks": 2}


def test_trails_of_points_go_through_the_points():
    follower = open_follower(FollowConfig())
    for k in range(3):
        _, following = follower.follow(
            frame(k / 30), (item(100, 100, point_xy=(100.0, 101.0 + k)),)
        )
    assert following.trails[0].points == ((100, 102), (100, 103))


def test_a_trail_is_shown_for_half_a_second_and_goes_back_two():
    follower = open_follower(FollowConfig())
    shown = []
    for k in range(60):
        at = k / 10
        items = (item(100, 100),) if at < 3.05 else ()
        _, following = follower.follow(frame(at), items)
        shown += [at] if following.trails else []
        if at == 3.0:
            assert len(following.trails[0].points) == 21
        if at > 5.05:
            assert following.ended in ((1,), ())
    assert shown == [k / 10 for k in range(1, 36)]


class Told:
    """A tracker that notes its times."""

    def __init__(self):
        self.times = []

    def update(self, items, time_s):
        self.times.append(time_s)
        return Tracked(items)


def test_seconds_never_go_back():
    tracker = Told()
    follower = TrackAndCount(tracker)
    for at in (2.0, 2.5, 0.0, 0.5, float("nan"), 1.0, 601.0):
        follower.follow(frame(at), ())
    assert tracker.times == [0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 601.5]


def test_images_one_a_second_are_followed():
    follower = open_follower(FollowConfig())
    for k in range(5):
        items, _ = follower.follow(frame(float(k)), (item(100 + 10 * k, 100),))
    assert items[0].track == 1
    assert follower.summary() == {"tracks": 1}

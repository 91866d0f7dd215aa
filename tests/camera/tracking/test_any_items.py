"""What holds for every tracker and all items, however senseless."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.result import Item
from edgecnn.camera.tracking.bytetrack import ByteTracker, TrackRules
from tests.camera.tracking.scenes import item

NUMBERS = st.one_of(
    st.sampled_from([0.0, -1.0, 1e-9, 50.0, 60.0, 1e12, -1e300, 1e308]), st.floats(0, 200)
)
ITEMS = st.builds(
    Item,
    label=st.just("a"),
    class_index=st.integers(0, 2),
    score=st.floats(0, 1),
    box_xyxy=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    whole_frame=st.booleans(),
    point_xy=st.one_of(st.none(), st.tuples(st.floats(0, 200), st.floats(0, 200))),
    candidate=st.booleans(),
)
STEPS = st.one_of(st.just(0.0), st.floats(0, 0.2), st.sampled_from([1.0, 1.9, 600.0]))
FRAMES = st.lists(st.tuples(st.lists(ITEMS, max_size=6).map(tuple), STEPS), max_size=12)


@pytest.mark.filterwarnings("error")
@settings(max_examples=120, deadline=None)
@given(FRAMES)
def test_items_come_through_and_numbers_count_from_one(given_frames):
    tracker, at = ByteTracker(), 100.0
    known: set[int] = set()
    over: set[int] = set()
    for items, step in given_frames:
        at += step
        told = tracker.update(items, at)
        over |= set(told.ended)
        numbers = [one.track for one in told.items if one.track is not None]
        assert len(set(numbers)) == len(numbers)
        assert over.isdisjoint(numbers)
        fresh = [s.item.track for s in told.sightings if s.earlier]
        assert sorted(fresh) == list(range(len(known) + 1, len(known) + len(fresh) + 1))
        known |= set(fresh)
        assert set(numbers) <= known
        assert over <= known
        assert [s.item for s in told.sightings] == [one for one in told.items if one.track]
        # All that count are there, in their order, as they were but for number and class.
        plain = [replace(one, track=None, label="a", class_index=0) for one in told.items]
        given_ones = [replace(one, label="a", class_index=0, candidate=False) for one in items]
        left = iter(given_ones)
        assert all(one in left for one in plain)
        assert len(told.items) >= sum(not one.candidate for one in items)


@pytest.mark.long
def test_a_hundred_thousand_frames_of_false_alarms_leave_nothing_behind():
    rng = np.random.default_rng(7)
    tracker, most = ByteTracker(), 0
    rules = TrackRules()
    for frame in range(100_000):
        spots = rng.uniform((0, 0), (640, 480), (rng.poisson(2), 2)).tolist()
        tracker.update(tuple(item(*spot) for spot in spots), frame / 30)
        most = max(most, len(tracker))
    # Confirmed by chance or not: what there is was seen within the last seconds.
    assert most < 2 * 5 * rules.lost_s * 30
    for frame in range(100):
        tracker.update((), 1e5 + frame)
    assert len(tracker) == 0


def test_hundreds_of_items():
    rng = np.random.default_rng(4)
    start, speed = rng.uniform(0, 4000, (400, 2)), rng.normal(0, 30, (400, 2))
    tracker = ByteTracker()
    for frame in range(12):
        spots = (start + speed * frame / 30).tolist()
        told = tracker.update(tuple(item(*spot, 30, 30) for spot in spots), frame / 30)
    numbers = [one.track for one in told.items]
    assert len(numbers) == 400
    assert sum(number is None for number in numbers) < 20
    assert all(math.isfinite(value) for one in told.items for value in one.box_xyxy)

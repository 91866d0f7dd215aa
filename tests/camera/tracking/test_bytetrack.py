"""Identities hold: at any rate, in any order, while hidden; what is not there gets no number."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.camera.result import Item
from edgecnn.camera.sources.pattern import Pattern
from edgecnn.camera.tracking.bytetrack import ByteTracker
from tests.camera.tracking.scenes import frames, identities, item, numbers, run


def straight(x, y, right, down, from_s=-math.inf, to_s=math.inf):
    return lambda at: (x + right * at, y + down * at) if from_s <= at <= to_s else None


CROSSING = [straight(100, 200, 150, 0), straight(550, 210, -150, 0), straight(300, 20, 10, 110)]


@pytest.mark.parametrize("fps", [10, 15, 30, 60])
def test_identities_hold_at_any_frame_rate(fps):
    told = run(frames(CROSSING, 3, fps))
    assert sorted(map(sorted, identities(told).values())) == [[1], [2], [3]]
    for had in numbers(told).values():
        assert had[2:] == [had[2]] * (len(had) - 2)


def test_two_that_cross_keep_their_numbers():
    told = run(frames(CROSSING[:2], 3))
    first, second = identities(told).values()
    assert len(first) == len(second) == 1
    assert first != second


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
def test_what_is_hidden_for_half_a_second_keeps_its_number(fps):
    given = [
        ((), at) if 1.0 <= at < 1.5 else (items, at) for items, at in frames(CROSSING[:1], 3, fps)
    ]
    assert identities(run(given)) == {0: {1}}


@pytest.mark.parametrize("fps", [10, 15, 30])
@pytest.mark.parametrize("then", [0, -90])
def test_what_stops_or_turns_while_it_is_hidden_keeps_its_number(fps, then):
    def way(at):
        return None if 1.0 <= at < 1.7 else (100 + 90 * min(at, 1.2) + then * max(0, at - 1.2), 200)

    assert identities(run(frames([way], 3, fps))) == {0: {1}}


def test_what_went_fast_and_is_gone_is_not_what_comes_there_later():
    ways = [straight(0, 200, 500, 0, to_s=1.0), straight(1100, 200, -500, 0, from_s=1.4)]
    assert identities(run(frames(ways, 2.5))) == {0: {1}, 1: {2}}


def test_what_is_new_may_be_missing_on_a_frame_at_any_rate():
    given = [((item(100 + 4 * k, 100),) if k != 1 else (), k / 10) for k in range(4)]
    assert [one.track for each in run(given) for one in each.items] == [None, 1, 1]


def test_dropped_frames_change_nothing():
    rng = np.random.default_rng(3)
    given = [frame for frame in frames(CROSSING, 3, 60) if rng.random() < 0.3]
    assert sorted(map(sorted, identities(run(given)).values())) == [[1], [2], [3]]


def test_what_comes_after_the_end_gets_a_new_number():
    ways = [straight(100, 100, 0, 0, to_s=1.0), straight(100, 100, 0, 0, from_s=6.0)]
    told = run(frames(ways, 7))
    assert identities(told) == {0: {1}, 1: {2}}
    assert [each.ended for each in told if each.ended] == [(1,)]


def test_a_source_that_was_away_for_ten_minutes_begins_anew():
    given = frames(CROSSING[:1], 1)
    later = [(items, at + 600) for items, at in given]
    told = run(given + later)
    assert identities(told) == {0: {1, 2}}
    assert told[len(given)].ended == (1,)


def test_false_alarms_of_one_frame_get_no_number():
    rng = np.random.default_rng(1)
    given = []
    for frame in range(300):
        spot = (300 + 5000 * frame, float(rng.uniform(0, 4000)))
        given.append((((item(*spot), item(100 + frame, 100))), frame / 30))
    told = run(given)
    assert {one.track for each in told for one in each.items} == {None, 1}
    assert all(len(each.items) == 2 for each in told)


def test_the_order_of_items_does_not_matter():
    rng = np.random.default_rng(2)
    ways = [straight(*rng.uniform(0, 500, 2), *rng.normal(0, 80, 2)) for _ in range(25)]
    given = frames(ways, 2)
    given = [
        (tuple(replace(one, score=float(rng.uniform(0.4, 1))) for one in items), at)
        for items, at in given
    ]
    given = [
        (tuple(replace(one, candidate=one.score < 0.5) for one in items), at) for items, at in given
    ]
    mixed = [(tuple(items[k] for k in rng.permutation(len(items))), at) for items, at in given]

    def by_way(told):
        return [sorted((one.keypoints, one.track or 0) for one in each.items) for each in told]

    assert by_way(run(mixed)) == by_way(run(given))


def test_candidates_belong_to_a_track_or_are_left_out():
    low = {"score": 0.2, "candidate": True}
    given = [((item(100, 100), item(400, 100, **low)), k / 30) for k in range(5)]
    given += [((item(100, 100, **low), item(400, 100, **low)), k / 30) for k in range(5, 10)]
    told = run(given)
    assert [len(each.items) for each in told] == [1] * 10
    assert [each.items[0].track for each in told] == [None] + [1] * 9
    assert not any(one.candidate for each in told for one in each.items)
    assert [len(each.sightings) for each in told] == [0] + [1] * 9


def test_the_confirming_frame_tells_what_was_seen_before():
    given = [((item(100 + k, 100),), k / 30) for k in range(4)]
    told = run(given)
    confirming = [k for k, each in enumerate(told) if any(s.earlier for s in each.sightings)]
    assert confirming == [1]
    (first,) = told[1].sightings[0].earlier
    assert ((first.item,), first.time_s) == given[0]
    assert told[1].sightings[0].item == replace(given[1][0][0], track=1)


def test_a_class_that_flickers_is_one_track_of_the_class_with_more_behind_it():
    labels = ["car", "car", "truck", "car", "truck", "car", "car", "truck"] * 4
    given = [((item(100 + 3 * k, 100, label=label),), k / 30) for k, label in enumerate(labels)]
    told = run(given)
    assert {one.track for each in told[1:] for one in each.items} == {1}
    assert {one.label for each in told[1:] for one in each.items} == {"car"}


def test_a_rider_is_not_the_bicycle():
    given = [
        ((item(100 + k, 100, label="person"), item(100 + k, 115, high=50)), k / 30)
        for k in range(20)
    ]
    told = run(given)
    assert len({one.track for one in told[-1].items}) == 2
    assert [one.label for one in told[-1].items] == ["person", "car"]


def test_a_double_is_not_counted_twice():
    pair = (item(100, 100), item(101, 100, score=0.6, label="truck"))
    told = run([(pair, k / 30) for k in range(10)])
    assert [one.track for one in told[-1].items] == [1, None]


@pytest.mark.parametrize(
    "strange",
    [
        item(50, 50, 0, 10),
        item(50, 50, -20, 10),
        item(50, 50, 0, 0),
        item(50, 50, 1e-300, 1e-300),
        item(0, 0, 1e300, 1e300),
        item(50, 50, whole_frame=True),
        item(50, 50, whole_class=True),
        item(50, 50, point_xy=(50.0, math.nan)),
    ],
)
def test_strange_boxes_pass_and_disturb_nothing(strange):
    told = run([((strange, item(200 + k, 200)), k / 30) for k in range(5)])
    assert [len(each.items) for each in told] == [2] * 5
    assert told[-1].items[1].track in (1, 2)
    low = replace(strange, candidate=True)
    assert run([((low,), 0.0)])[0].items == ()


def test_whole_frames_and_classes_have_no_track():
    strange = (item(50, 50, whole_frame=True), item(50, 50, whole_class=True))
    assert all(each.items == strange for each in run([(strange, k / 30) for k in range(5)]))


def test_points_of_a_coarse_grid_are_followed():
    # FOMO: cells of 8 pixels; the box is the cell, the thing goes on one cell every other frame.
    given = []
    for frame in range(40):
        x = 8.0 * (frame // 2) + 4
        given.append(((item(x, 52, 8, 8, point_xy=(x, 52.0)),), frame / 10))
    told = run(given)
    assert {one.track for each in told[2:] for one in each.items} == {1}


@pytest.mark.parametrize(("fps", "speed"), [(30, 1200), (10, 600), (5, 300)])
def test_what_leaves_its_own_box_from_frame_to_frame_is_followed(fps, speed):
    ways = [straight(0, 200, speed, 0), straight(900, 330, -speed, 0)]
    told = run(frames(ways, 12 / fps, fps))
    assert sorted(map(sorted, identities(told).values())) == [[1], [2]]


@pytest.mark.parametrize(("fps", "seed"), [(7, 5), (7, 6), (30, 1)])
def test_what_bounces_between_two_frames_keeps_its_number(fps, seed):
    pattern = Pattern(320, 180, fps, seed)
    labels = ("circle", "square", "triangle")
    given = [
        (
            tuple(
                Item(box.label, labels.index(box.label), 0.9, tuple(map(float, box.box_xyxy)))
                for box in pattern.truth(frame)
            ),
            frame / fps,
        )
        for frame in range(30 * fps)
    ]
    told = run(given)
    had = {(one.label, one.track) for each in told for one in each.items if one.track}
    assert sorted(had) == sorted(zip(labels, (number for _, number in sorted(had)), strict=True))


def test_time_that_stands_still_or_goes_back():
    tracker = ByteTracker()
    given = [((item(100, 100),), at) for at in (5.0, 5.0, 5.0, 1.0, 5.1)]
    assert [each.items[0].track for each in run(given, tracker)] == [None, 1, 1, 1, 1]

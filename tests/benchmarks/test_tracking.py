"""The tracking benchmark's scenes are what they say; its arithmetic; not its timings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks import tracking
from benchmarks.tracking_scenes import Detector, Kind, Scene, make_scene

PERFECT = Detector(jitter=0.0, misses=0.0, false_alarms=0.0)
SHORT = Kind(seconds=2, things=(6, 7), detector=PERFECT)


def rates(scene: Scene) -> set[float]:
    return {
        round(1 / (after - before), 1)
        for before, after in zip(scene.times, scene.times[1:], strict=False)
    }


def test_a_scene_is_always_the_same_and_each_seed_another() -> None:
    assert make_scene("crossing", 3, SHORT) == make_scene("crossing", 3, SHORT)
    assert make_scene("crossing", 3, SHORT) != make_scene("crossing", 4, SHORT)


def test_a_perfect_detector_finds_the_truth_where_nothing_is_hidden() -> None:
    scene = make_scene("crossing", 1, replace(SHORT, things=(1, 2)))
    assert any(scene.truth)
    for truth, found in zip(scene.truth, scene.found, strict=True):
        boxes = [box for _, _, box in found]
        assert all(box in boxes for _, box in truth)


def test_frames_come_as_often_as_the_kind_says() -> None:
    assert rates(make_scene("a", 1, replace(SHORT, fps=10))) == {10.0}
    dropped = make_scene("a", 1, replace(SHORT, dropped=0.5))
    assert 10 < dropped.fps < 25
    assert max(rates(dropped)) == 30.0
    assert len(rates(make_scene("a", 1, replace(SHORT, uneven=True)))) > 10


def test_pillars_and_false_alarms_are_not_in_the_truth() -> None:
    noisy = replace(SHORT, things=(1, 2), detector=replace(PERFECT, false_alarms=3.0))
    scene = make_scene("a", 2, noisy)
    assert {number for truth in scene.truth for number, _ in truth} <= {1}
    assert sum(map(len, scene.found)) > 2 * len(scene.times)


def test_ours_tells_one_number_for_each_thing() -> None:
    scene = make_scene("crossing", 5, replace(SHORT, seconds=4))
    told = tracking._ours((scene,), 0.5)["told"][0]
    numbers: dict[int, Counter[int]] = {}
    for truth, found, frame in zip(scene.truth, scene.found, told, strict=True):
        assert len(frame) <= len(found)
        for number, box in truth:
            for track, seen in frame:
                if seen == box:
                    numbers.setdefault(number, Counter())[track] += 1
    assert len(numbers) >= 4
    assert all(len(had) == 1 for had in numbers.values())
    assert len({next(iter(had)) for had in numbers.values()}) == len(numbers)


def test_the_mean_is_of_shares_and_counts_are_summed() -> None:
    keys = ("mota", "idf1", "num_switches", "num_false_positives", "num_misses")
    scores = {"a": dict(zip(keys, (0.5, 0.8, 1, 2, 3), strict=True))}
    scores["b"] = dict(zip(keys, (0.7, 0.6, 4, 0, 1), strict=True))
    row = tracking._row("mean", "ours", tracking._mean(scores), 12.4)
    assert row == ("mean", "ours", pytest.approx(60.0), pytest.approx(70.0), 5, 2, 4, 12)
    assert len(row) == len(tracking.COLUMNS)


def test_a_part_of_the_table_is_not_the_whole() -> None:
    assert tracking.selection_of([]).whole
    assert not tracking.selection_of(["--seeds", "1"]).whole
    assert not tracking.selection_of(["--kinds", "crowd"]).whole

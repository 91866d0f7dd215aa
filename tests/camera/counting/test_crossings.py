"""Counts of more than a thousand generated crossings are exact."""

from collections import Counter as Tally
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.tracking.bytetrack import ByteTracker
from edgecnn.camera.tracking.follow import TrackAndCount
from edgecnn.camera.tracking.tracked import Sighting, Tracked
from tests.camera.counting.scenes import FRAME, PLACES, Walker, seen, wandering
from tests.camera.counting.street import HEIGHT, WIDTH, street


def sightings(rng: np.random.Generator, walker: Walker) -> tuple[list[float], float]:
    """Times at which it is seen, frames dropped and detections missed; the standard deviation."""
    noise, fps = float(rng.uniform(0.5, 2.5)), float(rng.choice([15, 30]))
    dropped = rng.choice([0.0, 0.1, 0.4])
    start, end = walker.span
    times = np.append(np.arange(start, end, 1 / fps), end)
    kept = (rng.random(len(times)) >= dropped + 0.05) | np.isin(times, [start, end])
    hidden = [any(a <= t < b for a, b in walker.hidden) for t in times]
    return times[kept & ~np.array(hidden)].tolist(), noise


def test_a_thousand_crossings_of_known_ways() -> None:
    rng = np.random.default_rng(7)
    expected: Tally = Tally()
    found: Tally = Tally()
    wrong = []
    for number in range(1100):
        walker, truth = wandering(rng, 20.0)
        times, noise = sightings(rng, walker)
        counter, told = Counter(PLACES), {place.name: [] for place in PLACES}
        for at_s in times:
            item = seen(replace(walker, hidden=()), at_s, rng, noise)
            one = Tracked((), (Sighting(replace(item, track=1)),))
            for crossing in counter.count(one, at_s, FRAME):
                told[crossing.place].append(crossing.direction)
        for crossing in counter.count(Tracked((), ended=(1,)), times[-1] + 2, FRAME):
            told[crossing.place].append(crossing.direction)
        for place in PLACES:
            known = truth[place.name]
            expected.update((place.name, direction) for direction in known)
            if known != told[place.name]:
                wrong.append((number, place.name, known, told[place.name]))
        for count in counter.counts:
            found[count.place, "in"] += sum(count.came_in.values())
            found[count.place, "out"] += sum(count.went_out.values())
            assert not count.inside
    assert wrong == []
    assert expected == found and sum(expected.values()) >= 1000 and len(expected) == 12


@pytest.mark.long
def test_a_thousand_crossings_through_the_tracker() -> None:
    """One walker after the other, with misses, false alarms and dropped frames.

    What turns sharply while it is hidden may become another track: a few may be missing.
    """
    rng = np.random.default_rng(11)
    image = np.zeros((*FRAME, 3), np.uint8)
    follower = TrackAndCount(ByteTracker(), Counter(PLACES))
    expected: Tally = Tally()
    found: Tally = Tally()
    now_s = 0.0
    while sum(expected.values()) < 1000:
        walker, truth = wandering(rng, 20.0, now_s)
        expected.update((name, way) for name, passed in truth.items() for way in passed)
        fps = float(rng.choice([15, 30]))
        end = walker.span[1] + 4
        while now_s < end:
            now_s += (1 + (rng.random() < 0.1)) / fps
            item = seen(walker, now_s, rng, 1.5, missed=0.05)
            items = [] if item is None else [item]
            if rng.random() < 0.1:  # a false alarm
                spot = ((now_s, *rng.uniform(0, 700, 2)),) * 2
                items.append(seen(replace(walker, corners=spot, hidden=()), now_s, rng, 0.0))
            frame = SimpleNamespace(image=image, timestamp_s=now_s)
            _, following = follower.follow(frame, tuple(items))
            found.update((crossing.place, crossing.direction) for crossing in following.crossings)
    assert (expected - found).total() + (found - expected).total() <= 8


@pytest.mark.long
def test_a_thousand_crossings_in_streets_of_other_habits() -> None:
    """Several at once, who hide behind one another: who is who cannot always be known."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    crossings = wrong = seed = 0
    while crossings < 1000:
        seed += 1
        scene = street(seed)
        if scene is None:
            continue
        follower, found = TrackAndCount(ByteTracker(), Counter(scene.places)), Tally()
        for time_s, items in scene.frames:
            frame = SimpleNamespace(image=image, timestamp_s=time_s)
            _, following = follower.follow(frame, items)
            found.update((crossing.place, crossing.direction) for crossing in following.crossings)
        found.update((crossing.place, crossing.direction) for crossing in follower.end())
        crossings += scene.passed.total()
        wrong += (scene.passed - found).total() + (found - scene.passed).total()
    assert wrong <= 10, f"{wrong} of {crossings}"

"""People about a line and a zone who pause, turn, and hide behind one another, badly seen.

Written apart from ``scenes.py``, with other habits: several at once, ways that speed up and slow
down, a line at any angle, rates from 10 to 30 frames a second with up to 40 % of them dropped, 5 to
15 % of detections missed, false alarms. What nobody could tell is left out: who is hidden for more
than a second, or is seen clearly on one side fewer than three times in a row.
"""

import math
from collections import Counter as Tally
from dataclasses import dataclass, field

import numpy as np

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.result import Item
from tests.camera.counting.scenes import depths

WIDTH, HEIGHT = 1280, 720
KINDS = ("pass", "rest", "rest back", "short of it", "over and back", "slanted")
Span = tuple[float, float]


@dataclass(eq=False)
class Person:
    times: np.ndarray
    points: np.ndarray
    wide: float
    high: float
    smooth: bool
    clear: float  # so far from a border anybody could tell the side
    hidden: list[Span] = field(default_factory=list)

    def at(self, times):
        leg = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        share = np.clip((times - self.times[leg]) / (self.times[leg + 1] - self.times[leg]), 0, 1)
        if self.smooth:
            share = share * share * (3 - 2 * share)
        step = self.points[leg + 1] - self.points[leg]
        return self.points[leg] + np.asarray(share)[..., None] * step

    def there(self, times):
        return (times >= self.times[0]) & (times <= self.times[-1])

    def unseen(self, times):
        return np.any([(times >= a) & (times < b) for a, b in [(0, 0), *self.hidden]], axis=0)

    def boxes(self, times):
        x, y = self.at(times).T
        return np.stack([x - self.wide / 2, y - self.high, x + self.wide / 2, y], axis=-1)


@dataclass
class Street:
    places: tuple[CountedPlace, CountedPlace]
    passed: Tally
    frames: list[tuple[float, tuple[Item, ...]]]


def street(seed: int) -> Street | None:
    """The street of that number; None: somebody there could not be told from what is seen."""
    rng = np.random.default_rng([seed, 77])
    turn = rng.uniform(0, 2 * math.pi)
    along = np.array([math.cos(turn), math.sin(turn)])
    middle, half = rng.uniform((350, 300), (930, 480)), rng.uniform(120, 260)
    ends = (middle - half * along, middle + half * along)
    centre, round_ = rng.uniform((250, 260), (1030, 500)), rng.uniform(90, 180)
    angles = np.arange(corners := int(rng.integers(3, 8))) / corners * 2 * math.pi
    angles += rng.uniform(0, 6)
    ring = centre + round_ * np.stack([np.cos(angles), 0.8 * np.sin(angles)], axis=1)
    places = (_place("L", "line", ends), _place("Z", "zone", ring))
    noise = rng.uniform(1, 3)
    borders = [ends, ends, *zip(ring, np.roll(ring, -1, axis=0), strict=True)]
    people = []
    for _ in range(rng.integers(20, 80)):
        person = _person(rng, borders[rng.integers(len(borders))], noise)
        if all(_way(place, person) is not None for place in places):
            people.append(person)
        if len(people) == 4:
            break
    people = _told_apart(people[: rng.integers(1, 5)])
    passed: Tally = Tally()
    seen, frames = _frames(rng, people, noise)
    for person, times in zip(people, seen, strict=True):
        for place in places:
            way = _way(place, person)
            if way is None or not _can_be_told(place, person, np.array(times), way):
                return None
            passed.update((place.name, direction) for direction in way)
    return Street(places, passed, frames) if people else None


def _place(name, kind, points) -> CountedPlace:
    return CountedPlace(name, kind, tuple((float(x), float(y)) for x, y in points), True)


def _person(rng, border, noise) -> Person:
    """Somebody who has to do with the straight piece of a border."""
    a, b = border
    half = math.dist(a, b) / 2
    along = (b - a) / (2 * half)
    off = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
    middle = (a + b) / 2 + along * rng.uniform(-0.7, 0.7) * half
    high = rng.uniform(40, 130)
    wide = high * rng.uniform(0.35, 1.2)
    size = math.sqrt(wide * high)
    clear = max(6 * noise, 0.1 * size)
    far, beyond, aside = rng.uniform(70, 190), rng.uniform(70, 190), rng.uniform(-60, 60)
    start, on = middle - far * off, middle + rng.uniform(-0.5, 0.5) * noise * off
    over, back = middle + beyond * off + 0.5 * aside * along, start + aside * along
    rest = rng.uniform(0.4, 3)
    steps = {
        "pass": [start, middle + beyond * off],
        "slanted": [start + rng.uniform(-100, 100) * along, over],
        "rest": [start, on, rest, over],
        "rest back": [start, on, rest, back],
        "short of it": [start, middle - rng.uniform(0, 1.2) * clear * off, 0.1, back],
        "over and back": [start, middle + rng.uniform(1.3, 3.5) * clear * off, rest, back],
    }[KINDS[rng.integers(len(KINDS))]]
    times, points = [rng.uniform(0, 5)], [steps[0]]
    for step in steps[1:]:
        if isinstance(step, float):
            times.append(times[-1] + step)
            points.append(points[-1])
        else:
            far = math.dist(step, points[-1])
            times.append(times[-1] + max(far / (rng.uniform(0.4, 1.8) * size), 0.25))
            points.append(step)
    smooth = bool(rng.random() < 0.5)
    person = Person(np.array(times), np.array(points), wide, high, smooth, clear)
    if rng.random() < 0.4:  # hidden, mostly where it matters
        span = rng.uniform(0.2, 1.0)
        moment = times[1] if len(times) > 2 else (times[0] + times[1]) / 2
        begin = moment - span * rng.uniform(0.1, 0.9)
        person.hidden.append((begin, begin + span))
    return person


def _sides(depth, clear) -> list[int]:
    """1 or -1 of each that is clear of a border."""
    return [1 if each > 0 else -1 for each in depth if abs(each) > clear]


def _changes(sides) -> list[str]:
    return ["in" if b > a else "out" for a, b in zip(sides, sides[1:], strict=False) if a != b]


def _way(place, person) -> list[str] | None:
    """What somebody passes; None: it cannot be told from where he was seen, or is out of sight."""
    times = np.append(np.arange(*person.times[[0, -1]], 0.01), person.times[-1])
    way = person.at(times)
    x, y = way.T
    if x.min() < person.wide / 2 or x.max() > WIDTH - person.wide / 2:
        return None
    if y.min() < person.high or y.max() > HEIGHT:
        return None
    depth, clear = depths(place, way), person.clear
    if place.kind == "line":
        a, b = np.array(place.points)
        beside = (way - a) @ (b - a) / math.dist(a, b)
        near, margin = np.abs(depth) < clear, 1.5 * clear + 10
        if np.any(near & ((beside < margin) | (beside > math.dist(a, b) - margin))):
            return None
    if abs(depth[0]) < clear or abs(depth[-1]) < clear:
        return None
    told = _changes(_sides(depth, clear))
    seen = _changes(_sides(depth[~person.unseen(times)], clear))
    return told if told == seen == _changes(_sides(depth, clear / 4)) else None


def _can_be_told(place, person, times, way) -> bool:
    """Whether he was seen often enough clearly on each side."""
    if len(times) < 6:
        return False
    sides = _sides(depths(place, person.at(times)), person.clear)
    runs = np.diff(np.flatnonzero(np.r_[True, np.diff(sides) != 0, True]))
    return _changes(sides) == way and runs.min() >= 3


def _told_apart(people):
    """Those who are not out of sight for too long; others in front of them hide them too."""
    people = list(people)
    times = np.arange(0, 60, 0.05)
    while True:
        for person in people:
            gone = person.unseen(times)
            for other in people:
                if other is not person:
                    front = _covered(person.boxes(times), other.boxes(times)) > 0.6
                    gone |= front & other.there(times)
            ends = np.flatnonzero(np.diff(np.r_[0, gone & person.there(times), 0].astype(int)))
            runs = [(times[a], times[b - 1] + 0.05) for a, b in ends.reshape(-1, 2)]
            begins, ends_ = person.times[0] + 0.5, person.times[-1] - 0.5
            bad = any(b - a > 1 or a < begins or b > ends_ for a, b in runs)
            close = zip(runs, runs[1:], strict=False)
            if bad or any(b[1] - a[0] > 1 and b[0] - a[1] < 0.4 for a, b in close):
                people.remove(person)
                break
            person.hidden = runs
        else:
            return people


def _covered(boxes, others):
    """The share of each box that is behind another one: whose feet are lower is in front."""
    low = np.maximum(boxes[..., :2], others[..., :2])
    sides = np.clip(np.minimum(boxes[..., 2:], others[..., 2:]) - low, 0, None)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return sides.prod(axis=-1) / area * (others[..., 3] > boxes[..., 3])


def _frames(rng, people, noise):
    """When each was seen, and the frames."""
    fps, dropped = rng.choice([10, 12, 15, 20, 25, 30]), rng.uniform(0.1, 0.4)
    missed, alarms = rng.uniform(0.05, 0.15), rng.uniform(0, 0.15)
    seen: list[list[float]] = [[] for _ in people]
    frames = []
    end = max((person.times[-1] for person in people), default=0) + 3
    for time_s in np.arange(0, end, 1 / fps).tolist():
        if rng.random() < dropped:
            continue
        boxes = []
        for person, when in zip(people, seen, strict=True):
            hidden = person.unseen(time_s) or not person.there(time_s)
            if not hidden and rng.random() >= missed:
                boxes.append(person.boxes(np.array([time_s]))[0] + rng.normal(0, noise, 4))
                when.append(time_s)
        for _ in range(rng.poisson(alarms)):
            x, y, high = rng.uniform((0, 60, 40), (WIDTH, HEIGHT, 130))
            half = high * rng.uniform(0.35, 1.2) / 2
            boxes.append(np.array([x - half, y - high, x + half, y]))
        scores = rng.uniform(0.5, 0.95, len(boxes))
        frames.append((time_s, tuple(map(_item, boxes, scores))))
    return seen, frames


def _item(box, score) -> Item:
    return Item("person", 0, float(score), tuple(box.tolist()))

"""Scenes of things that move, as a camera and a detector see them, with the truth beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
#: Class, score and box of a detection.
Found = tuple[int, float, Box]

WIDTH, HEIGHT = 1280, 720
LABELS = ("person", "car", "truck")
#: Detections from this score on count; those between the two are for a tracker alone.
COUNTS_FROM, CANDIDATES_FROM = 0.5, 0.1
#: What shows less of itself is not in the truth.
_LEAST_SHOWN = 0.25
_GRID = 7


@dataclass(frozen=True)
class Detector:
    """How badly things are seen.

    Attributes:
        jitter: standard deviation of centre and sides, as a share of the side.
        misses: share of things in plain view that are not found at all.
        false_alarms: how many a frame.
        score: of what is in plain view, on average.
        flicker: share of cars and trucks that are taken for the other.
        doubles: share of cars and trucks that are found as both.
        candidates: whether detections below ``COUNTS_FROM`` are given.
    """

    jitter: float = 0.03
    misses: float = 0.03
    false_alarms: float = 0.1
    score: float = 0.82
    flicker: float = 0.0
    doubles: float = 0.0
    candidates: bool = True


@dataclass(frozen=True)
class Kind:
    """What happens in a scene.

    Attributes:
        things: how many, from and to.
        side: of their boxes, the geometric mean, pixels.
        speed: pixels per second.
        move: ``straight``: from side to side; ``turn``: stops, waits, and goes back or on;
            ``wander``: changes its mind all the time.
        fps: of the camera.
        dropped: share of frames that are lost, singly and in rows.
        uneven: frames come at a rate that drifts between a third of ``fps`` and all of it.
        pillars: things that hide others, and are none themselves.
        traffic: cars and trucks, not people.
        seconds: how long it lasts.
        detector: who looks.
    """

    things: tuple[int, int] = (6, 10)
    side: tuple[float, float] = (50, 110)
    speed: tuple[float, float] = (40, 200)
    move: str = "straight"
    fps: float = 30.0
    dropped: float = 0.0
    uneven: bool = False
    pillars: int = 0
    traffic: bool = False
    seconds: float = 8.0
    detector: Detector = Detector()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "crossing": Kind(things=(8, 12)),
        "occlusion": Kind(pillars=3),
        "noise": Kind(detector=Detector(0.07, 0.2, 1.0, 0.62)),
        "dropped frames": Kind(dropped=0.5),
        "10 FPS": Kind(fps=10, seconds=15),
        "5 FPS": Kind(fps=5, seconds=20),
        "60 FPS": Kind(fps=60, seconds=5),
        "uneven rate": Kind(uneven=True),
        "small": Kind(side=(10, 22), speed=(10, 80), detector=Detector(0.08, 0.08, 0.3, 0.7)),
        "classes": Kind(
            side=(60, 150), traffic=True, detector=Detector(flicker=0.2, doubles=0.05)
        ),
        "turning": Kind(move="turn"),
        "wandering": Kind(move="wander", things=(8, 14)),
        "fast": Kind(speed=(500, 1500), things=(25, 35), seconds=8),
        "fast, 10 FPS": Kind(speed=(300, 700), things=(30, 40), fps=10, seconds=15),
        "crowd": Kind(things=(30, 45), side=(40, 90), speed=(20, 100), seconds=6),
        "crowd, no candidates": Kind(
            things=(30, 45), side=(40, 90), speed=(20, 100), seconds=6,
            detector=Detector(candidates=False),
        ),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """What a tracker gets, and what it should find.

    Attributes:
        kind, seed: which one.
        fps: frames per second, on average, as they arrive.
        times: of the frames, seconds.
        truth: per frame: number and box of each thing.
        found: per frame: class, score and box of each detection.
    """

    kind: str
    seed: int
    fps: float
    times: tuple[float, ...]
    truth: tuple[tuple[tuple[int, Box], ...], ...]
    found: tuple[tuple[Found, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """For a peer's script."""
        return {
            "name": f"{self.kind}/{self.seed}",
            "fps": self.fps,
            "times": self.times,
            "truth": self.truth,
            "found": self.found,
        }


@dataclass(frozen=True)
class _Thing:
    """Something that moves; it is in the picture from its first to its last second."""

    number: int
    label: int
    wide: float
    high: float
    depth: float
    times: Floats
    places: Floats

    def box(self, at: float) -> Floats | None:
        """Where it is, on the picture or beyond it."""
        if not self.times[0] <= at <= self.times[-1]:
            return None
        x, y = (np.interp(at, self.times, self.places[:, axis]) for axis in (0, 1))
        return np.array(
            [x - self.wide / 2, y - self.high / 2, x + self.wide / 2, y + self.high / 2]
        )


def make_scene(name: str, seed: int, kind: Kind | None = None) -> Scene:
    """The scene of that kind and number, always the same.

    Args:
        name: of the kind.
        seed: each gives another scene.
        kind: instead of the known one of that name.
    """
    kind = kind or KINDS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    things = [_thing(kind, number, rng) for number in range(1, int(rng.integers(*kind.things)) + 1)]
    pillars = _pillars(kind, rng)
    times = _times(kind, rng)
    truth, found = [], []
    for at in times:
        boxes, those, shown = _in_view(things, pillars, at)
        truth.append(
            tuple(
                (thing.number, _whole(box))
                for thing, box, share in zip(those, boxes, shown, strict=True)
                if share >= _LEAST_SHOWN
            )
        )
        found.append(_detected(kind, those, boxes, shown, rng))
    fps = (len(times) - 1) / (times[-1] - times[0])
    return Scene(name, seed, fps, tuple(times), tuple(truth), tuple(found))


def _thing(kind: Kind, number: int, rng: np.random.Generator) -> _Thing:
    side = rng.uniform(*kind.side)
    label = int(rng.integers(1, 3)) if kind.traffic else 0
    shape = rng.uniform(0.38, 0.5) if label == 0 else rng.uniform(1.2, 2.0)
    wide, high = side * shape**0.5, side / shape**0.5
    begin = rng.uniform(-0.5, 0.8) * kind.seconds
    times = np.arange(0, 1.6 * kind.seconds, 0.02)
    speed = rng.uniform(*kind.speed)
    heading = rng.choice([0.0, np.pi]) + rng.normal(0, 0.35)
    start = np.array([rng.uniform(0.05, 0.95) * WIDTH, rng.uniform(0.15, 0.85) * HEIGHT])
    if rng.random() < 0.6:  # comes in from the side that it goes away from
        start[0] = -wide if np.cos(heading) > 0 else WIDTH + wide
        begin = max(begin, 0.0)
    velocity = speed * np.array([np.cos(heading), np.sin(heading)])
    pace = _pace(kind, times, rng)
    if kind.move == "wander":
        turns = np.cumsum(rng.normal(0, 1.2, len(times)) * 0.02**0.5)
        direction = heading + turns
        steps = speed * 0.02 * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    else:
        steps = 0.02 * pace[:, None] * velocity
    places = start + np.cumsum(steps, axis=0)
    places[:, 1] += 0.02 * high * np.sin(2 * np.pi * times * rng.uniform(1, 2))  # gait
    life = len(times) if rng.random() < 0.7 else int(len(times) * rng.uniform(0.2, 0.6))
    return _Thing(number, label, wide, high, rng.random(), begin + times[:life], places[:life])


def _pace(kind: Kind, times: Floats, rng: np.random.Generator) -> Floats:
    """The speed over time, as a share of its own."""
    if kind.move != "turn":
        return np.ones(len(times))
    pace, at = np.ones(len(times)), 0.0
    sign = 1.0
    while at < times[-1]:
        going, resting = rng.uniform(1.0, 3.0), rng.uniform(0.0, 1.5)
        pace[(times >= at) & (times < at + going)] = sign
        pace[(times >= at + going) & (times < at + going + resting)] = 0.0
        at += going + resting
        sign = -sign if rng.random() < 0.6 else sign
    soft = np.ones(12) / 12  # nothing stops within a quarter of a second
    return np.convolve(pace, soft, mode="same")


def _pillars(kind: Kind, rng: np.random.Generator) -> Floats:
    middle = rng.uniform(0.15, 0.85, kind.pillars) * WIDTH
    half = rng.uniform(20, 45, kind.pillars)
    return np.stack(
        [middle - half, np.zeros_like(half), middle + half, np.full_like(half, HEIGHT)], axis=1
    )


def _times(kind: Kind, rng: np.random.Generator) -> list[float]:
    """When frames come; at least two."""
    times: list[float] = []
    at, rate, gap = 0.0, kind.fps, 0
    while at < kind.seconds:
        if gap:
            gap -= 1
        elif rng.random() < kind.dropped / 2.5:
            gap = int(rng.integers(1, 5))
        else:
            times.append(round(at, 6))
        if kind.uneven:
            rate = float(np.clip(rate * np.exp(rng.normal(0, 0.25)), kind.fps / 3, kind.fps))
        at += 1 / rate
    return times


def _in_view(
    things: list[_Thing], pillars: Floats, at: float
) -> tuple[Floats, list[_Thing], Floats]:
    """Boxes cut at the picture's edge, whose they are, and which share of each shows."""
    pairs = [(thing, thing.box(at)) for thing in things]
    here = [(thing, box) for thing, box in pairs if box is not None]
    here.sort(key=lambda pair: pair[0].depth)  # the nearest first
    low, high = np.zeros(4), np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    boxes, those, shares = [], [], []
    before = list(pillars)
    for thing, whole in here:
        box = np.clip(whole, low, high)
        steps = (np.arange(_GRID) + 0.5) / _GRID
        x, y = whole[0] + thing.wide * steps, whole[1] + thing.high * steps
        there = ((x > 0) & (x < WIDTH))[None, :] & ((y > 0) & (y < HEIGHT))[:, None]
        for x1, y1, x2, y2 in before:
            there &= ~(((x > x1) & (x < x2))[None, :] & ((y > y1) & (y < y2))[:, None])
        before.append(whole)
        if min(box[2] - box[0], box[3] - box[1]) > 2:
            boxes.append(box)
            those.append(thing)
            shares.append(there.mean())
    return np.array(boxes).reshape(-1, 4), those, np.array(shares)


def _detected(
    kind: Kind,
    things: list[_Thing],
    boxes: Floats,
    shown: Floats,
    rng: np.random.Generator,
) -> tuple[Found, ...]:
    """What the detector says, behind its non-maximum suppression."""
    eye = kind.detector
    said: list[tuple[int, float, Floats]] = []
    for thing, box, share in zip(things, boxes, shown, strict=True):
        if rng.random() < eye.misses or share < 0.15:
            continue
        score = eye.score * min(1.0, share / 0.75) ** 1.2 + rng.normal(0, 0.09)
        sides = np.tile(box[2:] - box[:2], 2)
        blur = eye.jitter * (1 + (1 - share))
        label = thing.label
        seen = box + sides * rng.normal(0, blur, 4)
        if label and rng.random() < eye.flicker:
            label = 3 - label
        said.append((label, score, seen))
        if label and rng.random() < eye.doubles:
            said.append((3 - label, 0.8 * score, seen + sides * rng.normal(0, 0.01, 4)))
    for _ in range(rng.poisson(eye.false_alarms)):
        side, shape = rng.uniform(*kind.side), rng.uniform(0.4, 1.5)
        half = np.array([side * shape**0.5, side / shape**0.5]) / 2
        middle = rng.uniform((0, 0), (WIDTH, HEIGHT))
        label = int(rng.integers(1, 3)) if kind.traffic else 0
        said.append((label, 0.1 + rng.exponential(0.2), np.r_[middle - half, middle + half]))
    least = CANDIDATES_FROM if eye.candidates else COUNTS_FROM
    kept: list[tuple[int, float, Floats]] = []
    for label, score, box in sorted(said, key=lambda each: -each[1]):
        wide, high = box[2] - box[0], box[3] - box[1]
        alike = [other for kept_label, _, other in kept if kept_label == label]
        if score >= least and wide > 1 and high > 1 and all(_iou(box, o) < 0.6 for o in alike):
            kept.append((label, score, box))
    order = rng.permutation(len(kept))
    return tuple(
        (kept[k][0], round(float(min(kept[k][1], 0.99)), 3), _whole(kept[k][2])) for k in order
    )


def _iou(a: Floats, b: Floats) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if (sides <= 0).any():
        return 0.0
    common = float(sides.prod())
    return common / float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


def _whole(box: Floats) -> Box:
    x1, y1, x2, y2 = (round(float(value), 2) for value in box)
    return x1, y1, x2, y2

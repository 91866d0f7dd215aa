"""Things that walk over lines and zones on known ways, and what a detector would see of them."""

import math
from dataclasses import dataclass

import numpy as np

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.result import Item

FRAME = (720, 1280)
PLACES = (
    CountedPlace("across", "line", ((100, 360), (700, 360)), True),
    CountedPlace("slanted", "line", ((1200, 80), (860, 420)), True),
    CountedPlace("short", "line", ((300, 650), (300, 520)), True),
    CountedPlace("box", "zone", ((150, 80), (450, 80), (450, 260), (150, 260)), True),
    CountedPlace(
        "horseshoe", "zone",
        ((760, 470), (1180, 470), (1180, 690), (1040, 690), (1040, 590), (900, 590), (900, 690),
         (760, 690)), True,
    ),
    CountedPlace("diamond", "zone", ((0.43, 0.1), (0.52, 0.3), (0.43, 0.48), (0.36, 0.3))),
)  # fmt: skip


@dataclass(frozen=True)
class Walker:
    """Something that walks: where its anchor is at which time, from corner to corner.

    ``hidden``: spans of time in which nobody sees it.
    """

    corners: tuple[tuple[float, float, float], ...]
    wide: float
    high: float
    hidden: tuple[tuple[float, float], ...] = ()
    label: str = "person"

    def at(self, times):
        t, x, y = np.array(self.corners).T
        return np.stack([np.interp(times, t, x), np.interp(times, t, y)], axis=-1)

    @property
    def span(self) -> tuple[float, float]:
        return self.corners[0][0], self.corners[-1][0]


def depths(place: CountedPlace, way: np.ndarray) -> np.ndarray:
    """How far each point of a way lies on the right of a line (its whole), or inside a zone."""
    points = np.array(place.points, float) * (1 if place.pixels else (FRAME[1], FRAME[0]))
    if place.kind == "line":
        (x1, y1), (x2, y2) = points
        # The normal that points to the right, with y downwards.
        normal = np.array([-(y2 - y1), x2 - x1]) / math.hypot(x2 - x1, y2 - y1)
        return (way - points[0]) @ normal
    inside = np.zeros(len(way), bool)
    off = np.full(len(way), np.inf)
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        along = np.clip((way - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        off = np.minimum(off, np.hypot(*(way - a - along[:, None] * (b - a)).T))
        spans = (a[1] <= way[:, 1]) != (b[1] <= way[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            cut = a[0] + (way[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        inside ^= spans & (way[:, 0] < cut)
    return np.where(inside, off, -off)


def truth(place: CountedPlace, walker: Walker, margin: float) -> list[str] | None:
    """What a walker passes, from its way sampled densely; None: nobody could tell from afar."""
    way = _dense(walker)
    depth = depths(place, way)
    inside = depth >= 0
    changes = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if place.kind == "line":
        a, b = np.array(place.points, float) * (1 if place.pixels else (FRAME[1], FRAME[0]))
        length = math.dist(a, b)
        along = (way - a) @ (b - a) / length
        for change in changes:
            if min(abs(along[change]), abs(along[change] - length)) < margin:
                return None
        # Only what happens between the ends concerns the line.
        changes = [c for c in changes if 0 <= along[c] <= length]
    for start, end in zip([0, *changes], [*changes, len(way)], strict=True):
        if len(changes) and np.abs(depth[start:end]).max() < margin:
            return None
    return ["in" if inside[change] else "out" for change in changes]


def _dense(walker: Walker) -> np.ndarray:
    """The way with a point at least every pixel."""
    pieces = []
    for (_, x1, y1), (_, x2, y2) in zip(walker.corners, walker.corners[1:], strict=False):
        steps = max(2, math.ceil(math.hypot(x2 - x1, y2 - y1)))
        shares = np.linspace(0, 1, steps)[:, None]
        pieces.append(np.array([x1, y1]) + shares * np.array([x2 - x1, y2 - y1]))
    return np.concatenate(pieces)


def wandering(
    rng: np.random.Generator, margin: float, start_s: float = 0.0
) -> tuple[Walker, dict[str, list[str]]]:
    """A walker somewhere near one of the places, and what it passes at each, which can be told."""
    while True:
        walker = _some_walker(rng, start_s)
        told = {}
        for place in PLACES:
            passed = truth(place, walker, margin)
            if passed is None:
                break
            told[place.name] = passed
        else:
            return walker, told


def _some_walker(rng: np.random.Generator, start_s: float) -> Walker:
    place = PLACES[rng.integers(len(PLACES))]
    points = np.array(place.points, float) * (1 if place.pixels else (FRAME[1], FRAME[0]))
    index = rng.integers(1 if place.kind == "line" else len(points))
    a, b = points[index], points[(index + 1) % len(points)]
    along = (b - a) / math.dist(a, b)
    right = np.array([-along[1], along[0]])
    middle = a + rng.uniform(0.1, 0.9) * (b - a)
    slant = rng.uniform(-0.8, 0.8)
    heading = (right + slant * along) / math.hypot(1, slant) * rng.choice([-1, 1])
    high = rng.uniform(40, 120)
    speed = rng.uniform(0.5, 2.5) * high
    far, beyond = rng.uniform(80, 200), rng.uniform(80, 200)
    kind = rng.choice(
        ["across", "stops", "stops, back", "near, back", "and back", "around", "along", "bent"]
    )
    before, behind = middle - far * heading, middle + beyond * heading
    stay = rng.uniform(0.5, 4)
    near = middle - rng.uniform(0, 2) * heading
    ways = {
        "across": [before, behind],
        "stops": [before, near, stay, behind],
        "stops, back": [before, near, stay, before + rng.uniform(-30, 30, 2)],
        "near, back": [before, middle - rng.uniform(3, 40) * heading, before],
        "and back": [before, behind, stay, before + rng.uniform(-40, 40, 2)],
        "around": [before, a - rng.uniform(20, 90) * along, behind],
        "along": [
            a - 60 * along + rng.uniform(-3, 3) * right,
            b + 60 * along + rng.uniform(-3, 3) * right,
        ],
        "bent": [before, middle, middle + rng.uniform(-150, 150, 2), behind],
    }[kind]
    corners, now = [], start_s
    for step in ways:
        if isinstance(step, float):
            now += step
            corners.append((now, *corners[-1][1:]))
            continue
        if corners:
            now += max(math.dist(step, corners[-1][1:]) / speed, 0.05)
        corners.append((now, *map(float, step)))
    hidden = ()
    if rng.random() < 0.25:
        at = start_s + rng.uniform(0.3, 0.6) * (now - start_s)
        hidden = ((at, at + min(rng.uniform(0.1, 0.6), 0.2 * (now - start_s))),)
    label = str(rng.choice(["person", "dog"]))
    return Walker(tuple(corners), high * rng.uniform(0.4, 1.0), high, hidden, label)


def seen(
    walker: Walker, time_s: float, rng: np.random.Generator, noise: float, missed: float = 0.0
) -> Item | None:
    """What a detector sees of it: noise is the standard deviation of each edge of its box."""
    start, end = walker.span
    if not start <= time_s <= end or rng.random() < missed:
        return None
    if any(first <= time_s < last for first, last in walker.hidden):
        return None
    x, y = walker.at(time_s)
    box = np.array([x - walker.wide / 2, y - walker.high, x + walker.wide / 2, y])
    x1, y1, x2, y2 = (box + rng.normal(0, noise, 4)).tolist()
    score = float(rng.uniform(0.5, 0.95))
    return Item(walker.label, 0 if walker.label == "person" else 1, score, (x1, y1, x2, y2))

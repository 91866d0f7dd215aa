"""Things that move as is known, as a detector would see them."""

from collections.abc import Callable

from edgecnn.camera.result import Item
from edgecnn.camera.tracking.bytetrack import ByteTracker
from edgecnn.camera.tracking.tracked import Tracked

#: Where the middle of something is at a time in seconds; None: it is not there, or hidden.
Way = Callable[[float], tuple[float, float] | None]


def item(
    x: float,
    y: float,
    wide: float = 40,
    high: float = 60,
    score: float = 0.9,
    label: str = "car",
    **more: object,
) -> Item:
    box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    kinds = ("car", "truck", "person")
    return Item(label, kinds.index(label), score, box, **more)


def frames(ways: list[Way], seconds: float, fps: float = 30) -> list[tuple[tuple, float]]:
    """Items and time of each frame; an item has the number of its way as its key point."""
    found = []
    for frame in range(round(seconds * fps)):
        at = frame / fps
        seen = [(k, way(at)) for k, way in enumerate(ways)]
        items = tuple(item(*place, keypoints=((float(k), 0.0, 1.0),)) for k, place in seen if place)
        found.append((items, at))
    return found


def run(given: list[tuple[tuple, float]], tracker: ByteTracker | None = None) -> list[Tracked]:
    tracker = tracker or ByteTracker()
    return [tracker.update(items, at) for items, at in given]


def numbers(told: list[Tracked]) -> dict[int, list[int | None]]:
    """Way → the number of each of its items."""
    found: dict[int, list[int | None]] = {}
    for each in told:
        for one in each.items:
            found.setdefault(int(one.keypoints[0][0]), []).append(one.track)
    return found


def identities(told: list[Tracked]) -> dict[int, set[int]]:
    """Way → all numbers that it ever had."""
    return {k: {number for number in had if number} for k, had in numbers(told).items()}

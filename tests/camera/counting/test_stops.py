"""What stops on a border counts when it goes on, and not before."""

import math

import numpy as np
import pytest

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.result import Item
from edgecnn.camera.tracking.tracked import Sighting, Tracked

LINE = CountedPlace("door", "line", ((100, 240), (540, 240)), pixels=True)
ZONE = CountedPlace("shop", "zone", ((150, 240), (490, 440)), pixels=True)
STOP_S, FRAME = 8.0, (480, 640)


def heights(fps: float, speed: float, on: float, back: bool) -> np.ndarray:
    """Where its feet are on each frame: it comes from above, stops, and goes on or back."""
    coming = np.arange(-120.0, on, speed / fps)
    going = np.arange(on, -120.0 if back else 120.0, (-speed if back else speed) / fps)
    return np.concatenate([coming, np.full(round(STOP_S * fps), on), going])


def counted(place: CountedPlace, seed: int, slow: bool) -> tuple[bool, tuple[int, int]]:
    """Whether it went on, and what was counted in and out.

    Its box jitters from frame to frame, or sways slowly (autoregressive, 0.8), by 1.5 % of its
    height then.
    """
    rng = np.random.default_rng(seed)
    high, fps = rng.uniform(40, 120), float(rng.choice([15, 25, 30]))
    noise, keeps = (0.015 * high, 0.8) if slow else (rng.uniform(1, 4), 0.0)
    back = bool(rng.random() < 0.5)
    ways = heights(fps, high, rng.uniform(-0.3, 0.3) * noise, back)
    counter, sway = Counter((place,)), np.zeros(4)
    for frame, down in enumerate(ways.tolist()):
        sway = keeps * sway + math.sqrt(1 - keeps**2) * rng.normal(0, noise, 4)
        box = np.array([320 - high / 5, 240 + down - high, 320 + high / 5, 240 + down]) + sway
        item = Item("person", 0, 0.8, tuple(box.tolist()), track=1)
        counter.count(Tracked((), (Sighting(item),)), frame / fps, FRAME)
    found = counter.counts[0]
    return not back, (sum(found.came_in.values()), sum(found.went_out.values()))


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("place", [LINE, ZONE], ids=["line", "zone"])
def test_a_stop_on_the_border_is_no_crossing(place: CountedPlace, slow: bool) -> None:
    wrong = []
    for seed in range(25):
        went_on, found = counted(place, seed, slow)
        if found != (int(went_on), 0):
            wrong.append((seed, went_on, found))
    assert wrong == []

"""The way of one track, and how much of what is seen of it is noise."""

from __future__ import annotations

import math
import statistics
from collections import deque

from edgecnn.camera.geometry import Point
from edgecnn.camera.result import Item

# Sightings that the noise is estimated from: of fewer the medians sway so much that what stops on a
# border would be on either side of it now and then.
_REMEMBERED = 96
# Before anything is known: as shares of the object's size, and how many sightings it stands for.
_FIRST_NOISE, _FIRST_WEIGHT = 0.02, 2
# The median of a normal distribution's magnitude, by its standard deviation.
_MEDIAN = 0.6745
# The median of few may lie too low: so much is added, divided by their number.
_DOUBT = 1.0
# After a pause so many times longer than the step before nothing is expected.
_LONGEST_PAUSE = 4.0
# So many standard deviations are no noise.
_SURE = 4.5
# What stands still sways also slowly, which differences do not show, by such a share of its size; a
# point of a grid by such a share of a cell.
_SWAY, _SWAY_OF_POINTS = 0.1, 0.3


class Walk:
    """Where the anchor of one track is seen: the middle of its lower edge, or its point.

    Noise is judged by how far a sighting is from where the two before it point to: a steady walk
    gives nothing, noise of standard deviation s gives one of s · sqrt(1 + (1+g)² + g²) in each
    direction, with g the ratio of the two steps in time. The medians of the last 96 are taken, so
    that turns and single bad boxes do not matter, and of both directions the greater one.

    Attributes:
        item: as it was seen last.
        point: its anchor, x, y in frame pixels.
        before: the anchor the time before; None: it is seen for the first time.
        leapt: it is far from where it was and from where it was expected, or was not seen for a
            while: perhaps a bad box, or something else.
    """

    __slots__ = (
        "_across", "_down", "_earlier", "_noise", "_step_s", "_time_s", "before", "item", "leapt",
        "point",
    )  # fmt: skip

    def __init__(self, item: Item, time_s: float) -> None:
        self.item, self.point = item, item.anchor_xy
        self.before: Point | None = None
        self.leapt = False
        self._earlier: Point | None = None
        self._time_s, self._step_s = time_s, 0.0
        first = _FIRST_NOISE * self.size
        self._across: deque[float] = deque([first] * _FIRST_WEIGHT, maxlen=_REMEMBERED)
        self._down: deque[float] = deque([first] * _FIRST_WEIGHT, maxlen=_REMEMBERED)
        self._noise: float | None = None

    @property
    def size(self) -> float:
        """The side of a square as large as its box, pixels."""
        x1, y1, x2, y2 = self.item.box_xyxy
        return math.sqrt(max(x2 - x1, 1.0) * max(y2 - y1, 1.0))

    @property
    def noise(self) -> float:
        """The standard deviation of the anchor in the worse direction, pixels."""
        if self._noise is None:
            middle = max(statistics.median(self._across), statistics.median(self._down))
            noise = middle * (1 + _DOUBT / len(self._down))
            self._noise = min(noise, self.size / _SURE)
        return self._noise

    def clear(self, sightings: int = 1) -> float:
        """How far from a border the mean of so many sightings is surely on its side, pixels."""
        sway = _SWAY if self.item.point_xy is None else _SWAY_OF_POINTS
        return max(_SURE * self.noise / math.sqrt(sightings), sway * self.size)

    def go(self, item: Item, time_s: float) -> None:
        """It is seen once more.

        Args:
            item: as it is seen.
            time_s: of the frame, in seconds.
        """
        step_s = time_s - self._time_s
        self._earlier, self.before = self.before, self.point
        self.item, self.point = item, item.anchor_xy
        settled, self.leapt = not self.leapt, False
        if self._earlier is not None and self._step_s > 0:
            ratio = step_s / self._step_s
            if 0 < ratio <= _LONGEST_PAUSE:
                self._judge(self._earlier, self.before, ratio)
            # After a pause anything nearby may have been taken for it: the next one tells. So it
            # does after a leap, wherever it is.
            self.leapt = settled and (self.leapt or ratio > _LONGEST_PAUSE)
        self._time_s, self._step_s = time_s, step_s

    def _judge(self, earlier: Point, before: Point, ratio: float) -> None:
        """Compares where it is with where its way so far points to."""
        x, y = self.point
        off_x = x - before[0] - ratio * (before[0] - earlier[0])
        off_y = y - before[1] - ratio * (before[1] - earlier[1])
        off = math.hypot(off_x, off_y)
        spread = math.sqrt(1 + (1 + ratio) ** 2 + ratio**2)
        limit = 0.25 * self.size
        if off > limit and math.dist(self.point, before) > limit:
            self.leapt = off > _SURE * spread * self.noise
        self._across.append(abs(off_x) / (spread * _MEDIAN))
        self._down.append(abs(off_y) / (spread * _MEDIAN))
        self._noise = None

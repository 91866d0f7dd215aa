"""Where boxes are and will be: a Kalman filter of constant velocity, in seconds, for many at once.

Each of a box's four numbers (x and y of its centre, width, height) has a position and a velocity
of its own. That is the filter of SORT and its followers, whose matrices have no entry that joins
two of the numbers either, so that no matrix is needed.

The noises are those of DeepSORT and ByteTrack (N. Wojke, A. Bewley, D. Paulus, "Simple online and
realtime tracking with a deep association metric", ICIP 2017; Y. Zhang et al., "ByteTrack:
multi-object tracking by associating every detection box", ECCV 2022), which give a position a
standard deviation of 1/20 of the object's size and a velocity one of 1/160 of it, with each frame
of 30 a second. Noise that is independent from frame to frame adds up in variance with the number
of frames; here it is a variance per second, and what the velocity does meanwhile is integrated
(Y. Bar-Shalom, X. Rong Li, T. Kirubarajan, "Estimation with applications to tracking and
navigation", 2001, section 6.2.2). So two steps give exactly what one of their sum gives, and
nothing depends on how many frames there were, or on when they came.

Two things differ. Size is the geometric mean of width and height, not the height: things are no
people only. And the velocity of what was seen once is less certain, 6 sizes a second and not 1.9:
at ten frames a second or fewer, most things go on by more than the published figure allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The frame rate that the published weights are for.
_PUBLISHED_FPS = 30.0
#: A side that is longer or shorter by more is another thing's: from frame to frame, where small
#: boxes are seen badly, and after something was hidden.
_MOST_GROWTH, _MOST_GROWTH_HIDDEN = float(np.log(4)), float(np.log(2))
#: A width and a height are never less, pixels.
_LEAST_SIDE = 1e-3


@dataclass(frozen=True)
class Noise:
    """Standard deviations, in sizes of the object, the geometric mean of its width and height.

    Attributes:
        measured: of a detector's numbers.
        wander: of the position after a second, beside what its velocity does.
        turn: of the velocity after a second, sizes per second.
        start: of the velocity of what was seen once, sizes per second.
    """

    measured: float = 1 / 20
    wander: float = 1 / 20 * _PUBLISHED_FPS**0.5
    turn: float = 1 / 160 * _PUBLISHED_FPS * _PUBLISHED_FPS**0.5
    start: float = 6.0


class BoxFilter:
    """The boxes of all tracks, in the order in which they were added.

    Args:
        noise: how sure positions and velocities are.

    Attributes:
        place: (n, 4) x and y of the centre, width, height; pixels.
        speed: (n, 4) the same per second.
        seen: (n, 4) as they were seen last.
        place_variance, shared_variance, speed_variance: (n, 4) of the two, and what they share.
    """

    def __init__(self, noise: Noise | None = None) -> None:
        self._noise = noise or Noise()
        self.place = self.speed = self.seen = np.empty((0, 4))
        self.place_variance = self.shared_variance = self.speed_variance = np.empty((0, 4))

    def __len__(self) -> int:
        return len(self.place)

    def add(self, boxes: Floats) -> None:
        """Begins to follow boxes: (k, 4) as in ``place``."""
        size = _size(boxes)
        zeros = np.zeros_like(boxes)
        self.place = np.concatenate([self.place, boxes])
        self.seen = np.concatenate([self.seen, boxes])
        self.speed = np.concatenate([self.speed, zeros])
        place = np.repeat((self._noise.measured * size) ** 2, 4, axis=1)
        speed = np.repeat((self._noise.start * size) ** 2, 4, axis=1)
        self.place_variance = np.concatenate([self.place_variance, place])
        self.shared_variance = np.concatenate([self.shared_variance, zeros])
        self.speed_variance = np.concatenate([self.speed_variance, speed])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forgets the others."""
        self.place, self.speed, self.seen = self.place[rows], self.speed[rows], self.seen[rows]
        self.place_variance = self.place_variance[rows]
        self.shared_variance = self.shared_variance[rows]
        self.speed_variance = self.speed_variance[rows]

    def predict(self, seconds: float, seen: NDArray[np.bool_]) -> None:
        """Where the boxes are ``seconds`` later.

        Args:
            seconds: 0 or more.
            seen: (n,) those that were there on the last frame; the others keep their size, since
                what covered them had changed it before.
        """
        if not seconds or not len(self.place):
            return
        self.speed[~seen, 2:] = 0.0
        size = _size(self.place)
        turn = (self._noise.turn * size) ** 2 * seconds
        wander = (self._noise.wander * size) ** 2 * seconds
        self.place = self.place + self.speed * seconds
        np.maximum(self.place[:, 2:], _LEAST_SIDE, out=self.place[:, 2:])
        self.place_variance = (
            self.place_variance
            + (2 * seconds) * self.shared_variance
            + seconds**2 * self.speed_variance
            + (wander + turn * (seconds**2 / 3))
        )
        self.shared_variance = (
            self.shared_variance + seconds * self.speed_variance + turn * (seconds / 2)
        )
        self.speed_variance = self.speed_variance + turn

    def update(self, rows: NDArray[np.intp], boxes: Floats) -> None:
        """Takes what was seen.

        Args:
            rows: (k,) which tracks, each once.
            boxes: (k, 4) as in ``place``.
        """
        place, shared = self.place_variance[rows], self.shared_variance[rows]
        total = place + (self._noise.measured * _size(self.place[rows])) ** 2
        place_gain, speed_gain = place / total, shared / total
        wrong = boxes - self.place[rows]
        self.seen[rows] = boxes
        self.place[rows] += place_gain * wrong
        self.speed[rows] += speed_gain * wrong
        self.place_variance[rows] -= place_gain * place
        self.shared_variance[rows] -= place_gain * shared
        self.speed_variance[rows] -= speed_gain * shared
        np.maximum(self.place[:, 2:], _LEAST_SIDE, out=self.place[:, 2:])

    def nearness(self, boxes: Floats, reach: float, farthest: Floats) -> Floats:
        """How near boxes are to where those that are followed must be.

        Args:
            boxes: (m, 4) as in ``place``.
            reach: how far from there something may be, standard deviations.
            farthest: (n,) and how far at the most, sizes of the object.

        Returns:
            (n, m): 1 at the place, falling to 0 where it may still be; 0 or less beyond, and where
            a side is more than four times the other's.
        """
        size = _size(self.place)
        variance = self.place_variance[:, :2] + (self._noise.measured * size) ** 2
        limit = np.minimum(reach**2 * variance, (farthest[:, None] * size) ** 2)
        away = (boxes[:, :2] - self.place[:, None, :2]) ** 2 / limit[:, None]
        near: Floats = 1 - away.sum(axis=2)
        near[_growth(self.place, boxes) > _MOST_GROWTH] = 0.0
        return near

    def near_way(
        self,
        rows: NDArray[np.intp],
        boxes: Floats,
        seconds: Floats,
        farthest: Floats,
        fastest: float,
    ) -> Floats:
        """How near boxes are to where those that are hidden may be if they stopped on their way.

        Args:
            rows: (k,) which tracks.
            boxes: (m, 4) as in ``place``.
            seconds: (k, m) how long after a track was seen last a box is.
            farthest: (k, m) how far from the way it may be, sizes of the object.
            fastest: what went on faster is not near to anything, sizes per second.

        Returns:
            (k, m): 1 on the straight way that it would have gone meanwhile, falling to 0 where it
            is too far from it; 0 or less beyond, and where a side is more than twice the other's.
        """
        seen, speed = self.seen[rows], self.speed[rows, :2]
        size = _size(seen)
        away = boxes[None, :, :2] - seen[:, None, :2]
        way = speed[:, None] * seconds[..., None]
        square = np.maximum((way**2).sum(axis=2), np.finfo(float).tiny)
        share = np.clip((away * way).sum(axis=2) / square, 0.0, 1.0)
        off = np.linalg.norm(away - share[..., None] * way, axis=2)
        near: Floats = 1 - off / (size * farthest)
        near[np.linalg.norm(speed, axis=1) > fastest * size[:, 0]] = 0.0
        near[_growth(seen, boxes) > _MOST_GROWTH_HIDDEN] = 0.0
        return near


def _growth(first: Floats, second: Floats) -> Floats:
    """(n, m): how much longer or shorter sides of boxes (n, 4) and (m, 4) are, as logarithms."""
    growth: Floats = np.abs(np.log(second[:, 2:] / first[:, None, 2:])).max(axis=2)
    return growth


def _size(boxes: Floats) -> Floats:
    """(n, 1): the geometric mean of width and height."""
    size: Floats = np.sqrt(boxes[:, 2:3] * boxes[:, 3:4])
    return size

"""What a decoder returns: plain data for evaluation, the camera loop and reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.mask import Box, Mask


@dataclass(frozen=True)
class Detections:
    """Boxes on one frame, best first.

    Attributes:
        boxes: float32 (n, 4) x1, y1, x2, y2 in frame pixels, clipped to the frame.
        scores: float32 (n,) in [0, 1].
        classes: int64 (n,).
        keypoints: float32 (n, points, 3) x, y in frame pixels and a score in [0, 1]; None: the
            model gives none.
        masks: which pixels each object covers; None: the model does not tell.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    keypoints: NDArray[np.float32] | None = None
    masks: tuple[Mask, ...] | None = None

    def __len__(self) -> int:
        """How many boxes."""
        return len(self.scores)


@dataclass(frozen=True)
class Centroids:
    """Points on one frame, one per object, best first.

    Attributes:
        points: float32 (n, 2) x, y in frame pixels, inside the frame.
        cells: float32 (n, 4) x1, y1, x2, y2: what the joined cells of the grid cover, clipped to
            the frame; says how far off the point may be, not how large the object is.
        scores: float32 (n,) in [0, 1].
        classes: int64 (n,).
    """

    points: NDArray[np.float32]
    cells: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """How many objects."""
        return len(self.scores)


@dataclass(frozen=True)
class Segmentation:
    """A class for every cell of a map over the frame.

    Attributes:
        classes: int64 (rows, cols); −1: none that is reported.
        scores: float32 (rows, cols) in [0, 1]: how sure the class is; 0 where there is none.
        covers: x1, y1, x2, y2 in frame pixels: what the map lies over; may reach beyond the frame.
        margins: float32 (rows, cols), of a model that knows one class: by how much a cell's value
            is over the threshold; None: of several classes.
    """

    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    covers: Box
    margins: NDArray[np.float32] | None = None

    def mask(self, number: int) -> Mask:
        """The cells of one class: their borders are the mask's, or interpolated where it can be."""
        if self.margins is not None:
            return Mask(self.margins, self.covers, self.covers)
        own = self.classes == number
        x1, x2 = _reach(own.any(axis=0), self.covers[0], self.covers[2])
        y1, y2 = _reach(own.any(axis=1), self.covers[1], self.covers[3])
        return Mask(own.astype(np.float32), self.covers, (x1, y1, x2, y2), smooth=False)


def _reach(lines: NDArray[np.bool_], low: float, high: float) -> tuple[float, float]:
    """Where in the frame the lines of cells that are set begin and end, with a cell more each."""
    places = np.flatnonzero(lines)
    if not len(places):
        return low, low
    cell = (high - low) / len(lines)
    return max(low, low + (places[0] - 1) * cell), min(high, low + (places[-1] + 2) * cell)


@dataclass(frozen=True)
class Classification:
    """Class probabilities of one frame.

    Attributes:
        scores: float32 (classes,), in [0, 1] after the activation.
    """

    scores: NDArray[np.float32]

    @property
    def best(self) -> int:
        """The class with the highest score."""
        return int(np.argmax(self.scores))

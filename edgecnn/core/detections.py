"""What a decoder returns: plain data for evaluation, the camera loop and reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """Boxes on one frame, best first.

    Attributes:
        boxes: float32 (n, 4) x1, y1, x2, y2 in frame pixels, clipped to the frame.
        scores: float32 (n,) in [0, 1].
        classes: int64 (n,).
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

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

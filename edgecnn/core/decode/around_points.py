"""The object that key points make up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Detections

Float = NDArray[np.float32]


def objects(points: Float, scores: Float, threshold: float) -> Detections:
    """Objects of class 0 with their key points, in the order given.

    An object's box is the rectangle around its points that score ``threshold`` or more; around all
    of them where fewer than two do.

    Args:
        points: float32 (n, points, 3) x, y in tensor pixels and a score in [0, 1].
        scores: float32 (n,) in [0, 1].
        threshold: the lowest score of a point that counts for the box.
    """
    if not len(points):
        boxes = np.empty((0, 4), np.float32)
    else:
        counts = points[..., 2] >= np.float32(threshold)
        counts |= counts.sum(axis=1, keepdims=True) < 2
        places, counts = points[..., :2], counts[..., None]
        low = np.where(counts, places, np.inf).min(axis=1)
        high = np.where(counts, places, -np.inf).max(axis=1)
        boxes = np.concatenate([low, high], axis=1).astype(np.float32)
    return Detections(boxes, scores, np.zeros(len(scores), np.int64), points)


def none_of(points: int) -> Detections:
    """No object, whose points would be so many."""
    return objects(np.empty((0, points, 3), np.float32), np.empty(0, np.float32), 0)

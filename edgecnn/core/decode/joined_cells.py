"""Cells of a grid that touch become one object each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Centroids

# A cell may pass with a score of 0, and still has a place.
_LEAST_WEIGHT = 1e-6


def joined_cells(
    kinds: NDArray[np.int64], scores: NDArray[np.float32], stride: float, most: int
) -> Centroids:
    """One point per object in input pixels, best first; of equal scores the upper left one first.

    Cells of one class that touch, corners included, are one object.

    Args:
        kinds: (rows, cols) class of each cell, −1: none.
        scores: (rows, cols).
        stride: input pixels per cell.
        most: how many objects are reported.
    """
    import cv2

    marks = np.zeros(kinds.shape, np.int32)
    count = 0
    for kind in np.unique(kinds[kinds >= 0]):
        parts, own = cv2.connectedComponents((kinds == kind).astype(np.uint8), connectivity=8)
        marks += np.where(own > 0, own + np.int32(count), 0).astype(np.int32)
        count += parts - 1
    row, col = np.nonzero(marks)
    part, score = marks[row, col] - 1, scores[row, col]
    weight = np.maximum(score.astype(np.float64), _LEAST_WEIGHT)
    total = np.bincount(part, weight, count)
    x, y = (np.bincount(part, weight * (at + 0.5), count) / total for at in (col, row))
    best = np.zeros(count, np.float32)
    np.maximum.at(best, part, score)
    edges = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (count, 1))
    for side, at in enumerate((col, row)):
        np.minimum.at(edges[:, side], part, at.astype(np.float32))
        np.maximum.at(edges[:, side + 2], part, at.astype(np.float32) + 1)
    # Cells come in reading order, so the first of each object is its upper left one.
    _, first = np.unique(part, return_index=True)
    order = np.lexsort((first, -best))[:most]
    points = np.stack([x, y], axis=1) * stride
    return Centroids(
        points[order].astype(np.float32),
        edges[order] * np.float32(stride),
        best[order],
        kinds[row, col][first][order].astype(np.int64),
    )

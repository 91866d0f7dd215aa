"""Greedy per-class non-maximum suppression, in blocks of candidates; and means of what it drops.

A block is first compared with all boxes kept so far, then its rest with itself; each is one table
of overlaps instead of a round of small operations per box. The arithmetic of one pair of boxes, and
with it the result, is that of the plain rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Detections

Float = NDArray[np.float32]
#: Of boxes: a slice where they follow each other, which copies nothing.
_Places = NDArray[np.intp] | slice
_BLOCK = 192


def nms(
    boxes: Float,
    scores: Float,
    classes: NDArray[np.int64],
    iou: float,
    max_detections: int,
) -> NDArray[np.intp]:
    """Indices of the boxes kept, best first; of equal scores the lower index first.

    Args:
        boxes: float32 (n, 4) x1, y1, x2, y2.
        scores: float32 (n,).
        classes: int64 (n,).
        iou: a box goes if one of its class that was kept overlaps it by intersection > iou · union.
        max_detections: how many are kept over all classes.
    """
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2 or iou >= 1:  # nothing is more than the union
        return order[:max_detections]
    ranked, kinds = boxes[order].T, classes[order]
    area = _areas(ranked)
    kept = np.empty(0, np.intp)
    limit = np.float32(iou)
    for start in range(0, len(order), _BLOCK):
        end = min(start + _BLOCK, len(order))
        block = np.arange(start, end)
        rest: _Places = slice(start, end)
        if len(kept):
            hit = _overlaps(ranked, area, kinds, kept, block, limit)
            block = rest = block[~hit.any(axis=0)]
        alone = _greedy(_overlaps(ranked, area, kinds, rest, rest, limit))
        kept = np.concatenate([kept, block[alone]])
        if len(kept) >= max_detections:
            break
    return order[kept[:max_detections]]


def weighted_means(values: Float, found: Detections, kept: NDArray[np.intp], iou: float) -> Float:
    """Means of values over each kept box and the boxes that it is the first to suppress.

    They are weighted by score and summed in order of score; of equal scores the lower index is
    first. Where the weights' sum is 0 the kept box's own values stay.

    Args:
        values: float32 (n, m) to take means of.
        found: all n boxes, before suppression.
        kept: those that :func:`nms` keeps, best first.
        iou: what it was given.

    Returns:
        float32 (kept, m).
    """
    order = np.argsort(-found.scores, kind="stable")
    sides, limit = found.boxes.T, np.float32(iou)
    area = _areas(sides)
    # The place among the kept boxes of the one that each box belongs to; beyond them: to none.
    owner = np.full(len(order), len(kept), np.intp)
    owner[kept] = np.arange(len(kept))
    for start in range(0, len(kept), _BLOCK):
        block, free = kept[start : start + _BLOCK], (owner == len(kept)).nonzero()[0]
        near = _overlaps(sides, area, found.classes, block, free, limit)
        owner[free] = np.where(near.any(axis=0), start + near.argmax(axis=0), len(kept))
    order = order[owner[order] < len(kept)]
    weights = found.scores[order]
    total = np.zeros((len(kept), 1), np.float32)
    sums = np.zeros((len(kept), values.shape[1]), np.float32)
    np.add.at(total[:, 0], owner[order], weights)
    np.add.at(sums, owner[order], values[order] * weights[:, None])
    return np.where(total > 0, sums / total, values[kept]).astype(np.float32)


def _areas(sides: Float) -> Float:
    """The areas of boxes (4, n); 0 where a side is negative."""
    size = np.maximum(sides[2:] - sides[:2], 0)
    area: Float = size[0] * size[1]
    return area


def _overlaps(
    sides: Float,
    area: Float,
    kinds: NDArray[np.int64],
    rows: _Places,
    cols: _Places,
    iou: np.float32,
) -> NDArray[np.bool_]:
    """Bool (rows, cols): same class, and overlapping by more than ``iou``."""
    a, b = sides[:, rows, None], sides[:, None, cols]
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area[cols] + area[rows, None] - shared
    near: NDArray[np.bool_] = shared > iou * union
    return near & (kinds[rows, None] == kinds[cols])


def _greedy(near: NDArray[np.bool_]) -> list[int]:
    """Places that no earlier kept place is near to; ``near`` is square."""
    count = len(near)
    packed = np.packbits(near, axis=1, bitorder="little")
    step, data = packed.shape[1], packed.tobytes()
    gone, kept = 0, []
    for place in range(count):
        if not gone >> place & 1:
            kept.append(place)
            gone |= int.from_bytes(data[place * step : (place + 1) * step], "little")
    return kept

"""Ground truth boxes → what each cell of the detector should say.

The cells around a box's centre are responsible for it (centre sampling as in FCOS, Tian et al.
2019); where two boxes claim a cell, the smaller one has it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import GridLevel

CENTRE_RADIUS = 1.0  # in cells, from the box's centre


def cell_centres(level: GridLevel) -> NDArray[np.float32]:
    """Centres of a level's cells in input pixels: float32 (rows, cols, 2) of x, y."""
    y, x = np.mgrid[: level.rows, : level.cols].astype(np.float32)
    return (np.stack([x, y], axis=-1) + np.float32(0.5)) * np.float32(level.stride)


def assign(
    boxes: NDArray[np.float32],
    classes: NDArray[np.int64],
    level: GridLevel,
    *,
    labels: int,
    box_scale: float = 1.0,
    radius: float = CENTRE_RADIUS,
) -> NDArray[np.float32]:
    """Targets of one image.

    Args:
        boxes: (n, 4) x1, y1, x2, y2 in input pixels.
        classes: (n,).
        level: the grid.
        labels: how many classes.
        box_scale: of the spec's ``ltrb`` coding.
        radius: in cells, how far from a box's centre a cell may be that answers for it.

    Returns:
        float32 (rows, cols, labels + 4): one-hot classes (all 0: background), then the distances
        left, top, right, bottom in units of ``box_scale`` × stride (0 for background).
    """
    out = np.zeros((level.rows, level.cols, labels + 4), np.float32)
    if not len(boxes):
        return out
    centres = cell_centres(level).reshape(-1, 2)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = np.abs(centres[:, None] - middle[None]).max(axis=2) / level.stride
    ltrb = np.concatenate(
        [centres[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - centres[:, None]], axis=2
    )
    claims = (away <= radius) & (ltrb.min(axis=2) > 0)
    claims[away.argmin(axis=0), np.arange(len(boxes))] = True
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    cost = np.where(claims, area[None], np.inf)
    owner = cost.argmin(axis=1)
    cells = np.flatnonzero(claims.any(axis=1))
    owner = owner[cells]
    flat = out.reshape(-1, labels + 4)
    flat[cells, classes[owner]] = 1.0
    flat[cells, labels:] = ltrb[cells, owner] / (level.stride * box_scale)
    return out

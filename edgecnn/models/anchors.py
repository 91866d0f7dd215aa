"""Anchors from the data: the shapes that boxes have, per level of an SSD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Anchors = tuple[tuple[tuple[float, float], ...], ...]
#: An anchor's side, in strides, from which on the next level has it.
_SIDE_PER_STRIDE = 6.0
#: The side, in strides, of a level's anchor where no box says more.
_USUAL_STRIDES = 4.0
_ROUNDS = 30


def anchor_boxes(
    sides: NDArray[np.floating], count: int = 9, strides: tuple[int, ...] = (16, 32, 64)
) -> Anchors:
    """Clusters box shapes by their overlap (Redmon & Farhadi 2017).

    Args:
        sides: (boxes, 2) width and height in input pixels.
        count: of anchors in all, at most one per distinct shape.
        strides: of the levels.

    Returns:
        Per level its (width, height) pairs in input pixels, small ones first; a level that none
        suits has one of the size that it would suit.
    """
    shapes = np.asarray(sides, np.float64)
    shapes = shapes[(shapes > 0).all(axis=1)]
    if not len(shapes):
        shapes = np.repeat(np.array(strides, np.float64)[:, None] * _USUAL_STRIDES, 2, axis=1)
    area = np.sqrt(shapes.prod(axis=1))
    picks = np.quantile(np.argsort(np.argsort(area)), np.linspace(0, 1, count)).astype(int)
    centres = np.unique(shapes[np.argsort(area)[picks]], axis=0)
    for _ in range(_ROUNDS):
        owner = _overlap(shapes, centres).argmax(axis=1)
        moved = np.array(
            [
                np.median(shapes[owner == index], axis=0) if (owner == index).any() else centre
                for index, centre in enumerate(centres)
            ]
        )
        if np.allclose(moved, centres):
            break
        centres = moved
    centres = centres[np.argsort(centres.prod(axis=1))]
    bounds = [stride * _SIDE_PER_STRIDE for stride in strides[:-1]]
    level = np.searchsorted(bounds, np.sqrt(centres.prod(axis=1)))
    found = []
    for number, stride in enumerate(strides):
        own = [(round(float(w), 1), round(float(h), 1)) for w, h in centres[level == number]]
        found.append(tuple(own) or ((stride * _USUAL_STRIDES, stride * _USUAL_STRIDES),))
    return tuple(found)


def _overlap(shapes: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of shapes laid on one another: (shapes, centres)."""
    shared = np.minimum(shapes[:, None], centres[None]).prod(axis=2)
    result: NDArray[np.float64] = shared / (
        shapes.prod(axis=1)[:, None] + centres.prod(axis=1)[None] - shared
    )
    return result

"""The detections of a frame as arrays, and how much boxes overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.result import Item

Floats = NDArray[np.float64]

#: Boxes beyond these are no boxes, pixels.
_LEAST_SIDE, _FARTHEST = 1e-2, 1e7
_POINT_SIDES = 3


@dataclass(frozen=True)
class FoundBoxes:
    """The detections of a frame that can be followed, in an order that does not depend on theirs.

    Attributes:
        items: the best first.
        places: (m,) of each in the frame's items.
        boxes: (m, 4) x and y of the centre, width, height; pixels.
        classes: (m,) their classes.
        sure: (m,) those that count; the others are candidates.
    """

    items: tuple[Item, ...]
    places: tuple[int, ...]
    boxes: Floats
    classes: NDArray[np.intp]
    sure: NDArray[np.bool_]

    @staticmethod
    def among(items: tuple[Item, ...]) -> FoundBoxes:
        """Those of a frame's items whose box encloses something."""
        places = [place for place, item in enumerate(items) if _can_be_followed(item)]
        places.sort(
            key=lambda place: (
                -items[place].score, items[place].box_xyxy, items[place].class_index
            )
        )  # fmt: skip
        found = tuple(items[place] for place in places)
        return FoundBoxes(
            found,
            tuple(places),
            np.array([_box(item) for item in found], np.float64).reshape(-1, 4),
            np.array([item.class_index for item in found], np.intp),
            np.array([not item.candidate for item in found], np.bool_),
        )


def _can_be_followed(item: Item) -> bool:
    x1, y1, x2, y2 = item.box_xyxy
    return (
        not item.whole_frame
        and not item.whole_class
        and x2 - x1 >= _LEAST_SIDE
        and y2 - y1 >= _LEAST_SIDE
        and all(abs(value) <= _FARTHEST for value in (*item.box_xyxy, *(item.point_xy or ())))
        and math.isfinite(item.score)
    )


def _box(item: Item) -> tuple[float, float, float, float]:
    """The centre's x and y, width, height.

    A point moves from cell to cell of a coarse grid, often a whole one at once: its box is around
    the point, and reaches over the neighbouring cells.
    """
    x1, y1, x2, y2 = item.box_xyxy
    if item.point_xy is not None:
        return *item.point_xy, _POINT_SIDES * (x2 - x1), _POINT_SIDES * (y2 - y1)
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1


def overlaps(first: Floats, second: Floats) -> Floats:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4): centre, width, height."""
    low_1, high_1 = (
        first[:, None, :2] - first[:, None, 2:] / 2,
        first[:, None, :2] + first[:, None, 2:] / 2,
    )
    low_2, high_2 = second[:, :2] - second[:, 2:] / 2, second[:, :2] + second[:, 2:] / 2
    sides = np.minimum(high_1, high_2) - np.maximum(low_1, low_2)
    np.maximum(sides, 0.0, out=sides)
    common = sides[..., 0] * sides[..., 1]
    area_1, area_2 = first[:, 2] * first[:, 3], second[:, 2] * second[:, 3]
    shares: Floats = common / (area_1[:, None] + area_2 - common)
    return shares

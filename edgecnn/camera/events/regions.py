"""Parts of the frame: read from the command line or a file, and what lies in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.corners import MOST_CORNERS, coordinate, flat, is_file, read_places
from edgecnn.camera.geometry import Point, area, holds, self_crossing, sides
from edgecnn.camera.result import Item
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.mask import MaskArea

#: So much of a region the pixels of a whole class have to cover to be in it.
COVERED = 0.05

_PLACES = 64
_HINT = (
    "for example --region door=0.1,0.2,0.5,0.2,0.3,0.9 or door=10%,20%,50%,90%: x,y of each corner"
    " as shares of the frame; two corners make a rectangle"
)


@dataclass(frozen=True)
class FrameRegion:
    """A part of the frame.

    Attributes:
        name: for the events.
        points: corners x, y of a polygon, as shares of the frame's width and height, 0 to 1; two
            of them are opposite corners of a rectangle, and become four.
    """

    name: str
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        """Raises UsageError when the name is empty or the corners enclose nothing."""
        if not self.name.strip():
            raise UsageError("a region has no name", hint=_HINT)
        for value in (value for point in self.points for value in point):
            if not 0 <= value <= 1:
                raise UsageError(
                    f"region '{self.name}' has the coordinate {value:g}, expected 0 to 1"
                    " (or 0% to 100%)",
                    hint=_HINT,
                )
        if len(self.points) == 2:
            (x1, y1), (x2, y2) = self.points
            object.__setattr__(self, "points", ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
        if not 3 <= len(self.points) <= MOST_CORNERS:
            raise UsageError(
                f"region '{self.name}' has {len(self.points)} corners, expected 2 to"
                f" {MOST_CORNERS}",
                hint=_HINT,
            )
        crossed = self_crossing(self.points)
        if crossed is not None:
            raise UsageError(
                f"region '{self.name}' crosses itself: its side {crossed[0]} meets its side"
                f" {crossed[1]}",
                hint="give the corners in the order in which they lie around the region",
            )
        if area(self.points) < 1e-9:
            raise UsageError(f"region '{self.name}' encloses no area", hint=_HINT)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point (shares of the frame) lies in the region or on its border.

        >>> FrameRegion("left", ((0, 0), (0.5, 1))).holds(0.5, 1.0)
        True
        """
        left, top, right, bottom = self._bounds
        if not (left <= x <= right and top <= y <= bottom):
            return False
        return holds(self._around, x, y)

    @cached_property
    def _around(self) -> list[tuple[Point, Point]]:
        return sides(self.points)

    @cached_property
    def _bounds(self) -> tuple[float, float, float, float]:
        across, down = zip(*self.points, strict=True)
        return min(across), min(down), max(across), max(down)


class InRegions:
    """Which regions a detection is in.

    A box is where its bottom's middle is, since that is where what is seen stands; a point of a
    model that finds points is where it is; the pixels of a whole class are in each region of which
    they cover a twentieth. The result of a classifier is about the whole frame, and in no region.

    Args:
        regions: all of them; none: every detection is in the whole frame, ``None``.
    """

    def __init__(self, regions: tuple[FrameRegion, ...]) -> None:
        self._regions = regions
        self._places: dict[str, NDArray[np.float64]] = {}

    def of(self, item: Item, frame_hw: tuple[int, int]) -> tuple[str | None, ...]:
        """Names of the regions, in their order.

        Args:
            item: in pixels of the frame.
            frame_hw: the frame's height and width.
        """
        if not self._regions:
            return (None,)
        if item.whole_frame:
            return ()
        if item.whole_class and item.mask is not None:
            area = item.mask.area
            return tuple(each.name for each in self._regions if self._covers(area, each, frame_hw))
        x, y = _anchor(item, frame_hw)
        return tuple(region.name for region in self._regions if region.holds(x, y))

    def _covers(self, area: MaskArea, region: FrameRegion, frame_hw: tuple[int, int]) -> bool:
        """Whether enough of the region's places lie on the mask."""
        if region.name not in self._places:
            self._places[region.name] = _places_in(region)
        places = self._places[region.name]
        height, width = frame_hw
        rows, cols = area.pixels.shape
        down = np.minimum((places[:, 1] * height).astype(np.intp), height - 1) - area.top
        across = np.minimum((places[:, 0] * width).astype(np.intp), width - 1) - area.left
        there = (down >= 0) & (down < rows) & (across >= 0) & (across < cols)
        hits = int(np.count_nonzero(area.pixels[down[there], across[there]]))
        return hits > 0 and hits >= COVERED * len(places)


def _anchor(item: Item, frame_hw: tuple[int, int]) -> Point:
    """Where an item stands, as shares of the frame; what reaches beyond it, at its edge."""
    x, y = item.anchor_xy
    height, width = frame_hw
    return min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0)


def _places_in(region: FrameRegion) -> NDArray[np.float64]:
    """Places x, y all over the region, shares of the frame, (n, 2): of a grid, what lies inside."""
    corners = np.asarray(region.points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    across, down = (low + (high - low) * steps[:, None]).T
    inside = np.zeros((_PLACES, _PLACES), np.bool_)
    for (x1, y1), (x2, y2) in sides(region.points):
        rows = np.flatnonzero((y1 <= down) != (y2 <= down))
        if len(rows):
            inside[rows] ^= across < x1 + (down[rows, None] - y1) * ((x2 - x1) / (y2 - y1))
    row, col = np.nonzero(inside)
    if not len(row):  # a sliver between the grid's places
        return (corners + np.roll(corners, 1, axis=0)) / 2
    return np.stack([across[col], down[row]], axis=1)


def parse_region(text: str) -> tuple[FrameRegion, ...]:
    """Reads one ``--region``: ``NAME=x,y,x,y,…``, or the path of a TOML or JSON file of them.

    >>> parse_region("door=0,0,50%,1")[0].points
    ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))

    Raises:
        UsageError: neither, or corners that make no region.
        DataError: the file cannot be read.
    """
    if is_file(text):
        return read_regions(Path(text))
    name, equals, corners = text.rpartition("=")
    if not equals:
        raise UsageError(f"--region is '{text}', expected NAME=x,y,x,y,… or a file", hint=_HINT)
    numbers = [coordinate(f"region '{name}'", word, _HINT)[0] for word in corners.split(",")]
    if len(numbers) % 2:
        raise UsageError(
            f"region '{name}' has {len(numbers)} coordinates, expected x,y of each corner",
            hint=_HINT,
        )
    return (FrameRegion(name.strip(), tuple(zip(numbers[::2], numbers[1::2], strict=True))),)


def read_regions(path: Path) -> tuple[FrameRegion, ...]:
    """Reads a file of regions.

    .. code-block:: toml

        [regions]
        door = [[0.1, 0.2], [0.5, 0.2], [0.3, 0.9]]
        yard = [0.5, 0, 1, 1]                        # two corners: a rectangle

    JSON has the same keys.

    Raises:
        DataError: it cannot be read, or holds something else.
        UsageError: corners that make no region.
    """
    what, hint = "the regions file", "[regions] with a line NAME = [x, y, x, y, …] for each region"
    data = read_places(path, what, hint)
    regions = data.get("regions") if isinstance(data, dict) else None
    if not isinstance(regions, dict) or set(data) != {"regions"} or not regions:
        raise DataError(f"{what} '{path}' has no table 'regions', or others beside it", hint=hint)
    found = []
    for name, corners in regions.items():
        numbers = flat(corners)
        if numbers is None:
            raise DataError(
                f"{what} '{path}': '{name}' is no list of corners x, y as shares of the frame",
                hint=hint,
            )
        found.append(FrameRegion(name, tuple(zip(numbers[::2], numbers[1::2], strict=True))))
    return tuple(found)

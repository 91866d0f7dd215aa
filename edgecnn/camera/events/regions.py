"""Parts of the frame: read from the command line or a file, and what lies in them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.result import Item
from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.mask import MaskArea
from edgecnn.core.toml_file import read_toml

Point = tuple[float, float]

#: So much of a region the pixels of a whole class have to cover to be in it.
COVERED = 0.05

_MOST_POINTS = 200
_PLACES = 64
_MAX_BYTES = 1 << 20
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
        if not 3 <= len(self.points) <= _MOST_POINTS:
            raise UsageError(
                f"region '{self.name}' has {len(self.points)} corners, expected 2 to"
                f" {_MOST_POINTS}",
                hint=_HINT,
            )
        crossed = _crossing(self.points)
        if crossed is not None:
            raise UsageError(
                f"region '{self.name}' crosses itself: its side {crossed[0]} meets its side"
                f" {crossed[1]}",
                hint="give the corners in the order in which they lie around the region",
            )
        if _area(self.points) < 1e-9:
            raise UsageError(f"region '{self.name}' encloses no area", hint=_HINT)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point (shares of the frame) lies in the region or on its border.

        >>> FrameRegion("left", ((0, 0), (0.5, 1))).holds(0.5, 1.0)
        True
        """
        left, top, right, bottom = self._bounds
        if not (left <= x <= right and top <= y <= bottom):
            return False
        inside = False
        for (x1, y1), (x2, y2) in self._around:
            side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
            if side == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
                return True
            # A ray to the right crosses a side that begins on or above it and ends below it.
            if (y1 <= y) != (y2 <= y) and (side > 0) == (y2 > y1):
                inside = not inside
        return inside

    @cached_property
    def _around(self) -> list[tuple[Point, Point]]:
        return _sides(self.points)

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
    x1, _, x2, y2 = item.box_xyxy
    x, y = item.point_xy or ((x1 + x2) / 2, y2)
    height, width = frame_hw
    return min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0)


def _places_in(region: FrameRegion) -> NDArray[np.float64]:
    """Places x, y all over the region, shares of the frame, (n, 2): of a grid, what lies inside."""
    corners = np.asarray(region.points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    across, down = (low + (high - low) * steps[:, None]).T
    inside = np.zeros((_PLACES, _PLACES), np.bool_)
    for (x1, y1), (x2, y2) in _sides(region.points):
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
    if Path(text).suffix.lower() in (".toml", ".json"):
        return read_regions(Path(text))
    name, equals, corners = text.rpartition("=")
    if not equals:
        raise UsageError(f"--region is '{text}', expected NAME=x,y,x,y,… or a file", hint=_HINT)
    numbers = [_share(name, word) for word in corners.split(",")]
    if len(numbers) % 2:
        raise UsageError(
            f"region '{name}' has {len(numbers)} coordinates, expected x,y of each corner",
            hint=_HINT,
        )
    return (FrameRegion(name.strip(), tuple(zip(numbers[::2], numbers[1::2], strict=True))),)


def _share(name: str, word: str) -> float:
    word = word.strip()
    try:
        value = float(word.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"region '{name}' has the coordinate '{word}', expected a number", hint=_HINT
        )
    return value / 100 if word.endswith("%") else value


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
    data = _read_json(path, what, hint) if path.suffix.lower() == ".json" else None
    data = read_toml(path, what, hint, _MAX_BYTES) if data is None else data
    regions = data.get("regions") if isinstance(data, dict) else None
    if not isinstance(regions, dict) or set(data) != {"regions"} or not regions:
        raise DataError(f"{what} '{path}' has no table 'regions', or others beside it", hint=hint)
    found = []
    for name, corners in regions.items():
        flat = _flat(corners)
        if flat is None:
            raise DataError(
                f"{what} '{path}': '{name}' is no list of corners x, y as shares of the frame",
                hint=hint,
            )
        found.append(FrameRegion(name, tuple(zip(flat[::2], flat[1::2], strict=True))))
    return tuple(found)


def _read_json(path: Path, what: str, hint: str) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise DataError(f"{what} '{path}' is over {_MAX_BYTES} bytes", hint=hint)
        return json.loads(raw)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {what} '{path}': {getattr(error, 'strerror', None) or error}", hint=hint
        ) from error


def _flat(corners: Any) -> list[float] | None:
    """Numbers x, y, x, y …; None where the value is something else."""
    if not isinstance(corners, list):
        return None
    pairs = all(isinstance(corner, list) and len(corner) == 2 for corner in corners)
    flat = [value for corner in corners for value in corner] if pairs else corners
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        for value in flat
    )
    return [float(value) for value in flat] if numbers and len(flat) % 2 == 0 else None


def _sides(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(points, [*points[1:], points[0]], strict=True))


def _area(points: Sequence[Point]) -> float:
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in _sides(points))) / 2


def _crossing(points: Sequence[Point]) -> tuple[int, int] | None:
    """The numbers, from 1, of two sides that are no neighbours and cross; None: there are none."""
    sides = _sides(points)
    for first, (a, b) in enumerate(sides):
        for second in range(first + 2, len(sides)):
            if first == 0 and second == len(sides) - 1:
                continue
            c, d = sides[second]
            if _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0:
                return first + 1, second + 1
    return None


def _side(a: Point, b: Point, point: Point) -> float:
    return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])

"""Which pixels of a frame an object covers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.imaging import FrameMap

Box = tuple[float, float, float, float]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskArea:
    """A mask's pixels in the rectangle outside of which it has none.

    Attributes:
        left, top: of the rectangle, frame pixels.
        pixels: bool (rows, cols).
    """

    left: int
    top: int
    pixels: Bools

    def box(self) -> Box | None:
        """x1, y1, x2, y2 around the pixels, in frame pixels; None where there are none."""
        rows, cols = (np.flatnonzero(self.pixels.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        return (
            float(self.left + cols[0]),
            float(self.top + rows[0]),
            float(self.left + cols[-1] + 1),
            float(self.top + rows[-1] + 1),
        )

    def in_frame(self, height: int, width: int) -> Bools:
        """Bool (height, width): the same, on the whole frame."""
        frame = np.zeros((height, width), np.bool_)
        rows, cols = self.pixels.shape
        frame[self.top : self.top + rows, self.left : self.left + cols] = self.pixels
        return frame

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """Run lengths of the whole frame, as :meth:`Mask.run_lengths` gives them."""
        rows, cols = self.pixels.shape
        # Where the column-by-column sequence changes: within columns, and at their two ends.
        row, col = np.nonzero(self.pixels[1:] != self.pixels[:-1])
        changes = [(self.left + col) * height + self.top + row + 1]
        for line, at in ((0, self.top), (-1, self.top + rows)):
            if rows and cols:
                changes.append((self.left + np.flatnonzero(self.pixels[line])) * height + at)
        places, times = np.unique(np.concatenate(changes), return_counts=True)
        # The end of a whole column is the start of the next one: no change.
        places = places[times == 1]
        ends = np.append(places[places < height * width], height * width)
        return {"size": [height, width], "counts": np.diff(ends, prepend=0).tolist()}


@dataclass(frozen=True)
class Mask:
    """A small map over a part of the frame; pixels where it is above 0 belong to the object.

    Attributes:
        values: float32 (rows, cols); of a pixel counts its centre.
        covers: x1, y1, x2, y2 in frame pixels: what the map lies over; may reach beyond the frame.
        inside: x1, y1, x2, y2 in frame pixels: nothing outside belongs to the object.
        smooth: values are interpolated between the cells' centres (linearly along both axes, the
            outer ones constant); otherwise each cell's value holds for all of it.
    """

    values: NDArray[np.float32]
    covers: Box
    inside: Box
    smooth: bool = True

    def on(self, frame_map: FrameMap) -> Mask:
        """The same mask, from tensor pixels to frame pixels."""
        return replace(
            self,
            covers=mapped_box(self.covers, frame_map),
            inside=mapped_box(self.inside, frame_map),
        )

    def moved(self, left: int, top: int) -> Mask:
        """The same mask, so many pixels further right and down."""

        def there(box: Box) -> Box:
            return (box[0] + left, box[1] + top, box[2] + left, box[3] + top)

        return replace(self, covers=there(self.covers), inside=there(self.inside))

    def area(self, height: int, width: int) -> MaskArea:
        """The pixels of a frame that belong to the object.

        Only what lies in ``inside`` is computed. A value that is no number belongs to nothing.

        Args:
            height: of the frame, pixels.
            width: likewise.
        """
        left, right = _pixels_between(self.inside[0], self.inside[2], width)
        top, bottom = _pixels_between(self.inside[1], self.inside[3], height)
        rows, cols = self.values.shape
        across = _places(left, right, self.covers[0], self.covers[2], cols)
        down = _places(top, bottom, self.covers[1], self.covers[3], rows)
        if not self.values.size or not len(across) or not len(down):
            return MaskArea(left, top, np.zeros((0, 0), np.bool_))
        if not self.smooth:
            above = self.values > 0
            nearest = [
                np.clip(np.floor(places + 0.5), 0, count - 1).astype(np.intp)
                for places, count in ((down, rows), (across, cols))
            ]
            return MaskArea(left, top, above[nearest[0]][:, nearest[1]])
        with np.errstate(all="ignore"):
            # Along the rows first: the map has fewer of them than the frame, as a rule.
            wide = _between(np.ascontiguousarray(self.values.T), across).T
            return MaskArea(left, top, _between(np.ascontiguousarray(wide), down) > 0)

    def pixels(self, height: int, width: int) -> Bools:
        """Bool (height, width): the pixels of a frame that belong to the object."""
        return self.area(height, width).in_frame(height, width)

    def run_lengths(self, height: int, width: int) -> dict[str, Any]:
        """The mask as COCO's uncompressed run lengths.

        Returns:
            ``{"size": [height, width], "counts": [...]}``: how many pixels in turn are outside and
            inside the object, column by column from the upper left corner; the first number counts
            pixels outside and may be 0.
        """
        return self.area(height, width).run_lengths(height, width)


def mapped_box(box: Box, frame_map: FrameMap) -> Box:
    """A box from tensor pixels to frame pixels; not clipped."""
    ends: Any = frame_map.points(np.asarray(box, np.float64).reshape(2, 2))
    return (float(ends[0, 0]), float(ends[0, 1]), float(ends[1, 0]), float(ends[1, 1]))


def _pixels_between(low: float, high: float, count: int) -> tuple[int, int]:
    """The first pixel whose centre lies between the ends, and the one after the last."""
    if not low < high:
        return 0, 0
    ends = np.clip(np.ceil(np.array([low, high]) - 0.5), 0, count)
    return int(ends[0]), int(ends[1])


def _places(first: int, last: int, low: float, high: float, cells: int) -> NDArray[np.float64]:
    """Where pixels' centres lie among so many cells; 0 is the first cell's centre."""
    if not 0 < high - low < np.inf:
        return np.empty(0)
    centres = np.arange(first, last, dtype=np.float64) + 0.5
    places: NDArray[np.float64] = (centres - low) * (cells / (high - low)) - 0.5
    return places


def _between(values: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows interpolated between the rows of ``values``."""
    limited = np.clip(places, 0, len(values) - 1)
    low = limited.astype(np.intp)
    high = np.minimum(low + 1, len(values) - 1)
    share = (limited - low).astype(np.float32)[:, None]
    result: NDArray[np.float32] = values[low]
    step = values[high]
    step -= result
    step *= share
    result += step
    return result

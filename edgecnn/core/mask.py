"""Which pixels of a frame an object covers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.imaging import FrameMap

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mask:
    """A small map over a part of the frame; pixels where it is above 0 belong to the object.

    Attributes:
        values: float32 (rows, cols), interpolated between its cells' centres.
        covers: x1, y1, x2, y2 in frame pixels: what the map lies over; may reach beyond the frame.
        inside: x1, y1, x2, y2 in frame pixels: nothing outside belongs to the object.
    """

    values: NDArray[np.float32]
    covers: Box
    inside: Box

    def on(self, frame_map: FrameMap) -> Mask:
        """The same mask, from tensor pixels to frame pixels."""
        return replace(
            self,
            covers=_mapped(self.covers, frame_map),
            inside=_mapped(self.inside, frame_map),
        )


def _mapped(box: Box, frame_map: FrameMap) -> Box:
    ends: Any = frame_map.points(np.asarray(box, np.float64).reshape(2, 2))
    return (float(ends[0, 0]), float(ends[0, 1]), float(ends[1, 0]), float(ends[1, 1]))

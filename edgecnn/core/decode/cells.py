"""Where the candidates of a dense detector lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import GridLevel

Float = NDArray[np.float32]


@dataclass(frozen=True)
class CellLayout:
    """Where each candidate of a dense detector lies; read-only arrays.

    Attributes:
        centre: float32 (n, 2) x, y in tensor pixels.
        anchor: float32 (n, 2) width, height; 0 for levels without anchors.
        stride: float32 (n,); 0 for anchors that lie on no cells.
    """

    centre: Float
    anchor: Float
    stride: Float

    def at(self, chosen: NDArray[np.intp]) -> CellLayout:
        """Where some of the candidates lie."""
        return CellLayout(self.centre[chosen], self.anchor[chosen], self.stride[chosen])


@lru_cache(maxsize=8)
def cell_layout(levels: tuple[GridLevel, ...]) -> CellLayout:
    """The candidates of all levels, in the order of the spec; made once, not per frame."""
    parts = zip(*(_centres(level) for level in levels), strict=True)
    arrays = [np.concatenate(part) for part in parts]
    for array in arrays:
        array.setflags(write=False)
    return CellLayout(*arrays)


def anchor_layout(anchors: Float) -> CellLayout:
    """Candidates on anchors (n, 4): centre x, y, width, height in tensor pixels."""
    return CellLayout(anchors[:, :2], anchors[:, 2:], np.zeros(len(anchors), np.float32))


def _centres(level: GridLevel) -> tuple[Float, Float, Float]:
    """Centre x, y, anchor width, height, and stride of each candidate."""
    per_cell, count = max(1, len(level.anchors)), level.rows * level.cols
    rows, cols = np.divmod(np.arange(count), level.cols)
    places = np.stack([cols, rows], axis=1).astype(np.float32) + np.float32(level.offset)
    cells = (places * level.stride).astype(np.float32)
    anchors = np.asarray(level.anchors or ((0.0, 0.0),), np.float32)
    if level.anchors_first:
        centre, anchor = np.tile(cells, (per_cell, 1)), np.repeat(anchors, count, axis=0)
    else:
        centre, anchor = np.repeat(cells, per_cell, axis=0), np.tile(anchors, (count, 1))
    return centre, anchor, np.full(len(centre), level.stride, np.float32)

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
    """The candidates of all levels: cell-major, then anchor; made once, not per frame."""
    parts = zip(*(_centres(level) for level in levels), strict=True)
    arrays = [np.concatenate(part) for part in parts]
    for array in arrays:
        array.setflags(write=False)
    return CellLayout(*arrays)


def anchor_layout(anchors: Float) -> CellLayout:
    """Candidates on anchors (n, 4): centre x, y, width, height in tensor pixels."""
    return CellLayout(anchors[:, :2], anchors[:, 2:], np.zeros(len(anchors), np.float32))


def _centres(level: GridLevel) -> tuple[Float, Float, Float]:
    """Centre x, y, anchor width, height, and stride of each candidate; cell-major."""
    per_cell = max(1, len(level.anchors))
    rows, cols = np.divmod(np.arange(level.rows * level.cols), level.cols)
    cells = (np.stack([cols, rows], axis=1).astype(np.float32) + np.float32(0.5)) * level.stride
    centre = np.repeat(cells, per_cell, axis=0).astype(np.float32)
    anchors = np.asarray(level.anchors or ((0.0, 0.0),), np.float32)
    anchor = np.tile(anchors, (level.rows * level.cols, 1))
    return centre, anchor, np.full(len(centre), level.stride, np.float32)

"""Ground truth boxes → what each cell of a centroid grid should say.

As in CenterNet (Zhou et al. 2019): the cell with a box's centre is asked for, cells around it count
the less as background the nearer they are, and cells farther off are background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import cell_layout
from edgecnn.core.postprocess import CentroidSpec

Float = NDArray[np.float32]
# The bump's standard deviation as a part of the box's sides, and its least in cells.
_SPREAD, _LEAST_SPREAD = 1 / 6, 0.5


@dataclass(frozen=True)
class CentroidAssigner:
    """Boxes of an image → targets.

    Attributes:
        spec: of the model.
        weights: of each class, for classes with few boxes.
    """

    spec: CentroidSpec
    weights: tuple[float, ...] = ()

    def __call__(
        self, boxes: Float, classes: NDArray[np.int64], ignored: NDArray[np.bool_] | None = None
    ) -> Float:
        """Targets of one image.

        Args:
            boxes: (n, 4) x1, y1, x2, y2 in input pixels.
            classes: (n,).
            ignored: (n,) boxes that are neither asked for nor background.

        Returns:
            float32 (cells, labels + 1): 1 in the class of a box whose centre is in the cell, less
            around it, and the cell's weight: 0 where it is not judged.
        """
        level, labels = self.spec.level, len(self.spec.labels)
        centres = cell_layout((level,)).centre
        out = np.zeros((len(centres), labels + 1), np.float32)
        out[:, -1] = 1.0
        hidden = np.zeros(len(boxes), bool) if ignored is None else ignored
        for box in boxes[hidden]:
            out[((centres > box[:2]) & (centres < box[2:])).all(axis=1), -1] = 0.0
        weights = self.weights or (1.0,) * labels
        for box, label in zip(boxes[~hidden], classes[~hidden], strict=True):
            middle, sides = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
            spread = np.maximum(sides * _SPREAD, _LEAST_SPREAD * level.stride)
            bump = np.exp(-(((centres - middle) / spread) ** 2).sum(axis=1) / 2)
            # Never 1 by chance: that is for the cell with the centre alone.
            out[:, label] = np.maximum(out[:, label], np.minimum(bump, 0.95))
            col, row = (middle // level.stride).astype(int)
            cell = min(max(row, 0), level.rows - 1) * level.cols + min(max(col, 0), level.cols - 1)
            out[cell, label], out[cell, -1] = 1.0, weights[label]
        return out

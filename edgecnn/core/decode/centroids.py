"""Points from a grid of class scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.joined_cells import joined_cells
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.detections import Centroids
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import CentroidSpec
from edgecnn.core.runtime import TensorInfo


def decode_centroids(spec: CentroidSpec, outputs: Outputs, frame_map: FrameMap | None) -> Centroids:
    """The result of one frame; see :func:`centroids`."""
    return centroids(spec, *outputs.raw(spec.scores), frame_map)


def centroids(
    spec: CentroidSpec, raw: NDArray[Any], info: TensorInfo, frame_map: FrameMap | None
) -> Centroids:
    """One point per object from the raw scores (1, rows, cols, classes).

    A cell's class is the one with the highest score, the background apart; cells that reach their
    threshold and touch, corners included, are one object of that class. Its score is the highest
    of its cells', its point their centres' mean, weighted by score.

    Raises:
        BundleError: another number of scores than cells times classes.
    """
    level, first = spec.level, int(spec.background)
    columns = len(spec.labels) + first
    if raw.size != level.rows * level.cols * columns:
        misfit(spec.scores, raw, f"{level.rows} × {level.cols} cells × {columns} classes")
    raw = raw.reshape(-1, columns)
    scores = activate(np.ascontiguousarray(info.dequantize(raw)), spec.activation)[:, first:]
    label = raw[:, first:].argmax(axis=1)  # quantization and activation keep the order
    best = scores[np.arange(len(scores)), label]
    limits = np.asarray(spec.thresholds or (spec.score_threshold,) * len(spec.labels), np.float32)
    passed = np.where(best >= limits[label], label, -1).reshape(level.rows, level.cols)
    found = joined_cells(passed, best.reshape(passed.shape), level.stride, spec.max_detections)
    if frame_map is None or not len(found):
        return found
    cells, ends = frame_map.to_frame(found.cells), np.tile(found.points, 2)
    inside = (cells[:, 2] > cells[:, 0]) & (cells[:, 3] > cells[:, 1])
    points = frame_map.to_frame(ends)[:, :2]
    return Centroids(points[inside], cells[inside], found.scores[inside], found.classes[inside])

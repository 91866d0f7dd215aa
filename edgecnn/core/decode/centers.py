"""Boxes from heat maps that peak at objects' centres (CenterNet, Zhou et al. 2019).

The rule:

1. a value of a heat map is a peak if it reaches its class's threshold and no value of its class in
   the window around it is higher; of more than ``max_detections`` peaks the best stay (of equal
   ones the first), with an ``nms_iou`` below 1 the best ``MOST_COMPARED``;
2. the cell's size and offset make a box in tensor pixels; where one of them is no finite number,
   the peak goes;
3. with an ``nms_iou`` below 1 greedy NMS per class;
4. boxes are mapped to the frame and clipped; those with nothing left inside it go. Key points
   that a cell carries go along.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate, lowest_real
from edgecnn.core.decode.columns import read_columns
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.decode.peaks import peaks
from edgecnn.core.decode.suppression import nms
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import CenterSpec
from edgecnn.core.runtime import TensorInfo

#: So many of the best peaks take part in NMS.
MOST_COMPARED = 4096
# exp() of more than this is no box any more; keeps float32 finite.
_MAX_LOG_SIZE = 10.0
Float = NDArray[np.float32]


def decode_centers(spec: CenterSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """The boxes of one frame, best first.

    Raises:
        BundleError: the sizes are not those of the spec's grid and classes.
    """
    rows, cols, classes = spec.level.rows, spec.level.cols, len(spec.labels)
    raw, info = outputs.raw(spec.scores)
    if raw.size != rows * cols * classes:
        misfit(spec.scores, raw, f"{rows} × {cols} cells × {classes} classes")
    maps = raw.reshape(rows, cols, classes)
    if spec.transposed:
        maps = np.ascontiguousarray(raw.reshape(classes, rows, cols).transpose(1, 2, 0))
    at = peaks(maps, _reached(spec, maps, info), spec.window)
    cell, label = np.divmod(at, classes)
    scores = np.minimum(activate(info.dequantize(maps.ravel()[at]), spec.activation), 1)
    limits = np.asarray(spec.thresholds or (spec.score_threshold,) * classes, np.float32)
    good = (scores >= limits[label]).nonzero()[0]
    most = spec.max_detections if spec.nms_iou == 1 else MOST_COMPARED
    if len(good) > most:
        good = good[scores[good] >= np.partition(scores[good], -most)[-most]]
    good = good[np.argsort(-scores[good], kind="stable")[:most]]
    boxes = _boxes(spec, outputs, cell[good])
    finite = np.isfinite(boxes).all(axis=1)
    boxes, good = boxes[finite], good[finite]
    kept = np.arange(len(good))
    if spec.nms_iou < 1:
        kept = nms(boxes, scores[good], label[good], spec.nms_iou, spec.max_detections)
    boxes, good = boxes[kept], good[kept]
    points = _points(spec, outputs, cell[good], boxes, scores[good])
    return to_frame(
        Detections(boxes, scores[good], label[good].astype(np.int64), points), frame_map
    )


def _reached(spec: CenterSpec, maps: NDArray[Any], info: TensorInfo) -> NDArray[np.bool_]:
    """Which raw values could reach their threshold; slightly too many rather than too few."""
    limits = spec.thresholds or (spec.score_threshold,)
    real = np.asarray([lowest_real(value, spec.activation) for value in limits], np.float32)
    # Rounding to the type may have gone up.
    real = np.nextafter(real, np.float32(-np.inf))
    if maps.dtype.kind == "f":
        return np.isfinite(maps) if np.isneginf(real).any() else maps >= real
    if info.scale is None or not info.scale > 0:
        return info.dequantize(maps) >= real
    edges = np.iinfo(maps.dtype)
    codes = np.floor(real.astype(np.float64) / info.scale + (info.zero_point or 0))
    return maps >= np.clip(codes, edges.min, edges.max).astype(maps.dtype)


def _points(
    spec: CenterSpec, outputs: Outputs, cells: NDArray[np.intp], boxes: Float, scores: Float
) -> Float | None:
    """Key points (n, points, 3) of objects in tensor pixels; None: the spec has none.

    One with a coordinate that is no finite number lies at (0, 0) and scores 0.
    """
    marks = spec.landmarks
    if marks is None:
        return None
    count = spec.level.rows * spec.level.cols
    points = len(marks.skeleton.names)
    columns = read_columns(outputs, marks.output, count, 0, 2 * points, transposed=spec.transposed)
    real = columns.real(cells)
    shape = (len(cells), 2, points) if marks.planar else (len(cells), points, 2)
    places = real.reshape(shape).transpose(0, 2, 1) if marks.planar else real.reshape(shape)
    if marks.axes == "yx":
        places = places[..., ::-1]
    if marks.coding == "box":
        places = places * (boxes[:, 2:] - boxes[:, :2])[:, None] + boxes[:, None, :2]
    else:
        row, col = np.divmod(cells, spec.level.cols)
        corner = np.stack([col, row], axis=1).astype(np.float32)
        places = (places + corner[:, None]) * np.float32(spec.level.stride)
    sure = np.broadcast_to(scores[:, None, None], (*places.shape[:2], 1))
    result = np.concatenate([places, sure], axis=2).astype(np.float32)
    result[~np.isfinite(result).all(axis=2)] = 0
    return result


def _boxes(spec: CenterSpec, outputs: Outputs, cells: NDArray[np.intp]) -> Float:
    """Boxes (n, 4) of cells in tensor pixels."""
    sides = 4 if spec.coding == "ltrb" else 2
    count = spec.level.rows * spec.level.cols
    order = [0, 1] if spec.axes == "xy" else [1, 0]
    columns = read_columns(outputs, spec.sizes, count, 0, sides, transposed=spec.transposed)
    sizes = columns.real(cells)
    row, col = np.divmod(cells, spec.level.cols)
    centre = np.stack([col, row], axis=1).astype(np.float32)
    if spec.offsets:
        moved = read_columns(outputs, spec.offsets, count, 0, 2, transposed=spec.transposed)
        centre += moved.real(cells)[:, order]
    if spec.origin == "centre" or (spec.origin == "auto" and not spec.offsets):
        centre += np.float32(0.5)
    centre *= np.float32(spec.level.stride)
    if spec.coding == "ltrb":
        sizes = sizes * np.float32(spec.size_unit)
        if spec.axes == "yx":
            sizes = sizes[:, [1, 0, 3, 2]]
        return np.concatenate([centre - sizes[:, :2], centre + sizes[:, 2:]], axis=1)
    if spec.coding == "log-size":
        sizes = np.exp(np.minimum(sizes, np.float32(_MAX_LOG_SIZE)))
    half = np.maximum(sizes[:, order], 0) * np.float32(spec.size_unit / 2)
    return np.concatenate([centre - half, centre + half], axis=1)

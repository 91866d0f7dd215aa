"""Outputs to results: what :mod:`edgecnn.core.postprocess`'s spec says, done.

The rule for detectors, which the C twin follows:

1. the candidate's class is the one with the highest score (the first of equal ones); with
   objectness its score is both probabilities' product, each clipped to [0, 1]; candidates
   whose score is below ``score_threshold``, or below that class's of ``thresholds``, go; of more
   than ``max_candidates`` the best stay (of equal scores the first);
2. the rest are decoded to boxes in tensor pixels;
3. greedy NMS in order of score (of equal ones the first candidate first): a box goes if one of its
   class that was kept overlaps it by intersection > ``nms_iou`` · union; at ``max_detections`` it
   ends;
4. boxes are mapped to the frame and clipped; those with nothing left inside it go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.candidates import RawColumns, passing
from edgecnn.core.detections import Centroids, Classification, Detections
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.joined_cells import joined_cells
from edgecnn.core.postprocess import (
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    PostprocessSpec,
)
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.suppression import nms

_HINT = "use the postprocess spec that was made for this model"
# exp() of more than this is no box any more; keeps float32 finite.
_MAX_LOG_SIZE = 10.0
Float = NDArray[np.float32]
Decoded = Classification | Detections | Centroids


def decode(
    spec: PostprocessSpec,
    outputs: Mapping[str, NDArray[Any]],
    infos: Sequence[TensorInfo],
    frame_map: FrameMap | None,
) -> Decoded:
    """One frame's result.

    Args:
        spec: what the outputs mean.
        outputs: name → raw array, batch 1, as a Predictor gives them.
        infos: the model's outputs.
        frame_map: from tensor to frame pixels; None: boxes stay in tensor pixels, unclipped.

    Raises:
        BundleError: the spec does not fit the model's outputs.
    """
    by_name = {info.name: info for info in infos}
    # A float model may say infinity or no number: that finds nothing, without a word on stderr.
    with np.errstate(all="ignore"):
        if isinstance(spec, ClassifySpec):
            return classify(spec, *_output(spec.scores, outputs, by_name))
        if isinstance(spec, CentroidSpec):
            return centroids(spec, *_output(spec.scores, outputs, by_name), frame_map)
        names = {spec.scores, spec.boxes, *([spec.objectness] if spec.objectness else [])}
        return detect(spec, {name: _output(name, outputs, by_name) for name in names}, frame_map)


def classify(spec: ClassifySpec, raw: NDArray[Any], info: TensorInfo) -> Classification:
    """Class probabilities from the raw scores (1, classes).

    Raises:
        BundleError: another number of scores than labels.
    """
    if raw.size != len(spec.labels):
        _misfit(spec.scores, raw, f"{len(spec.labels)} scores, one per label")
    return Classification(activate(info.dequantize(raw).reshape(-1), spec.activation))


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
        _misfit(spec.scores, raw, f"{level.rows} × {level.cols} cells × {columns} classes")
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


def detect(
    spec: DetectSpec,
    outputs: Mapping[str, tuple[NDArray[Any], TensorInfo]],
    frame_map: FrameMap | None,
) -> Detections:
    """Boxes from the raw outputs that the spec names, each with its info.

    Raises:
        BundleError: the sizes are not those of the spec's candidates and labels.
    """
    scores = _columns(spec, outputs, spec.scores, spec.score_column, len(spec.labels))
    codes = _columns(spec, outputs, spec.boxes, spec.box_column, 4)
    objectness = None
    if spec.objectness:
        objectness = _columns(spec, outputs, spec.objectness, spec.objectness_column, 1)
    chosen, best, label = passing(
        spec.activation,
        spec.thresholds or (spec.score_threshold,),
        spec.max_candidates,
        scores,
        objectness,
    )
    if not len(chosen):
        return Detections(np.empty((0, 4), np.float32), best, label)
    corners = _corners(spec, codes.info.dequantize(codes.values[chosen]), chosen)
    kept = nms(corners, best, label, spec.nms_iou, spec.max_detections)
    corners, best, label = corners[kept], best[kept], label[kept]
    if frame_map is None:
        return Detections(corners, best, label)
    mapped = frame_map.to_frame(corners)
    inside = (mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])
    return Detections(mapped[inside], best[inside], label[inside])


def _columns(
    spec: DetectSpec,
    outputs: Mapping[str, tuple[NDArray[Any], TensorInfo]],
    name: str,
    start: int,
    width: int,
) -> RawColumns:
    """``width`` values of each candidate, from column ``start`` of an output on."""
    raw, info = outputs[name]
    count = spec.candidates
    columns = raw.size // count
    # An output of its own holds nothing else; one that is shared may hold more.
    shared = start or [spec.scores, spec.boxes, spec.objectness].count(name) > 1
    if raw.size != columns * count or columns < start + width or (columns > width and not shared):
        wanted = f"{start + width} values or more" if shared else str(width)
        what = " classes" if name == spec.scores and not shared else ""
        _misfit(name, raw, f"{count} candidates × {wanted}{what}")
    if spec.transposed:
        return RawColumns(raw.reshape(columns, count)[start : start + width].T, info)
    return RawColumns(raw.reshape(count, columns)[:, start : start + width], info)


def _corners(spec: DetectSpec, codes: Float, chosen: NDArray[np.intp]) -> Float:
    """Box codes (n, 4) of the chosen candidates → x1, y1, x2, y2 in tensor pixels."""
    if spec.coding == "xyxy":
        return codes * np.tile(np.asarray(spec.box_units, np.float32), 2)
    if spec.coding == "cxcywh":
        scaled = codes * np.tile(np.asarray(spec.box_units, np.float32), 2)
        middle, half = scaled[:, :2], np.maximum(scaled[:, 2:], 0) / 2
        return np.concatenate([middle - half, middle + half], axis=1)
    cells = cell_layout(spec.levels)
    centre = cells.centre[chosen]
    if spec.coding == "ltrb":
        unit = np.float32(spec.box_scale) * cells.stride[chosen]
        reach = np.maximum(codes, 0) * unit[:, None]
        low, high = centre - reach[:, :2], centre + reach[:, 2:]
    else:
        anchor = cells.anchor[chosen]
        variance = np.asarray(spec.variances, np.float32)
        shift = (codes[:, :2] * variance[:2])[:, ::-1] * anchor  # stored dy, dx
        grow = np.exp(np.minimum(codes[:, 2:] * variance[2:], _MAX_LOG_SIZE))[:, ::-1]
        middle, half = centre + shift, anchor * grow / 2
        low, high = middle - half, middle + half
    return np.concatenate([low, high], axis=1).astype(np.float32)


@dataclass(frozen=True)
class CellLayout:
    """Where each candidate of a dense detector lies; read-only arrays.

    Attributes:
        centre: float32 (n, 2) x, y in tensor pixels.
        anchor: float32 (n, 2) width, height; 0 for levels without anchors.
        stride: float32 (n,).
    """

    centre: Float
    anchor: Float
    stride: Float


@lru_cache(maxsize=8)
def cell_layout(levels: tuple[GridLevel, ...]) -> CellLayout:
    """The candidates of all levels: cell-major, then anchor; made once, not per frame."""
    parts = zip(*(_centres(level) for level in levels), strict=True)
    arrays = [np.concatenate(part) for part in parts]
    for array in arrays:
        array.setflags(write=False)
    return CellLayout(*arrays)


def _centres(level: GridLevel) -> tuple[Float, Float, Float]:
    """Centre x, y, anchor width, height, and stride of each candidate; cell-major."""
    per_cell = max(1, len(level.anchors))
    rows, cols = np.divmod(np.arange(level.rows * level.cols), level.cols)
    cells = (np.stack([cols, rows], axis=1).astype(np.float32) + np.float32(0.5)) * level.stride
    centre = np.repeat(cells, per_cell, axis=0).astype(np.float32)
    anchors = np.asarray(level.anchors or ((0.0, 0.0),), np.float32)
    anchor = np.tile(anchors, (level.rows * level.cols, 1))
    return centre, anchor, np.full(len(centre), level.stride, np.float32)


def _output(
    name: str, outputs: Mapping[str, NDArray[Any]], infos: Mapping[str, TensorInfo]
) -> tuple[NDArray[Any], TensorInfo]:
    if name not in outputs or name not in infos:
        raise BundleError(
            f"the postprocess spec names the output '{name}', the model has {sorted(infos)}",
            hint=_HINT,
        )
    return np.asarray(outputs[name]), infos[name]


def _misfit(name: str, raw: NDArray[Any], expected: str) -> None:
    raise BundleError(
        f"the output '{name}' is {list(raw.shape)}, the postprocess spec expects {expected}",
        hint=_HINT,
    )

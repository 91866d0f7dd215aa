"""Boxes that the model itself has chosen, read from its list.

The rule, which the C twin follows:

1. of the rows the first ``count`` are read (rounded, not below 0 and not beyond the rows there are;
   no number: none), without such an output all of them;
2. rows go whose score is no finite number or below ``score_threshold``, or below its class's of
   ``thresholds``; whose class, rounded, less ``class_offset``, is none of the labels; whose box has
   a number that is not finite;
3. the rest are reported in order of score (of equal ones the first row first), at most
   ``max_detections``; with an ``nms_iou`` below 1 after greedy NMS per class among the best
   ``MOST_COMPARED``;
4. their key points and masks are decoded as :mod:`edgecnn.core.decode.carried` says;
5. all is mapped to the frame, boxes are clipped; those with nothing left inside it go.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.carried import key_points, masks
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.decode.suppression import nms
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import ListedSpec

#: So many of the best rows take part in NMS.
MOST_COMPARED = 4096
Float = NDArray[np.float32]


def decode_listed(spec: ListedSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """The result of one frame.

    Raises:
        BundleError: the sizes are not those of the spec's rows and columns.
    """
    boxes = _rows(spec, outputs, spec.boxes, spec.box_column, 4)
    real = _rows(spec, outputs, spec.scores, spec.score_column, 1)[:, 0]
    labels = _labels(spec, outputs, len(real))
    if len(boxes) != len(real) or len(labels) != len(real):
        misfit(spec.boxes, outputs.raw(spec.boxes)[0], f"a box for each of {len(real)} scores")
    filled = _filled(spec, outputs, len(real))
    scores = np.minimum(activate(real, spec.activation), np.float32(1))
    limits = np.asarray(spec.thresholds or (spec.score_threshold,) * len(spec.labels), np.float32)
    good = (labels >= 0) & (labels < len(spec.labels)) & np.isfinite(real)
    good &= np.isfinite(boxes).all(axis=1) & (np.arange(len(real)) < filled)
    good[good] = scores[good] >= limits[labels[good]]
    chosen = good.nonzero()[0]
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    corners = _corners(spec, boxes[chosen])
    kept = np.arange(len(chosen))[: spec.max_detections]
    if spec.nms_iou < 1:
        best = chosen[:MOST_COMPARED]
        kept = nms(
            corners[: len(best)], scores[best], labels[best], spec.nms_iou, spec.max_detections
        )
    rows = chosen[kept]
    found = Detections(corners[kept], scores[rows], labels[rows])
    return to_frame(_with_carried(spec, outputs, found, rows, len(real)), frame_map)


def _with_carried(
    spec: ListedSpec, outputs: Outputs, found: Detections, rows: NDArray[np.intp], count: int
) -> Detections:
    """The detections with their key points and masks; ``rows`` are their places in the list."""
    points, pixels = None, None
    if spec.keypoints is not None:
        part = spec.keypoints
        values = _rows(spec, outputs, part.output, part.column, part.width)
        if len(values) != count:
            misfit(part.output, outputs.raw(part.output)[0], f"key points of {count} boxes")
        points = key_points(part, values[rows], found.scores, units=spec.box_units)
    if spec.masks is not None:
        mask = spec.masks
        values = _rows(spec, outputs, mask.output, mask.column, mask.count)
        if len(values) != count:
            misfit(mask.output, outputs.raw(mask.output)[0], f"coefficients of {count} boxes")
        pixels = masks(mask, outputs, values[rows], found.boxes)
    return replace(found, keypoints=points, masks=pixels)


def _rows(spec: ListedSpec, outputs: Outputs, name: str, start: int, width: int) -> Float:
    """Real values (rows, width) from column ``start`` of an output on.

    An output of its own holds nothing else; one that is shared has its columns along the last axis.
    """
    raw, info = outputs.raw(name)
    names = [spec.scores, spec.boxes, spec.classes]
    names += [part.output for part in (spec.keypoints, spec.masks) if part is not None]
    shared = start or names.count(name) > 1
    columns = raw.shape[-1] if shared and raw.ndim > 1 else width
    rows = raw.size // columns if columns else 0
    if rows * columns != raw.size or rows > spec.rows or columns < start + width:
        wanted = f"{start + width} values or more" if shared else str(width)
        misfit(name, raw, f"at most {spec.rows} rows × {wanted}")
    return info.dequantize(raw.reshape(rows, columns)[:, start : start + width])


def _labels(spec: ListedSpec, outputs: Outputs, rows: int) -> NDArray[np.int64]:
    """The label of each row; −1: none."""
    if not spec.classes:
        return np.zeros(rows, np.int64)
    real = _rows(spec, outputs, spec.classes, spec.class_column, 1)[:, 0]
    number = np.rint(real) - spec.class_offset
    known = (number >= 0) & (number < len(spec.labels))  # no number is in no range
    return np.where(known, number, -1).astype(np.int64)


def _filled(spec: ListedSpec, outputs: Outputs, rows: int) -> int:
    """How many rows are filled."""
    if not spec.count:
        return rows
    count = float(outputs.real(spec.count, (1,))[0])
    return int(np.clip(np.rint(np.nan_to_num(count, posinf=rows)), 0, rows))


def _corners(spec: ListedSpec, boxes: Float) -> Float:
    """Boxes (n, 4) in the spec's order and units → x1, y1, x2, y2 in tensor pixels."""
    if spec.box_order == "yxyx":
        boxes = boxes[:, [1, 0, 3, 2]]
    scaled = boxes * np.tile(np.asarray(spec.box_units, np.float32), 2)
    if spec.box_order == "cxcywh":
        middle, half = scaled[:, :2], np.maximum(scaled[:, 2:], 0) / 2
        scaled = np.concatenate([middle - half, middle + half], axis=1)
    return scaled.astype(np.float32)

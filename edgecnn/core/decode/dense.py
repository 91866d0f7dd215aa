"""Boxes from the candidates of a dense detector.

The rule, which the C twin follows:

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

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.candidates import passing
from edgecnn.core.decode.cells import cell_layout
from edgecnn.core.decode.columns import RawColumns, read_columns
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs
from edgecnn.core.decode.suppression import nms
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import DetectSpec

# exp() of more than this is no box any more; keeps float32 finite.
_MAX_LOG_SIZE = 10.0
Float = NDArray[np.float32]


def detect(spec: DetectSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """Boxes from the outputs that the spec names.

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
    return to_frame(Detections(corners[kept], best[kept], label[kept]), frame_map)


def _columns(spec: DetectSpec, outputs: Outputs, name: str, start: int, width: int) -> RawColumns:
    """``width`` values of each candidate, from column ``start`` of an output on."""
    shared = [spec.scores, spec.boxes, spec.objectness].count(name) > 1
    return read_columns(
        outputs, name, spec.candidates, start, width, shared=shared, transposed=spec.transposed,
        what="classes" if name == spec.scores and not shared else "",
    )  # fmt: skip


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

"""Boxes from the candidates of a dense detector.

The rule, which the C twin follows; all in float32:

1. candidates are numbered level by level, each cell-major, then anchor (``anchors_first``: the
   other way round); what a level names of its own is read from that output, with that output's
   quantization;
2. real values of scores and objectness are divided by ``score_unit``; the candidate's class is the
   one with the highest score (the first of equal ones), the ``background`` column apart; its score
   is its sigmoid, or its softmax over all columns; with objectness (a sigmoid too, where the scores
   take a softmax) it is both probabilities' product, each clipped to [0, 1]; candidates whose score
   is below ``score_threshold``, or below that class's of ``thresholds``, go, and so do those whose
   best value or objectness is not finite; of more than ``max_candidates`` the best stay (of equal
   scores the first);
3. the rest are decoded to boxes in tensor pixels (:mod:`edgecnn.core.decode.boxes`), and so are
   their key points (:mod:`edgecnn.core.decode.carried`); those with a code or a side that is not
   finite go;
4. greedy NMS in order of score (of equal ones the first candidate first): a box goes if one of its
   class that was kept overlaps it by intersection > ``nms_iou`` · union; at ``max_detections`` it
   ends; an ``nms_iou`` of 1 compares nothing;
5. with ``weighted`` suppression the same boxes are kept, and each that goes belongs to the first
   kept one that it overlaps so: a kept box becomes the sum of score · box over itself and those
   that belong to it, in order of score, divided by the sum of the scores; so does the place of
   each of its key points; where that sum is 0 they stay. All scores are those of the kept one
   (MediaPipe's ``NonMaxSuppressionCalculator``, algorithm ``WEIGHTED``);
6. boxes are mapped to the frame and clipped; those with nothing left inside it go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.boxes import corners
from edgecnn.core.decode.candidates import passing
from edgecnn.core.decode.carried import key_points, masks
from edgecnn.core.decode.cells import CellLayout, anchor_layout, cell_layout
from edgecnn.core.decode.columns import Columns, Float, read_columns
from edgecnn.core.decode.framing import to_frame
from edgecnn.core.decode.outputs import Outputs
from edgecnn.core.decode.suppression import nms, weighted_means
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import DetectSpec


def detect(spec: DetectSpec, outputs: Outputs, frame_map: FrameMap | None) -> Detections:
    """Boxes from the outputs that the spec names.

    Raises:
        BundleError: the sizes are not those of the spec's candidates and labels.
    """
    parts = _all_columns(spec, outputs)
    chosen, best, label = passing(
        spec.activation,
        spec.thresholds or (spec.score_threshold,),
        spec.max_candidates,
        parts["scores"],
        parts.get("objectness"),
        background=spec.background,
    )
    codes = parts["boxes"].real(chosen)
    boxes = corners(spec, codes, _places(spec, chosen))
    if not (np.isfinite(codes).all() and np.isfinite(boxes).all()):
        finite = np.isfinite(codes).all(axis=1) & np.isfinite(boxes).all(axis=1)
        chosen, best, label, boxes = chosen[finite], best[finite], label[finite], boxes[finite]
    kept = nms(boxes, best, label, spec.nms_iou, spec.max_detections)
    found = Detections(boxes[kept], best[kept], label[kept])
    if spec.suppression == "weighted":
        points = _points(spec, parts, chosen, best)
        found = _weighted(spec, Detections(boxes, best, label, points), kept)
    elif spec.keypoints is not None:
        points = _points(spec, parts, chosen[kept], found.scores)
        found = replace(found, keypoints=points)
    if spec.masks is not None:
        factors = parts["masks"].real(chosen[kept])
        found = replace(found, masks=masks(spec.masks, outputs, factors, found.boxes))
    return to_frame(found, frame_map)


def _all_columns(spec: DetectSpec, outputs: Outputs) -> dict[str, Columns]:
    """What the outputs say, by the field that names them; checked, nothing dequantized."""
    wanted = {
        "scores": (spec.scores, spec.score_column, spec.score_columns),
        "boxes": (spec.boxes, spec.box_column, spec.box_columns),
    }
    if spec.has_objectness:
        wanted["objectness"] = (spec.objectness, spec.objectness_column, 1)
    if spec.keypoints is not None:
        points = spec.keypoints
        wanted["keypoints"] = (points.output, points.column, points.width)
    if spec.masks is not None:
        wanted["masks"] = (spec.masks.output, spec.masks.column, spec.masks.count)
    named = {
        key: [(name, spec.candidates)] if name
        else [(getattr(level, key), level.candidates) for level in spec.levels]
        for key, (name, _, _) in wanted.items()
    }  # fmt: skip
    uses = [name for parts in named.values() for name, _ in parts]
    alone = len(set(uses)) == len(uses)
    found = {}
    for key, parts in named.items():
        _, start, width = wanted[key]
        read = [
            read_columns(
                outputs, name, count, start, width, transposed=spec.transposed,
                shared=not alone and uses.count(name) > 1,
                what="classes" if key == "scores" else "",
            )
            for name, count in parts
        ]  # fmt: skip
        if spec.score_unit != 1 and key in ("scores", "objectness"):
            read = [part.per(spec.score_unit) for part in read]
        found[key] = Columns(tuple(read))
    return found


def _places(spec: DetectSpec, chosen: NDArray[np.intp]) -> CellLayout | None:
    """Where some of the candidates lie; None: their boxes tell."""
    if spec.anchor_boxes:
        return anchor_layout(spec.anchors).at(chosen)
    return cell_layout(spec.levels).at(chosen) if spec.levels else None


def _points(
    spec: DetectSpec, parts: Mapping[str, Columns], chosen: NDArray[np.intp], scores: Float
) -> Float | None:
    """Key points of some of the candidates, (n, points, 3)."""
    if spec.keypoints is None:
        return None
    return key_points(
        spec.keypoints,
        parts["keypoints"].real(chosen),
        scores,
        units=spec.box_units,
        cells=_places(spec, chosen),
        variances=spec.point_variances,
    )


def _weighted(spec: DetectSpec, found: Detections, kept: NDArray[np.intp]) -> Detections:
    """Kept boxes and key points' places as means over what belongs to them."""
    values, points = found.boxes, found.keypoints
    if points is not None:
        places = points[..., :2].reshape(len(points), 2 * points.shape[1])
        values = np.concatenate([values, places], axis=1)
    means = weighted_means(values, found, kept, spec.nms_iou)
    if points is not None:
        points = points[kept]
        points[..., :2] = means[:, 4:].reshape(points[..., :2].shape)
    boxes = np.ascontiguousarray(means[:, :4])
    return Detections(boxes, found.scores[kept], found.classes[kept], points)

"""Lists of finished boxes in one tensor: YOLOv10, YOLO26, and ultralytics' exports with NMS.

``Detect.postprocess`` and ``NMSModel`` of ultralytics/ultralytics write rows of x1, y1, x2, y2,
score, class, then coefficients of a mask or key points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn.core.conventions import image_axes
from edgecnn.core.postprocess import CandidatePoints, ListedSpec, MaskCoefficients
from edgecnn.core.postprocess import to_json as spec_json
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.points import numbered
from edgecnn.recognition.yolo_columns import (
    COCO_CLASSES,
    labels_given,
    probabilities,
    refuse_rotated,
)
from edgecnn.recognition.yolo_decoded import Prototypes, apart_from_prototypes
from edgecnn.recognition.yolo_known import V8

_FEWEST, _MOST = 5, 1000  # rows
_PLAIN = 6
_MOST_CLASSES = 10_000
_UNIT = 2.0  # boxes from 0 to 1 do not reach beyond
_NAME = "a list of finished boxes (YOLOv10, YOLO26, or NMS in the export)"


@dataclass(frozen=True)
class _Seen:
    """What rows on a picture say; ``filled`` are those with a score."""

    filled: int
    order: str
    farthest: float
    last_class: int


def yolo_listed(facts: Facts) -> Recognised | Incomplete | None:
    """One output (1, rows, 6 and more), perhaps with prototypes of masks beside it."""
    parts = apart_from_prototypes(facts, 2)
    if parts is None or len(parts[0]) != 1 or min(facts.size) <= 0:
        return None
    outputs, prototypes = parts
    info = outputs[0]
    rows, width = info.shape[-2:] if len(info.shape) > 1 else (0, 0)
    extra = width - _PLAIN
    if len(info.shape) != 3 or info.shape[0] != 1 or not _FEWEST <= rows <= _MOST:
        return None
    maker = facts.metadata.ultralytics
    says = maker is not None and (maker.end2end or maker.nms)
    points = maker.keypoint_shape if maker is not None and says else None
    wanted = prototypes.count if prototypes else points[0] * points[1] if points else 0
    if says and extra == 1:
        refuse_rotated(maker)
    if extra != wanted:
        return None
    values = facts.values(info.name)
    seen = _seen(values.reshape(rows, width), info) if values is not None else None
    if seen is None and not says:
        return None
    return _answer(facts, info, seen, prototypes, points)


def _seen(values: Real, info: TensorInfo) -> _Seen | None:
    """None: the rows are no such list."""
    values = values[np.isfinite(values).all(axis=1)]
    scores, classes = values[:, 4], values[:, 5]
    step = info.scale or 0.0
    if len(values) < _FEWEST or not probabilities(scores, info.scale):
        return None
    falls = (np.diff(scores) <= 1e-6 + step).all()
    whole = (np.abs(classes - np.rint(classes)) <= 1e-3 + step).all()
    if not falls or not whole or classes.min() < -0.5 or classes.max() > _MOST_CLASSES:
        return None
    good = scores > 1e-6 + step
    boxes = values[good, :4]
    if not len(boxes):
        return _Seen(0, "xyxy", 0.0, 0)
    corners = bool((boxes[:, 2:] >= boxes[:, :2] - 1e-3 - step).all())
    return _Seen(
        len(boxes),
        "xyxy" if corners else "cxcywh",
        float(np.abs(boxes).max()),
        int(np.rint(classes[good].max())),
    )


def _answer(
    facts: Facts,
    info: TensorInfo,
    seen: _Seen | None,
    prototypes: Prototypes | None,
    points: tuple[int, int] | None,
) -> Recognised | Incomplete:
    rows = info.shape[1]
    classes = max(COCO_CLASSES, seen.last_class + 1 if seen else 0)
    given = labels_given(facts)
    labels = given if len(given) > (seen.last_class if seen else 0) else ()
    units, told = _units(facts, seen)
    spec = ListedSpec(
        scores=info.name,
        boxes=info.name,
        labels=labels or class_labels(facts, classes),
        rows=rows,
        classes=info.name,
        score_column=4,
        class_column=5,
        box_order="cxcywh" if seen is not None and seen.order == "cxcywh" else "xyxy",
        box_units=units or (1.0, 1.0),
        score_threshold=V8.score,
        max_detections=min(rows, V8.most),
        keypoints=_points(info, points),
        masks=_masks(facts, info, prototypes),
    )
    evidence = (
        f"the output '{info.name}' {list(info.shape)}: {rows} rows of x1, y1, x2, y2, score and"
        f" class{_beside(prototypes, points)}",
        *_rows_text(seen),
        *told,
    )
    if units is None:
        draft = {key: v for key, v in spec_json(spec).items() if key not in ("schema", "box_units")}
        what = "[1, 1] for boxes in input pixels, [width, height] for boxes from 0 to 1"
        return Incomplete(_NAME, {"box_units": what}, draft, evidence, V8.habit)
    sure = facts.metadata.ultralytics is not None
    return Recognised(_NAME, spec, evidence, V8.habit, sure=sure)


def _units(facts: Facts, seen: _Seen | None) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    width, height = facts.size
    normalised = (float(width), float(height))
    if seen is not None and seen.filled:
        if seen.farthest <= _UNIT:
            return normalised, (f"they reach {seen.farthest:.2f}: boxes are from 0 to 1",)
        return (1.0, 1.0), (f"they reach {seen.farthest:.0f}: boxes are in pixels",)
    if facts.metadata.ultralytics is not None:
        axes = image_axes(facts.image.shape) if facts.image is not None else None
        if axes is not None and axes[0] == "nchw":
            told = "ultralytics' exports through litert-torch (channels first) give pixels"
            return (1.0, 1.0), (told,)
        told = "ultralytics' exports through onnx2tf (channels last) give boxes from 0 to 1"
        return normalised, (told,)
    return None, ()


def _points(info: TensorInfo, points: tuple[int, int] | None) -> CandidatePoints | None:
    if points is None:
        return None
    return CandidatePoints(numbered(points[0]), info.name, _PLAIN, points[1])


def _masks(
    facts: Facts, info: TensorInfo, prototypes: Prototypes | None
) -> MaskCoefficients | None:
    return None if prototypes is None else prototypes.masks(facts, info, _PLAIN)


def _beside(prototypes: Prototypes | None, points: tuple[int, int] | None) -> str:
    if prototypes is not None:
        return f", then {prototypes.count} coefficients of a mask"
    return f", then {points[0]} key points of {points[1]} numbers each" if points else ""


def _rows_text(seen: _Seen | None) -> tuple[str, ...]:
    if seen is None:
        return ()
    return (
        f"on a picture scores fall from row to row and classes are whole numbers; {seen.filled}"
        " rows have a score",
    )

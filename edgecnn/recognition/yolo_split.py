"""Decoded boxes and scores as outputs of their own.

hunglc007/tensorflow-yolov4-tflite (centres and sizes in pixels, scores times objectness), YOLO-NAS,
DAMO-YOLO, PP-YOLOE and NVIDIA TAO's YOLOv4 (corners), exports of YOLOv8 that were split for int8,
and Qualcomm's AI Hub Models (corners in pixels, the best class's score, its number;
``yolo_detect_postprocess``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgecnn.core.postprocess import DetectSpec, ListedSpec, MaskCoefficients
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.yolo_columns import COCO_CLASSES, labels_given, probabilities
from edgecnn.recognition.yolo_decoded import CandidateTable, apart_from_prototypes, tables_of
from edgecnn.recognition.yolo_grids import CellFollowing, Grids, follow_cells
from edgecnn.recognition.yolo_known import AI_HUB, V4, V8, YoloFamily

_SLACK = 1e-3


@dataclass(frozen=True)
class _Boxes:
    """The output with decoded boxes, and how they are written."""

    table: CandidateTable
    coding: Literal["cxcywh", "xyxy"]
    follow: CellFollowing


def yolo_split(facts: Facts) -> Recognised | Incomplete | None:
    """Boxes whose centres follow their cells, and scores of as many candidates."""
    parts = apart_from_prototypes(facts, 5)
    if parts is None or not 2 <= len(parts[0]) <= 4:
        return None
    outputs, prototypes = parts
    boxes = _boxes(facts, outputs)
    if boxes is None:
        return None
    others = [info for info in outputs if info.name != boxes.table.info.name]
    count = boxes.table.grids.candidates
    if len(others) == 1 and prototypes is None:
        return _dense(facts, boxes, others[0])
    flat = [info for info in others if [size for size in info.shape if size != 1] == [count]]
    if len(flat) == 1 and len(others) == 2 and prototypes is None:
        scores = next(info for info in others if info is not flat[0])
        return _dense(facts, boxes, scores, flat[0])
    if len(flat) != 2:
        return None
    rest = [info for info in others if info not in flat]
    if not rest:
        return _best_class(facts, boxes, flat)
    if prototypes is None or rest[0].shape[-1] != prototypes.count:
        return None
    return _best_class(facts, boxes, flat, prototypes.masks(facts, rest[0], 0))


def _boxes(facts: Facts, outputs: list[TensorInfo]) -> _Boxes | None:
    found = []
    for info in outputs:
        for table in tables_of(facts, info):
            if table.width != 4 or table.values is None:
                continue
            boxes = _read_boxes(table, table.values, facts.size)
            if boxes is not None:
                found.append(boxes)
    return max(found, key=lambda item: item.follow.correlation) if found else None


def _read_boxes(table: CandidateTable, values: Real, size: tuple[int, int]) -> _Boxes | None:
    good = values[np.isfinite(values).all(axis=1)]
    if not len(good):
        return None
    # No centre lies left of a width, or above a height, for all candidates of a picture.
    slack = _SLACK * max(1.0, float(np.abs(good).max()))
    corners = bool((good[:, 2:] >= good[:, :2] - slack).all())
    coding: Literal["cxcywh", "xyxy"] = "xyxy" if corners else "cxcywh"
    if not corners and (good[:, 2:] < -slack).any():
        return None
    centres = (values[:, :2] + values[:, 2:]) / 2 if corners else values[:, :2]
    follow = follow_cells(centres, table.grids, size)
    return _Boxes(table, coding, follow) if follow is not None else None


def _dense(
    facts: Facts, boxes: _Boxes, info: TensorInfo, objectness: TensorInfo | None = None
) -> Recognised | Incomplete | None:
    """Scores of each class beside the boxes, and perhaps an objectness."""
    table = boxes.table
    count = table.grids.candidates
    sides = [size for size in info.shape if size != 1]
    if sides == [count]:
        classes, transposed = 1, table.transposed
    elif len(sides) == 2 and count in sides:
        transposed = sides[-1] == count if sides[0] != sides[1] else table.transposed
        classes = sides[0] if transposed else sides[-1]
    else:
        return None
    values = facts.values(info.name)
    finite = values[np.isfinite(values)] if values is not None else np.zeros(0, np.float32)
    if not finite.size or (finite.min() >= 0 and not probabilities(finite, info.scale)):
        return None
    ready = probabilities(finite, info.scale)
    if objectness is not None:
        present = facts.values(objectness.name)
        if present is None or probabilities(present, objectness.scale) != ready:
            return None
    family = _family(table.grids, boxes)
    if classes > 1 and transposed != table.transposed:
        return _crossed(boxes, info, family)
    spec = DetectSpec(
        scores=info.name,
        boxes=table.info.name,
        labels=class_labels(facts, classes),
        levels=(),
        coding=boxes.coding,
        activation="none" if ready else "sigmoid",
        score_threshold=family.score,
        nms_iou=family.iou,
        max_detections=family.most,
        transposed=table.transposed,
        box_units=boxes.follow.units,
        decoded_boxes=count,
        objectness=objectness.name if objectness is not None else "",
    )
    beside: tuple[str, ...] = ()
    if objectness is not None:
        beside = (f"the output '{objectness.name}' {list(objectness.shape)}: objectness",)
    return Recognised(
        "a YOLO detection head, decoded boxes and scores as outputs of their own",
        spec,
        (
            *_boxes_text(boxes),
            *beside,
            f"the output '{info.name}' {list(info.shape)}: a score for each of {classes} classes,"
            f" {'from 0 to 1' if ready else 'before their sigmoid'}",
        ),
        family.habit,
    )


def _crossed(boxes: _Boxes, scores: TensorInfo, family: YoloFamily) -> Incomplete:
    """Boxes (N, 4) beside scores (classes, N), as PP-YOLOE's and PicoDet's: no spec says that."""
    what = (
        f"'{boxes.table.info.name}' {list(boxes.table.info.shape)} and '{scores.name}'"
        f" {list(scores.shape)} lie across each other: export both with candidates on the same axis"
    )
    draft = {"kind": "detect", "coding": boxes.coding, "box_units": list(boxes.follow.units)}
    name = "a YOLO detection head, decoded boxes and scores as outputs of their own"
    return Incomplete(name, {"transposed": what}, draft, _boxes_text(boxes), family.habit)


def _family(grids: Grids, boxes: _Boxes) -> YoloFamily:
    return V4 if grids.per_cell > 1 and boxes.coding == "cxcywh" else V8


def _boxes_text(boxes: _Boxes) -> tuple[str, ...]:
    info, grids = boxes.table.info, boxes.table.grids
    written = "x1, y1, x2, y2" if boxes.coding == "xyxy" else "centre x, y, width, height"
    why = (
        "the second pair is never less than the first"
        if boxes.coding == "xyxy"
        else "the second pair is often less than the first, and never below 0"
    )
    return (
        f"the output '{info.name}' {list(info.shape)}: {grids.candidates:,} boxes of {grids.text}",
        f"boxes are {written}: {why}",
        boxes.follow.text,
    )


def _best_class(
    facts: Facts,
    boxes: _Boxes,
    flat: list[TensorInfo],
    masks: MaskCoefficients | None = None,
) -> Recognised | None:
    """Boxes in a list with their best class's score and its number."""
    read = []
    for info in flat:
        values = facts.values(info.name)
        finite = values[np.isfinite(values)] if values is not None else np.zeros(0, np.float32)
        if not finite.size or finite.min() < 0:
            return None
        read.append((_like_classes(info, finite), info, finite))
    read.sort(key=lambda item: item[0])
    (low, scores, chances), (high, classes, numbers) = read
    if low == high or not high or not probabilities(chances, scores.scale):
        return None
    last = int(numbers.max())
    given = labels_given(facts)
    labels = given if len(given) > last else class_labels(facts, max(COCO_CLASSES, last + 1))
    count = boxes.table.grids.candidates
    if boxes.table.transposed:
        return None
    spec = ListedSpec(
        scores=scores.name,
        boxes=boxes.table.info.name,
        labels=labels,
        rows=count,
        classes=classes.name,
        box_order=boxes.coding,
        box_units=boxes.follow.units,
        score_threshold=AI_HUB.score,
        nms_iou=AI_HUB.iou,
        max_detections=AI_HUB.most,
        masks=masks,
    )
    return Recognised(
        "a YOLO head with boxes, the best class's score and its number (Qualcomm AI Hub)",
        spec,
        (
            *_boxes_text(boxes),
            f"the output '{scores.name}' {list(scores.shape)} is from 0 to 1: scores",
            f"the output '{classes.name}' {list(classes.shape)} holds whole numbers up to {last}:"
            " classes",
        ),
        AI_HUB.habit,
        sure=True,  # boxes that follow a YOLO's cells are no other detector's list
    )


def _like_classes(info: TensorInfo, values: Real) -> int:
    """How much an output looks like numbers of classes; 0: not at all."""
    if info.scale is not None or (values != np.rint(values)).any():
        return 0
    return 3 if np.dtype(info.dtype).kind in "iu" else 2 if "class" in info.name.lower() else 1

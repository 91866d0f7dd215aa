"""Detectors with a box for each of some hundred queries and no suppression: RT-DETR, RF-DETR.

``RTDETRDecoder`` and ``RTDETRPredictor`` of ultralytics/ultralytics: one tensor (1, 300, 4 +
classes), boxes as centre x, y, width, height over the input's size, scores after their sigmoid,
images stretched. RF-DETR's export: boxes (1, 300, 4) likewise, and logits (1, 300, classes) of a
sigmoid. DETR itself (Carion et al. 2020) has a softmax whose last column stands for no object.
"""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.yolo_columns import probabilities
from edgecnn.recognition.yolo_grids import follow_cells, grids_of

_FEWEST, _MOST = 50, 1000
_NAME = "a detector with queries (RT-DETR, RF-DETR)"
_MARGIN = 0.25  # boxes reach at most this far beyond the picture
_MOSTLY = 0.95
_SPREAD = 0.1  # half of the centres lie in a range of at least this much of the picture
_STRETCHED = InputHabit("RTDETRPredictor of ultralytics", "0..1", "stretch", 0, "rgb")
_IMAGENET = InputHabit("RF-DETR", "imagenet", "stretch", 0, "rgb")


def query_detector(facts: Facts) -> Recognised | Incomplete | None:
    """One tensor of boxes and scores, or two; candidates that are no grid of cells."""
    shapes = [[size for size in info.shape if size != 1] for info in facts.outputs]
    if min(facts.size) <= 0 or len(shapes) not in (1, 2) or any(len(s) != 2 for s in shapes):
        return None
    count = shapes[0][0]
    if not _FEWEST <= count <= _MOST or any(shape[0] != count for shape in shapes):
        return None
    tables = [_table(facts, info) for info in facts.outputs]
    if any(table is None for table in tables):
        return None
    values = [table for table in tables if table is not None]
    for table in values:
        if any(
            follow_cells(table[:, :2], grids, facts.size) for grids in grids_of(facts.size, count)
        ):
            return None
    if len(values) == 1:
        width = values[0].shape[1]
        if width < 5 or not _boxes_like(values[0][:, :4]):
            return None
        return _answer(facts, facts.outputs[0], facts.outputs[0], values[0][:, 4:])
    found = [k for k in (0, 1) if values[k].shape[1] == 4 and _boxes_like(values[k])]
    if len(found) != 1:
        return None
    boxes, scores = found[0], 1 - found[0]
    return _answer(facts, facts.outputs[boxes], facts.outputs[scores], values[scores])


def _table(facts: Facts, info: TensorInfo) -> Real | None:
    values = facts.values(info.name)
    if values is None or not np.isfinite(values).all():
        return None
    return values.reshape([size for size in info.shape if size != 1])


def _boxes_like(values: Real) -> bool:
    """Centres and sizes over the input's size, all over the picture."""
    if not probabilities(values):
        return False
    middle, half = values[:, :2], values[:, 2:] / 2
    inside = ((middle - half >= -_MARGIN) & (middle + half <= 1 + _MARGIN)).all(axis=1)
    corners = bool((values[:, 2:] >= values[:, :2]).all())
    low, high = np.quantile(middle, (0.25, 0.75), axis=0)
    spread = bool((high - low >= _SPREAD).all())
    return bool(inside.mean() >= _MOSTLY) and spread and not corners


def _answer(
    facts: Facts, boxes: TensorInfo, scores: TensorInfo, values: Real
) -> Recognised | Incomplete | None:
    classes, count = values.shape[1], values.shape[0]
    ready = probabilities(values, scores.scale)
    evidence = (
        f"the output '{boxes.name}' {list(boxes.shape)}: {count} boxes that are no grid of cells,"
        " centre x, y, width, height from 0 to 1, all inside the picture",
        f"{classes} columns of scores in '{scores.name}',"
        f" {'from 0 to 1' if ready else 'before their activation'}",
    )
    habit = _STRETCHED if boxes.name == scores.name else _IMAGENET
    if not ready and values.min() >= 0:
        return None
    if not ready and classes > 1 and (values.argmax(axis=1) == classes - 1).mean() > _MOSTLY:
        what = (
            "the last column is the highest nearly everywhere, like DETR's for no object: the"
            " background must be the first column; export the scores after their softmax, without"
            " that column"
        )
        draft = {"kind": "detect", "scores": scores.name, "boxes": boxes.name}
        return Incomplete(_NAME, {"background": what}, draft, evidence, habit)
    width, height = facts.size
    spec = DetectSpec(
        scores=scores.name,
        boxes=boxes.name,
        labels=class_labels(facts, classes),
        levels=(),
        coding="cxcywh",
        activation="none" if ready else "sigmoid",
        score_threshold=0.5,
        nms_iou=1.0,
        max_detections=300,
        score_column=4 if boxes.name == scores.name else 0,
        box_units=(float(width), float(height)),
        decoded_boxes=count,
    )
    return Recognised(_NAME, spec, evidence, habit)

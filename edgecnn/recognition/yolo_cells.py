"""One tensor with all candidates of anchor-free heads that leave boxes to the host.

YOLOX with ``decode_in_inference`` off (x, y in cells, logarithms of the sizes, objectness, classes;
``YOLOXHead.forward``), NanoDet-Plus (classes first, then four distributions;
``NanoDetPlusHead._forward_onnx``), and YOLOv8 cut before its distributions are read.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.core.postprocess import DetectSpec
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.yolo_columns import COCO_CLASSES, classes_of, labels_given, probabilities
from edgecnn.recognition.yolo_decoded import CandidateTable, tables_of
from edgecnn.recognition.yolo_grids import follow_cells
from edgecnn.recognition.yolo_known import NANODET, V8, YOLOX

# Codes of a cell: centres within so many cells, sizes within e to this power of a stride.
_MOST_CELLS, _MOST_LOG = 40.0, 8.0
_DFL = 16
_BINS = (8, 11, 16, 17)  # reg_max + 1 of published configs


def yolo_cells(facts: Facts) -> Recognised | None:
    """One tensor of an anchor-free head, or two: distributions and scores."""
    if len(facts.outputs) == 2:
        return _apart(facts)
    if len(facts.outputs) != 1:
        return None
    for table in tables_of(facts, facts.outputs[0]):
        values = _codes(facts, table)
        if values is None:
            continue
        answer = (
            _yolox(facts, table, values)
            or _nanodet(facts, table, values)
            or _joined(facts, table, values)
        )
        if answer is not None:
            return answer
    return None


def _codes(facts: Facts, table: CandidateTable) -> Real | None:
    """Values of candidates, one a cell, that are not decoded; None: they are something else."""
    if table.values is None or table.grids.per_cell > 1 or len(table.grids.levels) < 2:
        return None
    values = table.values[np.isfinite(table.values).all(axis=1)]
    follows = follow_cells(table.values[:, :2], table.grids, facts.size)
    return values if len(values) >= 4 and follows is None else None


def _apart(facts: Facts) -> Recognised | None:
    """(1, N, 64) beside (1, N, classes): levels joined, distributions left (Himax, Kneron)."""
    first, second = facts.outputs
    for codes, scores in ((first, second), (second, first)):
        for table in tables_of(facts, codes):
            values = _codes(facts, table) if table.width == 4 * _DFL else None
            if values is None or probabilities(values, codes.scale):
                continue
            for other in tables_of(facts, scores):
                same = other.grids == table.grids and other.transposed == table.transposed
                if same and other.values is not None and np.isfinite(other.values).all():
                    return _distributed(facts, table, other, 0, other.width, other.values)
    return None


def _joined(facts: Facts, table: CandidateTable, values: Real) -> Recognised | None:
    """64 values of distributions and the classes in one tensor, not decoded."""
    classes = table.width - 4 * _DFL
    if classes < 1 or classes_of(facts, candidates=(classes,)) is None:
        return None
    if probabilities(values[:, : 4 * _DFL]):
        return None
    return _distributed(facts, table, table, 4 * _DFL, classes, values[:, 4 * _DFL :])


def _distributed(
    facts: Facts,
    boxes: CandidateTable,
    scores: CandidateTable,
    column: int,
    classes: int,
    values: Real,
) -> Recognised:
    ready = probabilities(values, scores.info.scale)
    spec = DetectSpec(
        scores=scores.info.name,
        boxes=boxes.info.name,
        labels=class_labels(facts, classes),
        levels=boxes.grids.levels,
        coding="ltrb",
        activation="none" if ready else "sigmoid",
        score_threshold=V8.score,
        nms_iou=V8.iou,
        max_detections=V8.most,
        score_column=column,
        transposed=boxes.transposed,
        bins=_DFL,
    )
    said = "from 0 to 1" if ready else "before their sigmoid"
    return Recognised(
        "YOLOv8 head (v8, v9, v11, v12), boxes not decoded",
        spec,
        (
            boxes.text,
            f"{4 * _DFL} columns: four distances as distributions over {_DFL} values",
            f"{classes} classes in '{scores.info.name}', {said}",
        ),
        V8.habit,
    )


def _yolox(facts: Facts, table: CandidateTable, values: Real) -> Recognised | None:
    classes = table.width - 5
    if classes < 1 or probabilities(values[:, :4]):
        return None
    codes = np.abs(values[:, :4])
    if codes[:, :2].max() > _MOST_CELLS or codes[:, 2:].max() > _MOST_LOG:
        return None
    ready = probabilities(values[:, 4:], table.info.scale)
    if not ready and classes_of(facts, candidates=(classes,)) is None:
        return None
    spec = DetectSpec(
        scores=table.info.name,
        boxes=table.info.name,
        labels=class_labels(facts, classes),
        levels=table.grids.levels,
        coding="cell-exp",
        activation="none" if ready else "sigmoid",
        score_threshold=YOLOX.score,
        nms_iou=YOLOX.iou,
        max_detections=YOLOX.most,
        objectness=table.info.name,
        score_column=5,
        objectness_column=4,
        transposed=table.transposed,
    )
    said = "from 0 to 1" if ready else "before their sigmoid"
    return Recognised(
        "YOLOX detection head, boxes not decoded",
        spec,
        (
            table.text,
            f"box centres do not follow their cells: columns 0 to 3 reach from"
            f" {values[:, :4].min():.2f} to {values[:, :4].max():.2f}, codes of a cell",
            f"column 4 is the objectness, {classes} classes follow, {said}",
        ),
        YOLOX.habit,
    )


def _nanodet(facts: Facts, table: CandidateTable, values: Real) -> Recognised | None:
    inside = (values.min(axis=0) >= 0) & (values.max(axis=0) <= 1)
    classes = int(np.argmin(inside)) if not inside.all() else 0
    rest = table.width - classes
    bins = rest // 4
    named = bool(labels_given(facts)) or classes == COCO_CLASSES
    if classes < 1 or rest % 4 or bins not in _BINS:
        return None
    if named and classes_of(facts, candidates=(classes,)) is None:
        return None
    spec = DetectSpec(
        scores=table.info.name,
        boxes=table.info.name,
        labels=class_labels(facts, classes),
        # Its centres are arange(w) * stride, without the half cell of NanoDet's older head.
        levels=tuple(replace(level, offset=0.0) for level in table.grids.levels),
        coding="ltrb",
        activation="none",
        score_threshold=NANODET.score,
        nms_iou=NANODET.iou,
        max_detections=NANODET.most,
        box_column=classes,
        bins=bins,
    )
    return Recognised(
        "NanoDet-Plus detection head",
        spec,
        (
            table.text,
            f"the first {classes} columns are from 0 to 1, the other {rest} are not: classes, then"
            f" four distances as distributions over {bins} values",
        ),
        NANODET.habit,
    )

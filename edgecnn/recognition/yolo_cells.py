"""One tensor with all candidates of anchor-free heads that leave boxes to the host.

YOLOX with ``decode_in_inference`` off (x, y in cells, logarithms of the sizes, objectness, classes;
``YOLOXHead.forward``), and NanoDet-Plus (classes first, then four distributions;
``NanoDetPlusHead._forward_onnx``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.core.postprocess import DetectSpec
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.yolo_columns import COCO_CLASSES, classes_of, labels_given, probabilities
from edgecnn.recognition.yolo_decoded import Table, tables_of
from edgecnn.recognition.yolo_grids import follow_cells
from edgecnn.recognition.yolo_known import NANODET, YOLOX

# Codes of a cell: centres within so many cells, sizes within e to this power of a stride.
_MOST_CELLS, _MOST_LOG = 40.0, 8.0
_BINS = (8, 11, 16, 17)  # reg_max + 1 of published configs


def yolo_cells(facts: Facts) -> Recognised | None:
    """YOLOX's or NanoDet-Plus' tensor, told by where its probabilities stand."""
    if len(facts.outputs) != 1:
        return None
    for table in tables_of(facts, facts.outputs[0]):
        values = table.values
        if values is None or table.grids.per_cell > 1 or len(table.grids.levels) < 2:
            continue
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 4 or follow_cells(table.values[:, :2], table.grids, facts.size):  # type: ignore[index]
            continue
        answer = _yolox(facts, table, values) or _nanodet(facts, table, values)
        if answer is not None:
            return answer
    return None


def _yolox(facts: Facts, table: Table, values: Real) -> Recognised | None:
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


def _nanodet(facts: Facts, table: Table, values: Real) -> Recognised | None:
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

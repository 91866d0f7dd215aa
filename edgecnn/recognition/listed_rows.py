"""Lists of seven numbers a row, the first of them the image's: EfficientDet and OpenVINO.

google/automl's EfficientDet (``generate_detections``) writes image, y1, x1, y2, x2 in pixels, score
and a class counted from 1; ``DetectionOutput`` of Caffe and OpenVINO image, class, score and x1,
y1, x2, y2 in shares of the image. Values on a photo tell which.
"""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import ListedSpec
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels, coco_with_gaps, file_labels, named_classes

_WIDTH, _FEWEST, _MOST = 7, 5, 1 << 12
_SLACK = 1e-3
_PIXELS = 2.0
_UNKNOWN = 1000


def rows_of_an_image(facts: Facts) -> Recognised | None:
    """One output (1, rows, 7), perhaps with more axes of 1."""
    if len(facts.outputs) != 1 or min(facts.size) < 1:
        return None
    info = facts.outputs[0]
    values = facts.values(info.name)
    shaped = len(info.shape) > 1 and info.shape[-1] == _WIDTH and values is not None
    if not shaped or any(size != 1 for size in info.shape[:-2]) or values is None:
        return None
    rows = values.reshape(-1, _WIDTH)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not _FEWEST <= len(rows) <= _MOST or len(np.unique(rows[:, 0])) > 2:
        return None
    for score, label, box in ((5, 6, 1), (2, 1, 3)):
        filled = rows[rows[:, score] > 0]
        if len(filled) and _reads(rows[:, score], filled, label, box):
            return _answer(facts, info, filled, score, label, box)
    return None


def _reads(scores: Real, filled: Real, label: int, box: int) -> bool:
    inside = bool((scores <= 1 + _SLACK).all() and (np.diff(scores) <= _SLACK).all())
    classes, boxes = filled[:, label], filled[:, box : box + 4]
    whole = bool((np.abs(classes - np.rint(classes)) <= _SLACK).all() and (classes >= 0).all())
    return inside and whole and bool((boxes[:, 2:] >= boxes[:, :2] - _SLACK).all())


def _answer(
    facts: Facts, info: TensorInfo, filled: Real, score: int, label: int, box: int
) -> Recognised:
    pixels = float(np.abs(filled[:, box : box + 4]).max()) > _PIXELS
    most = int(filled[:, label].max())
    given = facts.labels or file_labels(facts)
    count = len(coco_with_gaps(given)) or named_classes(given) or _UNKNOWN
    maker = "google/automl's EfficientDet" if box == 1 else "Caffe's and OpenVINO's DetectionOutput"
    rows = int(np.prod(info.shape[:-1]))
    spec = ListedSpec(
        info.name,
        info.name,
        class_labels(facts, count),
        rows,
        classes=info.name,
        score_column=score,
        box_column=box,
        class_column=label,
        box_order="yxyx" if box == 1 else "xyxy",
        box_units=(1.0, 1.0) if pixels else (float(facts.size[0]), float(facts.size[1])),
        class_offset=1,
        max_detections=min(rows, 100),
    )
    return Recognised(
        f"a list of boxes, seven numbers a row ({maker})",
        spec,
        (
            f"the output '{info.name}' {list(info.shape)}: on a photo the first number of each row"
            f" is the same, number {score + 1} falls from row to row and number {label + 1} is"
            f" whole, up to {most}",
            f"numbers {box + 1} to {box + 4} are corners in"
            f" {'pixels' if pixels else 'shares of the image'},"
            f" {'x' if box == 3 else 'y'} first; classes count from 1",
        ),
    )

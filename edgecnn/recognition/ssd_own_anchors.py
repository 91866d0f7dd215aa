"""Raw SSD heads whose outputs hold the anchors too: ST's model zoo.

Source: STMicroelectronics/stm32ai-modelzoo ``object_detection`` (``decode_ssd_predictions``):
scores with the background first, then by how much the corners of a box differ from its anchor's,
in anchors, then the anchors' corners in shares of the image; x first. Older files join the three
in this order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.core.tflite.model import TfModel
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.traces import activated, tensor_of

_BOX = 4
_FEWEST, _MOST = 16, 1 << 17
_INSIDE, _EQUAL = 0.5, 0.05
_THRESHOLD, _OVERLAP = 0.6, 0.3


@dataclass(frozen=True)
class _Head:
    scores: str
    boxes: str
    columns: int
    box_column: int
    anchors: Real
    said: str


def ssd_with_anchors(facts: Facts) -> Recognised | None:
    """Scores, box codes and anchors of as many candidates, in three outputs or in one."""
    if min(facts.size) < 1:
        return None
    head = _three(facts) if len(facts.outputs) == 3 else _joined(facts)
    if head is None or head.columns < 2:
        return None
    width, height = facts.size
    corners = head.anchors.astype(np.float64) * [width, height, width, height]
    middle, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
    anchors = np.concatenate([middle, sides], axis=1).tolist()
    done = activated(facts, head.scores) if head.scores != head.boxes else head.said
    spec = DetectSpec(
        head.scores,
        head.boxes,
        class_labels(facts, head.columns - 1),
        (),
        coding="corner-linear",
        variances=(1.0, 1.0, 1.0, 1.0),
        activation="none" if done else "softmax",
        score_threshold=_THRESHOLD,
        nms_iou=_OVERLAP,
        box_column=head.box_column,
        background=True,
        anchor_boxes=tuple((x, y, w, h) for x, y, w, h in anchors),
    )
    return Recognised(
        "a raw head of ST's model zoo, SSD with its anchors among the outputs",
        spec,
        (
            head.said,
            f"{len(anchors)} candidates of {head.columns} scores, the first of them the background",
            *([done] if done and done != head.said else []),
        ),
        InputHabit("ST's model zoo", "-1..1"),
    )


def _three(facts: Facts) -> _Head | None:
    """Outputs (1, candidates, columns), (1, candidates, 4) and anchors that no image changes."""
    outputs = facts.outputs
    ranked = all(len(info.shape) == 3 and info.shape[0] == 1 for info in outputs)
    if not ranked or len({info.shape[1] for info in outputs}) != 1:
        return None
    fours = [info for info in outputs if info.shape[2] == _BOX]
    anchors = [(info, found) for info in fours if (found := _anchors(facts, info)) is not None]
    if len(anchors) != 1:
        return None
    fixed, values = anchors[0]
    left = [info for info in outputs if info is not fixed]
    scores = [info for info in left if info.shape[2] != _BOX or activated(facts, info.name)]
    if len(scores) != 1:
        return None
    boxes = next(info for info in left if info is not scores[0])
    if boxes.shape[2] != _BOX:
        return None
    said = f"'{fixed.name}' holds the corners of {len(values)} anchors, whatever the image shows"
    return _Head(scores[0].name, boxes.name, scores[0].shape[2], 0, values, said)


def _anchors(facts: Facts, info: TensorInfo) -> Real | None:
    tensor = tensor_of(facts, info.name)
    if facts.graph is not None and (tensor is None or _depends(facts.graph, tensor)):
        return None
    values = facts.values(info.name)
    return _as_anchors(values.reshape(-1, _BOX)) if values is not None else None


def _as_anchors(rows: Real) -> Real | None:
    """The rows, if all are corners of boxes whose middles lie in the image."""
    if not _FEWEST <= len(rows) <= _MOST or not np.isfinite(rows).all():
        return None
    middle = (rows[:, :2] + rows[:, 2:]) / 2
    good = (rows[:, 2:] > rows[:, :2]).all() and (np.abs(middle - 0.5) <= 0.5).all()
    near = (rows >= -_INSIDE - 1).all() and (rows <= 2 + _INSIDE).all()
    spread = len(np.unique(rows[:, 0])) > 2
    return rows if bool(good and near and spread) else None


def _joined(facts: Facts) -> _Head | None:
    """One output (1, candidates, columns + 8)."""
    if len(facts.outputs) != 1:
        return None
    info = facts.outputs[0]
    values = facts.values(info.name)
    if len(info.shape) != 3 or info.shape[0] != 1 or info.shape[2] < 2 * _BOX + 2:
        return None
    if values is None or math.prod(info.shape) != values.size:
        return None
    rows = values.reshape(-1, info.shape[2])
    anchors = _as_anchors(rows[:, -_BOX:])
    scores = rows[:, : -2 * _BOX]
    sums = np.abs(scores.sum(axis=1) - 1)
    if anchors is None or not bool((scores >= -_EQUAL).all() and (sums <= _EQUAL).all()):
        return None
    columns = scores.shape[1]
    said = (
        f"the last 4 values of each row of '{info.name}' are an anchor's corners, the first"
        f" {columns} add up to 1"
    )
    return _Head(info.name, info.name, columns, columns, anchors, said)


def _depends(graph: TfModel, tensor: int) -> bool:
    """Whether a tensor is computed from one of the model's inputs."""
    writers = {index: op for op in graph.main.operators for index in op.outputs}
    queue, seen = [tensor], {tensor}
    while queue:
        index = queue.pop()
        if index in graph.main.inputs:
            return True
        op = writers.get(index)
        fresh = [k for k in (op.inputs if op else ()) if k >= 0 and k not in seen]
        seen.update(fresh)
        queue.extend(fresh)
    return False

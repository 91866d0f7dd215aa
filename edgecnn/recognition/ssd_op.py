"""Detectors that end in the op ``TFLite_Detection_PostProcess``.

The op writes boxes, classes, scores and the count in this order (tensorflow
``lite/kernels/detection_postprocess.cc``); exporters list and name them as they please: TF1's files
as the op does, TF2's in reverse or by name. So each output is traced back to the op.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn.core.postprocess import ListedSpec
from edgecnn.core.tflite.flexbuffers import FlexError, read_numbers
from edgecnn.core.tflite.model import TfOperator
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.ssd_anchors import families
from edgecnn.recognition.traces import behind, tensor_of

OP = "TFLite_Detection_PostProcess"
_ROLES = ("boxes", "classes", "scores", "count")
_MOST_ROWS = 1 << 16
_MOST_CLASSES = 1 << 16
_THRESHOLD = 0.3


@dataclass(frozen=True)
class _Options:
    rows: int
    classes: int
    iou: float


def ssd_op(facts: Facts) -> Recognised | None:
    """The op's boxes and scores are outputs of the model, whatever they are called."""
    op = next((item for item in facts.custom_ops if item.custom_code == OP), None)
    if op is None or facts.image is None:
        return None
    names = _outputs(facts, op)
    options = _options(op)
    classes = _classes(facts, op, options)
    if not {"boxes", "scores"} <= names.keys() or ("classes" not in names and classes != 1):
        return None
    shapes = {info.name: info.shape for info in facts.outputs}
    rows = max(options.rows, math.prod(shapes[names["scores"]]), 1)
    family = _family(facts, op)
    spec = ListedSpec(
        names["scores"],
        names["boxes"],
        class_labels(facts, classes),
        min(rows, _MOST_ROWS),
        classes=names.get("classes", ""),
        count=names.get("count", ""),
        box_units=(float(facts.size[0]), float(facts.size[1])),
        score_threshold=_threshold(facts, names["scores"]),
        max_detections=min(rows, _MOST_ROWS),
    )
    written = ", ".join(f"{role} to '{names[role]}'" for role in _ROLES if role in names)
    return Recognised(
        f"a detector with {OP}" + (f", {family[0]}" if family else ""),
        spec,
        (
            f"the op {OP} writes {written}",
            f"its options: {classes} classes, at most {rows} boxes,"
            f" suppression at an overlap of {options.iou:.2g}",
            *([f"it reads {family[1]}"] if family else []),
        ),
        InputHabit(family[0], family[2]) if family else None,
        sure=True,
    )


def _outputs(facts: Facts, op: TfOperator) -> Mapping[str, str]:
    """What the op writes → the model's output that it comes out as."""
    found: dict[str, str] = {}
    if facts.graph is None:
        return found
    roles = dict(zip(op.outputs, _ROLES, strict=False))
    for info in facts.outputs:
        tensor = tensor_of(facts, info.name)
        if tensor is None:
            continue
        role = next((roles[k] for k, _ in behind(facts.graph, tensor) if k in roles), None)
        if role is not None:
            found.setdefault(role, info.name)
    return found


def _options(op: TfOperator) -> _Options:
    try:
        read = read_numbers(op.custom_options)
    except FlexError:
        read = {}

    def number(key: str, default: float) -> float:
        value = float(read.get(key, default))
        return value if math.isfinite(value) and abs(value) < _MOST_ROWS else default

    per_box = max(1, int(number("max_classes_per_detection", 1)))
    return _Options(
        int(number("max_detections", 0)) * per_box,
        int(number("num_classes", 0)),
        number("nms_iou_threshold", 1.0),
    )


def _classes(facts: Facts, op: TfOperator, options: _Options) -> int:
    """How many classes: the op's option, else the columns of the scores that it reads."""
    if 0 < options.classes <= _MOST_CLASSES:
        return options.classes
    if facts.graph is not None and len(op.inputs) > 1:
        shape = facts.graph.main.tensors[op.inputs[1]].shape
        if shape and 0 < shape[-1] <= _MOST_CLASSES:
            return shape[-1]
    return 1


def _family(facts: Facts, op: TfOperator) -> tuple[str, str, str] | None:
    """Name, anchors and input convention of the published family with as many anchors."""
    if facts.graph is None or len(op.inputs) < 3:
        return None
    anchors = facts.graph.main.tensors[op.inputs[2]].shape
    count = anchors[0] if len(anchors) == 2 else 0
    scores = facts.graph.main.tensors[op.inputs[1]].shape
    for family in families(*facts.size):
        background = bool(scores) and scores[-1] == _classes(facts, op, _options(op)) + 1
        if sum(family.counts) == count and family.background == background:
            return family.name, family.described(), family.convention
    return None


def _threshold(facts: Facts, scores: str) -> float:
    """The metadata's for the scores where it has one."""
    names = [info.name for info in facts.outputs]
    notes = facts.metadata.outputs
    note = notes[names.index(scores)] if len(notes) == len(names) else None
    given = note.score_threshold if note is not None else None
    return given if given is not None and 0 < given <= 1 else _THRESHOLD

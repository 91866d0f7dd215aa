"""Outputs that list finished boxes, without an op that says which is which.

So do files of the Edge TPU's compiler with the suppression inside, CenterNet and other exports of
TensorFlow's object detection models (``export_tflite_graph_lib_tf2.py``, ``exporter_lib_v2.py``),
``combined_non_max_suppression``, and graphs that cast the op's outputs. TFLite's metadata decides
first, then names, then shapes and values on a photo; the order of outputs decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import CandidatePoints, ListedSpec
from edgecnn.core.postprocess.listed import BoxOrder
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.core.tflite.metadata_tables import TensorNote
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels, coco_with_gaps, file_labels, named_classes
from edgecnn.recognition.points import numbered
from edgecnn.recognition.ssd_op import ssd_op

_NAME = "a detector that lists its boxes"
# Ops that a model which prepares the image itself begins with.
_PREPARING = ("SUB", "MUL", "DIV", "CAST", "REVERSE_V2", "RESIZE_BILINEAR")
_ROLES = ("boxes", "classes", "scores", "count")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "boxes": ("box", "location"),
    "classes": ("class", "categor", "label"),
    "scores": ("score", "confidence", "prob"),
    "count": ("num", "count", "valid_det"),
}
# What TensorFlow's exporter adds: scores of all classes, boxes before suppression.
_EXTRA = ("raw_detection", "multiclass", "anchor_indices")
_MOST_ROWS = 1 << 12
_UNKNOWN_CLASSES = 1000
_WHOLE = 1e-3
_PIXELS = 2.0
_ASKED = {
    "scores": "the output with a score for each box",
    "classes": "the output with the number of each box's class",
    "box_order": "yxyx, xyxy or cxcywh: what the four numbers of a box are",
}


@dataclass
class _Roles:
    """Which output is which, and how that is known."""

    names: dict[str, str] = field(default_factory=dict)
    noted: bool = False
    by_values: bool = False


def listed_outputs(facts: Facts) -> Answer | None:
    """Boxes (1, rows, 4) with scores and classes (1, rows) each, and mostly a count."""
    if facts.image is None or ssd_op(facts) is not None:
        return None
    roles, rows = _roles(facts)
    if "boxes" not in roles.names or not _looks_exported(facts, roles):
        return None
    missing = {key: _ASKED[key] for key in ("scores", "classes") if key not in roles.names}
    filled = _filled(facts, roles, rows)
    order, units, seen = _box_form(facts, roles, filled)
    if not order:
        missing["box_order"] = _ASKED["box_order"]
    labels, offset = _labels(facts, roles, filled)
    evidence = (_how(roles), *seen)
    points, habit = _points(facts, rows), _habit(facts)
    if missing or not order:
        draft: dict[str, object] = {
            "kind": "listed", **roles.names, "labels": list(labels), "rows": rows,
            "box_units": list(units),
        }  # fmt: skip
        return Incomplete(_NAME, missing, draft, evidence, habit)
    spec = ListedSpec(
        roles.names["scores"],
        roles.names["boxes"],
        labels,
        rows,
        classes=roles.names["classes"],
        count=roles.names.get("count", ""),
        box_order=order,
        box_units=units,
        class_offset=offset,
        max_detections=rows,
        keypoints=points,
    )
    known = roles.noted or "detection_boxes" in roles.names["boxes"]
    warnings = () if known else ("whether y or x comes first in a box cannot be seen in the file",)
    return Recognised(_NAME, spec, evidence, habit, warnings, sure=roles.noted)


def _habit(facts: Facts) -> InputHabit | None:
    """Bytes as they are where the model itself scales them, as CenterNet's export does."""
    graph = facts.graph
    if graph is None or len(graph.main.inputs) != 1:
        return None
    readers = [op for op in graph.main.operators if graph.main.inputs[0] in op.inputs]
    if not readers or any(op.code not in _PREPARING for op in readers):
        return None
    return InputHabit("TensorFlow's exports that prepare the image themselves", "0..255")


def _roles(facts: Facts) -> tuple[_Roles, int]:
    """The outputs of a list, and how many rows it has."""
    boxes = [info for info in facts.outputs if _is_boxes(info)]
    boxes = [info for info in boxes if not _extra(info)] or boxes
    found = _Roles()
    for info in boxes:
        rows = info.shape[-2]
        vectors = [
            item
            for item in facts.outputs
            if math.prod(item.shape) == rows and len(item.shape) <= 3 and not _extra(item)
        ]
        if len(vectors) < 2:
            continue
        if found.names:  # two lists: nothing tells which is meant
            return _Roles(), 0
        found.names["boxes"] = info.name
        _name_vectors(facts, vectors, found)
        _name_count(facts, rows, found)
        _value_vectors(facts, vectors, rows, found)
    return found, next((i.shape[-2] for i in boxes if i.name == found.names.get("boxes")), 0)


def _is_boxes(info: TensorInfo) -> bool:
    shape = info.shape
    ranked = len(shape) in (2, 3) and all(size == 1 for size in shape[:-2])
    return ranked and shape[-1] == 4 and 2 <= shape[-2] <= _MOST_ROWS


def _extra(info: TensorInfo) -> bool:
    return any(word in info.name.lower() for word in _EXTRA)


def _note(facts: Facts, name: str) -> TensorNote | None:
    names = [info.name for info in facts.outputs]
    notes = facts.metadata.outputs
    return notes[names.index(name)] if len(notes) == len(names) else None


def _role_of(facts: Facts, info: TensorInfo) -> tuple[str, bool]:
    """The role that an output's metadata or name says, and whether the metadata does."""
    note = _note(facts, info.name)
    for text, noted in ((note.name if note else "", True), (info.name, False)):
        plain = text.lower()
        for role in ("scores", "classes", "boxes", "count"):
            if any(word in plain for word in _WORDS[role]):
                return role, noted
    return "", False


def _name_vectors(facts: Facts, vectors: list[TensorInfo], found: _Roles) -> None:
    for role in ("scores", "classes"):
        named = [(info, _role_of(facts, info)) for info in vectors]
        fits = [(info, noted) for info, (said, noted) in named if said == role]
        if len(fits) == 1:
            found.names[role] = fits[0][0].name
            found.noted = found.noted or fits[0][1]


def _name_count(facts: Facts, rows: int, found: _Roles) -> None:
    """The one number that is whole and not above the rows, or is called so."""
    single = [info for info in facts.outputs if math.prod(info.shape) == 1]
    named = [info for info in single if _role_of(facts, info)[0] == "count"]
    if not named and len(single) == 1:
        values = facts.values(single[0].name)
        if values is None or _whole(values, rows):
            named = single
    if len(named) == 1:
        found.names["count"] = named[0].name


def _value_vectors(facts: Facts, vectors: list[TensorInfo], rows: int, found: _Roles) -> None:
    """Scores and classes that no name tells: falling from at most 1, and whole numbers."""
    open_roles = [role for role in ("scores", "classes") if role not in found.names]
    left = [info for info in vectors if info.name not in found.names.values()]
    if not open_roles or not left:
        return
    filled = _filled(facts, found, rows)
    seen = {info.name: facts.values(info.name) for info in left}
    lists = {
        name: values.reshape(-1)[:filled] for name, values in seen.items() if values is not None
    }
    scores = [name for name, values in lists.items() if _falling(values)]
    whole = [name for name, values in lists.items() if _whole(values, math.inf)]
    scores = [name for name in scores if name not in whole] or scores
    if "scores" in open_roles and len(scores) == 1:
        found.names["scores"] = scores[0]
        found.by_values = True
    whole = [name for name in whole if name != found.names.get("scores")]
    if "classes" in open_roles and len(whole) == 1 and "scores" in found.names:
        found.names["classes"] = whole[0]
        found.by_values = True


def _falling(values: NDArray[np.float32]) -> bool:
    inside = bool(((values >= 0) & (values <= 1 + _WHOLE)).all())
    return inside and bool((np.diff(values) <= _WHOLE).all())


def _whole(values: NDArray[np.float32], most: float) -> bool:
    flat = values.reshape(-1)
    inside = bool((np.isfinite(flat) & (flat >= -_WHOLE) & (flat <= most)).all())
    return inside and bool((np.abs(flat - np.rint(flat)) <= _WHOLE).all())


def _looks_exported(facts: Facts, roles: _Roles) -> bool:
    """Whether it is a list rather than a dense head: a count, metadata, or TensorFlow's names."""
    called = [name for name in roles.names.values() if "detection" in name.lower()]
    return "count" in roles.names or roles.noted or len(called) >= 2


def _filled(facts: Facts, roles: _Roles, rows: int) -> int:
    """How many rows the photo fills; all, where it fills none."""
    values = facts.values(roles.names["count"]) if "count" in roles.names else None
    if values is None or values.size != 1 or not np.isfinite(values).all():
        return rows
    return int(np.clip(np.rint(values.reshape(-1)[0]), 0, rows)) or rows


def _box_form(
    facts: Facts, roles: _Roles, filled: int
) -> tuple[BoxOrder | None, tuple[float, float], tuple[str, ...]]:
    """Order and units of a box, and what speaks for them."""
    name = roles.names["boxes"]
    whole, pixel = (float(facts.size[0]), float(facts.size[1])), (1.0, 1.0)
    note = _note(facts, name)
    if note is not None and note.content == "boxes" and note.box_form:
        order = _noted_order(note)
        said = f"the metadata calls '{name}' {note.box_form} of boxes, order {note.box_order}"
        return order, pixel if note.box_pixels else whole, (said,)
    values = facts.values(name)
    rows = values.reshape(-1, 4)[:filled] if values is not None else np.zeros((0, 4), np.float32)
    if not np.isfinite(rows).all():
        rows = rows[:0]
    units = pixel if rows.size and float(np.abs(rows).max()) > _PIXELS else whole
    unit = "input pixels" if units == pixel else "shares of the image"
    if rows.size and not bool((rows[:, 2:] >= rows[:, :2]).all()):
        return None, units, (f"'{name}' is no list of corners: some end before they begin",)
    plugin = "det_boxes" in name and not name.startswith("detection")
    order = "xyxy" if plugin else "yxyx"
    first = "x first, as in exports for TensorRT" if plugin else "y first, as TensorFlow writes it"
    return order, units, (f"'{name}' holds corners in {unit}; {first}",)


def _noted_order(note: TensorNote) -> BoxOrder | None:
    """The order that the metadata's form and places of its numbers mean; None: another one."""
    places = note.box_order or (0, 1, 2, 3)
    if note.box_form == "boundaries":
        orders: dict[tuple[int, ...], BoxOrder] = {(0, 1, 2, 3): "xyxy", (1, 0, 3, 2): "yxyx"}
        return orders.get(places)
    return "cxcywh" if note.box_form == "center" and places == (0, 1, 2, 3) else None


def _labels(facts: Facts, roles: _Roles, filled: int) -> tuple[tuple[str, ...], int]:
    """Labels, and the number of the first one's class."""
    shapes = {info.name.lower(): info.shape for info in facts.outputs}
    every = next((shape[-1] for name, shape in shapes.items() if "multiclass" in name), 0)
    offset = int(every > 1 or any(word in name for word in _EXTRA for name in shapes))
    given = facts.labels or file_labels(facts)
    count = named_classes(given)
    if not given:
        count = every - 1 if every > 1 else _UNKNOWN_CLASSES
    named = roles.names.get("classes", "")
    values = facts.values(named) if named else None
    numbers = values.reshape(-1)[:filled] if values is not None else np.zeros(0, np.float32)
    most = float(numbers.max()) if numbers.size else 0.0
    gaps = coco_with_gaps(given)
    if gaps and (most > count or "detection_classes" in named):
        count = len(gaps)
    if given and most == count and numbers.min() >= 1:
        offset = 1
    return class_labels(facts, count), offset


def _points(facts: Facts, rows: int) -> CandidatePoints | None:
    """Key points (1, rows, points, 2), y first, as CenterNet's export writes them."""
    found = [
        info
        for info in facts.outputs
        if len(info.shape) == 4 and info.shape[:2] == (1, rows) and info.shape[3] == 2
    ]
    if len(found) != 1:
        return None
    return CandidatePoints(numbered(found[0].shape[2]), found[0].name, axes="yx")


def _how(roles: _Roles) -> str:
    told = ", ".join(f"{role} in '{roles.names[role]}'" for role in _ROLES if role in roles.names)
    means = "metadata" if roles.noted else "values on a photo" if roles.by_values else "names"
    return f"shapes and {means} tell {told}"


def selected_indices(facts: Facts) -> Incomplete | None:
    """Graphs that end in ``NON_MAX_SUPPRESSION_V4`` or ``_V5``: numbers of boxes, not boxes."""
    if facts.graph is None:
        return None
    ops = [op for op in facts.graph.main.operators if op.code.startswith("NON_MAX_SUPPRESSION")]
    ends = [facts.producer(info.name) for info in facts.outputs]
    if not ops or not any(op in ops for op in ends):
        return None
    return Incomplete(
        "a detector that gives the numbers of selected boxes",
        {
            "boxes": "an output with four numbers for each box; it is not needed that they are"
            " selected",
            "scores": "an output with the scores of each of these boxes",
        },
        {"kind": "detect", "nms_iou": 0.5},
        (f"the op {ops[0].code} ends the model: its outputs are numbers of boxes",),
    )

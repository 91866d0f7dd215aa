"""Maps of classes: DeepLab, U-Net, selfie segmenters and nets of their kind.

Sources: DeepLab's exports end in ResizeBilinear and ArgMax, take −1 to 1 and call class 0 the
background (tensorflow/models, research/deeplab; google-coral/test_data); MediaPipe's image
segmenter interpolates the tensor to the frame, takes the highest column, and of a single one what
is over 0.5 (mediapipe/tasks, tensors_to_segmentation_calculator.cc); TensorFlow's U-Net tutorial
gives three columns without an activation for photos from 0 to 1.
"""

from __future__ import annotations

import math

from edgecnn.core.postprocess import SegmentSpec
from edgecnn.core.postprocess.base import Activation
from edgecnn.recognition.area_maps import AreaMap, State, area_maps, class_count, state_of
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels, file_labels, no_class

# Strides: of whole maps, of such that need no op that enlarges them, of such that cannot be grids
# of objects, of all.
_WHOLE, _NEARLY_WHOLE, _FINE, _COARSEST = 1.1, 2.25, 4.5, 16.5
_PASCAL = 21
_MOST_CLASSES = 1024
_SINGLE_NUMBERS = 16
_HALF = 0.5
_DEEPLAB = InputHabit("DeepLab (tensorflow/models)", "-1..1")
_UNIT = InputHabit("MediaPipe's segmenters and TensorFlow's U-Net", "0..1")
_NAMES = {
    "numbers": "segmentation, a map of class numbers",
    "several": "segmentation, scores of each class for every pixel",
    "one": "segmentation, a score of one class for every pixel",
}


def segmentation(facts: Facts) -> Recognised | Incomplete | None:
    """An output (1, rows, cols, classes) or (1, rows, cols) over the whole image.

    Beside it there may be single numbers (the quality score of MediaPipe's segmenters), and maps
    of scores that it was chosen from.
    """
    maps = [item for item in area_maps(facts) if max(item.stride) <= _COARSEST]
    states = [state_of(item, facts.metadata.activation) for item in maps]
    others = [info for info in facts.outputs if info.name not in {m.info.name for m in maps}]
    if not maps or any(math.prod(info.shape) > _SINGLE_NUMBERS for info in others):
        return None
    chosen = [k for k, (state, _) in enumerate(states) if state == "numbers"]
    place = chosen[0] if len(chosen) == 1 else 0
    found, (state, reason) = maps[place], states[place]
    if len(maps) > 1 and len(chosen) != 1:
        return _alike(facts, maps, [item for item, _ in states])
    evidence = (f"the output '{found.info.name}' {list(found.info.shape)}: {found.shown}", reason)
    if state == "numbers":
        return _numbers(facts, found, evidence)
    if found.columns == 1:
        return _one_class(facts, found, state, evidence)
    if 2 <= found.columns <= _MOST_CLASSES and _several(found, state, facts):
        return _classes(facts, found, state, evidence)
    return None


def _alike(facts: Facts, maps: list[AreaMap], states: list[State]) -> Incomplete | None:
    """Several maps of one size, each good for itself (U²-Net's side outputs)."""
    first, state = maps[0], states[0]
    shapes = {(item.rows, item.cols, item.columns, item.first) for item in maps}
    if len(shapes) > 1 or len(set(states)) > 1 or max(first.stride) > _WHOLE:
        return None
    one = first.columns == 1
    if not (state == "sigmoid" if one else _several(first, state, facts)):
        return None
    names = ", ".join(f"'{item.info.name}'" for item in maps)
    labels = ("foreground",) if one else _labels(facts, first.columns)[0]
    draft = {
        "kind": "segment",
        "labels": list(labels),
        "rows": first.rows,
        "cols": first.cols,
        "stride": list(first.stride),
        "transposed": first.first,
        "activation": "softmax" if state == "logits" else "none",
        "score_threshold": _HALF if one else 0.0,
    }
    missing = {"scores": f"which of {names} counts: the one that the net's authors show"}
    evidence = (f"{len(maps)} outputs {list(first.info.shape)}: {first.shown} each",)
    return Incomplete("segmentation, several maps alike", missing, draft, evidence, _UNIT)


def _numbers(
    facts: Facts, found: AreaMap, evidence: tuple[str, ...]
) -> Recognised | Incomplete | None:
    count = 0
    if found.op is not None and found.op.code == "ARG_MAX" and facts.graph is not None:
        count = class_count(facts.graph, found.op)
        evidence = (*evidence, f"it chooses among {count} classes")
    count = 2 if found.info.dtype == "bool" else count
    known = count or len(facts.labels or file_labels(facts))
    draft = {
        "kind": "segment",
        "scores": found.info.name,
        "rows": found.rows,
        "cols": found.cols,
        "stride": list(found.stride),
        "class_numbers": True,
    }
    if not 2 <= known <= _MOST_CLASSES:
        missing = {"labels": "one name per class, by number; background = 0 if the first is none"}
        return Incomplete(_NAMES["numbers"], missing, draft, evidence, _habit(known), sure=True)
    labels, background, more = _labels(facts, known)
    spec = SegmentSpec(
        found.info.name,
        labels,
        found.rows,
        found.cols,
        found.stride,
        class_numbers=True,
        background=background,
    )
    return Recognised(_NAMES["numbers"], spec, evidence + more, _habit(known), sure=bool(count))


def _one_class(
    facts: Facts, found: AreaMap, state: State, evidence: tuple[str, ...]
) -> Recognised | None:
    fine = max(found.stride) <= _FINE
    if state == "sigmoid" and fine:
        activation: Activation = "none"
    elif state == "logits" and fine and found.enlarged is not False:
        activation = "sigmoid"
    else:
        return None
    labels = class_labels(facts, 1)
    spec = SegmentSpec(
        found.info.name,
        ("foreground",) if labels == ("0",) else labels,
        found.rows,
        found.cols,
        found.stride,
        activation=activation,
        score_threshold=_HALF,
    )
    sure = found.op is not None and found.op.code == "LOGISTIC"
    return Recognised(_NAMES["one"], spec, evidence, _UNIT, sure=sure)


def _several(found: AreaMap, state: State, facts: Facts) -> bool:
    """Whether columns of such values are classes of a map, not of objects in a grid's cells."""
    stride = max(found.stride)
    if state == "softmax":
        return stride <= _NEARLY_WHOLE or found.enlarged is True
    named = len(facts.labels or file_labels(facts)) == found.columns
    if state == "sigmoid":
        # Three columns from 0 to 1 may be a picture, coarser ones heat maps of key points.
        return stride <= _WHOLE and (found.columns != 3 or named)
    if state != "logits":
        return False
    if stride > _FINE:
        # Three anchors' boxes, objectness and classes come in such numbers too.
        anchored = found.columns % 3 == 0 and found.columns >= 18 and found.columns != _PASCAL
        return found.enlarged is True and (named or not anchored)
    return stride <= _NEARLY_WHOLE or found.enlarged is not False


def _classes(facts: Facts, found: AreaMap, state: State, evidence: tuple[str, ...]) -> Recognised:
    labels, background, more = _labels(facts, found.columns)
    spec = SegmentSpec(
        found.info.name,
        labels,
        found.rows,
        found.cols,
        found.stride,
        found.first,
        background=background,
        activation="softmax" if state == "logits" else "none",
        score_threshold=_HALF if state == "sigmoid" else 0.0,
    )
    sure = found.op is not None and found.op.code == "SOFTMAX"
    name, habit = _NAMES["several"], _habit(found.columns)
    return Recognised(name, spec, evidence + more, habit, sure=sure)


def _labels(facts: Facts, count: int) -> tuple[tuple[str, ...], int, tuple[str, ...]]:
    """Names of the classes, the number of the background, and why it is one."""
    labels = class_labels(facts, count, background=True)
    if no_class(labels[0]):
        return labels, 0, (f"the first class is called '{labels[0]}': it is not reported",)
    plain = labels[0] == "0"
    if plain and count == _PASCAL:
        why = "21 classes are those of PASCAL VOC: the first is the background"
    elif plain and count == 2:
        why = "of two classes the first is taken as the background"
    else:
        return labels, -1, ()
    return ("background", *labels[1:]), 0, (why,)


def _habit(classes: int) -> InputHabit:
    return _DEEPLAB if classes == _PASCAL else _UNIT

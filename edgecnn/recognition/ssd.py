"""Raw heads of SSD, RetinaNet and EfficientDet: box codes and class scores against anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.recognition.facts import Facts, Real
from edgecnn.recognition.found import Answer, Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels, file_labels, no_class
from edgecnn.recognition.ssd_anchors import AnchorFamily, families
from edgecnn.recognition.traces import activated

_BOX = 4
_OVERLAP = 0.6
_LEAST_CANDIDATES = 16
_MOST_COLUMNS = 1 << 12
_BOX_WORDS = ("box_encoding", "box_regression", "box-predict", "boxpredictor", "box_net", "box-net")
_CLASS_WORDS = ("class", "score", "conf", "cls", "logit")
# Nearly all boxes that are decoded end after they begin, and lie in or near the image.
_ORDERED, _FAR = 0.99, 3.0
_PIXELS = 4.0


@dataclass(frozen=True)
class _Head:
    """The outputs of a head: one pair, or one per feature map.

    Attributes:
        pairs: (boxes, scores), in the order of the anchors.
        counts: candidates of each pair.
        columns: score columns of a candidate.
    """

    pairs: tuple[tuple[TensorInfo, TensorInfo], ...]
    counts: tuple[int, ...]
    columns: int


def raw_ssd(facts: Facts) -> Answer | None:
    """Box codes and scores, in two outputs or in two per feature map, for anchors that are known.

    Anchors that are not known are asked for where the outputs' names leave no doubt.
    """
    if facts.image is None:
        return None
    for family in families(*facts.size):
        head = _joined(facts) or _per_level(facts.outputs, family)
        if head is None or not _fits(facts, head, family):
            continue
        labels, background = _labels(facts, head.columns, family.background)
        if background != family.background and _rival(facts, family):
            continue
        return _recognised(facts, head, family, labels, background)
    return _without_anchors(facts)


def _fits(facts: Facts, head: _Head, family: AnchorFamily) -> bool:
    counts = family.counts
    if head.counts not in ((sum(counts),), counts):
        return False
    if len(head.pairs) > 1 and not family.levels:
        return False
    named = any("box_encoding" in boxes.name for boxes, _ in head.pairs)
    other = _rival(facts, family)
    if other is not None and named != ("TensorFlow" in family.name):
        return False  # as many anchors in another order: the exporter's names decide
    return not any(_decoded(facts.values(boxes.name), facts.size) for boxes, _ in head.pairs)


def _rival(facts: Facts, family: AnchorFamily) -> AnchorFamily | None:
    """Another family with the same counts."""
    same = (item for item in families(*facts.size) if item.counts == family.counts)
    return next((item for item in same if item.name != family.name), None)


def _recognised(
    facts: Facts, head: _Head, family: AnchorFamily, labels: tuple[str, ...], background: bool
) -> Recognised:
    boxes, scores = head.pairs[0]
    whole = len(head.pairs) == 1
    levels = family.levels
    if not whole:
        levels = tuple(
            replace(level, scores=pair[1].name, boxes=pair[0].name)
            for level, pair in zip(levels, head.pairs, strict=True)
        )
    done = [activated(facts, pair[1].name) for pair in head.pairs]
    spec = DetectSpec(
        scores.name if whole else "",
        boxes.name if whole else "",
        labels,
        levels,
        coding=family.coding,
        variances=family.variances,
        activation="none" if all(done) else family.activation,
        nms_iou=_OVERLAP,
        background=background,
        anchor_boxes=() if levels else family.boxes(),
    )
    columns = f"{head.columns} score columns"
    assumed = f"a {family.activation} is assumed, as this family uses it"
    return Recognised(
        f"a raw head, {family.name}",
        spec,
        (
            f"{family.described()}, as this family has at {facts.size[0]}×{facts.size[1]}",
            f"{columns}, the first of them the background" if background else columns,
            done[0] if all(done) else f"no op makes the scores probabilities: {assumed}",
        ),
        InputHabit(family.name, family.convention),
        (
            f"RetinaNets of others have {sum(family.counts)} anchors too, in another order: boxes"
            " that miss their objects mean that anchor_boxes is needed",
        )
        if _rival(facts, family)
        else (),
    )


def _joined(facts: Facts) -> _Head | None:
    """Two outputs (1, candidates, 4) and (1, candidates, columns), axes of 1 left out."""
    if len(facts.outputs) != 2:
        return None
    shapes = [_plain(info.shape) for info in facts.outputs]
    if any(len(shape) not in (1, 2) for shape in shapes) or shapes[0][0] != shapes[1][0]:
        return None
    count = shapes[0][0]
    columns = [shape[1] if len(shape) == 2 else 1 for shape in shapes]
    fours = [place for place in (0, 1) if columns[place] == _BOX]
    if not fours or count < _LEAST_CANDIDATES or max(columns) > _MOST_COLUMNS:
        return None
    place = fours[0]
    if len(fours) == 2:
        sure = [_scores_like(facts, info) for info in facts.outputs]
        if sure[0] == sure[1]:
            return None
        place = sure.index(False)
    pair = (facts.outputs[place], facts.outputs[1 - place])
    return _Head((pair,), (count,), columns[1 - place])


def _scores_like(facts: Facts, info: TensorInfo) -> bool:
    name = info.name.lower()
    if any(word in name for word in ("box", "loc", "reg")):
        return False
    return any(word in name for word in _CLASS_WORDS) or bool(activated(facts, info.name))


def _per_level(outputs: Sequence[TensorInfo], family: AnchorFamily) -> _Head | None:
    """Two outputs (1, rows, cols, anchors · 4) and (1, rows, cols, anchors · columns) per map."""
    if len(outputs) != 2 * len(family.grids):
        return None
    pairs, columns = [], set()
    for grid in family.grids:
        own = [info for info in outputs if info.shape[:-1] == (1, grid.rows, grid.cols)]
        anchors = len(grid.sizes)
        boxes = [info for info in own if info.shape[-1] == anchors * _BOX]
        if len(own) != 2 or len(boxes) != 1:
            return None
        scores = own[1 - own.index(boxes[0])]
        if scores.shape[-1] % anchors:
            return None
        columns.add(scores.shape[-1] // anchors)
        pairs.append((boxes[0], scores))
    if len(columns) != 1:
        return None
    return _Head(tuple(pairs), family.counts, columns.pop())


def _plain(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _decoded(values: Real | None, size: tuple[int, int]) -> bool:
    """Whether they are boxes rather than codes: each ends after it begins, in or near the image."""
    if values is None or values.size % _BOX or not values.size:
        return False
    rows = values.reshape(-1, _BOX)
    ordered = (rows[:, 2:] >= rows[:, :2]).all(axis=1).mean()
    far = _FAR * max(*size, 1)
    inside = (abs(rows) <= far).all(axis=1).mean()
    return bool(ordered >= _ORDERED and inside >= _ORDERED)


def _labels(facts: Facts, columns: int, usual: bool) -> tuple[tuple[str, ...], bool]:
    """Labels, and whether the first column is the background: as many names as columns decide."""
    given = facts.labels or file_labels(facts)
    background = usual and columns > 1
    if given and columns > 1:
        none_first = no_class(given[0])
        if len(given) == columns:
            background = none_first
        elif len(given) == columns - 1 and not none_first:
            background = True
    return class_labels(facts, columns - background), background


def _without_anchors(facts: Facts) -> Incomplete | None:
    """Outputs that are called like codes of boxes, for anchors that nobody knows."""
    head = _joined(facts)
    if head is None:
        return None
    boxes, scores = head.pairs[0]
    name = boxes.name.lower()
    if not any(word in name for word in _BOX_WORDS) or _decoded(
        facts.values(boxes.name), facts.size
    ):
        return None
    count = head.counts[0]
    labels, background = _labels(facts, head.columns, True)
    return Incomplete(
        "a raw SSD head",
        {
            "anchor_boxes": f"centre x, y, width and height in input pixels of each of the {count}"
            " anchors, in the order of the candidates"
        },
        {
            "kind": "detect",
            "scores": scores.name,
            "boxes": boxes.name,
            "labels": list(labels),
            "levels": [],
            "coding": "center-size",
            "variances": [0.1, 0.1, 0.2, 0.2],
            "activation": "none" if activated(facts, scores.name) else "sigmoid",
            "background": background,
            "nms_iou": _OVERLAP,
        },
        (
            f"'{boxes.name}' holds codes of {count} boxes, '{scores.name}' {head.columns} scores"
            " each",
            f"no family of anchors that is known has {count} at {facts.size[0]}×{facts.size[1]}",
        ),
        InputHabit("TensorFlow's object detection models", "-1..1"),
    )


def decoded_ssd(facts: Facts) -> Recognised | None:
    """Exports of SSD that decode their boxes and leave the suppression: pytorch-ssd, UltraFace."""
    head = _joined(facts)
    if head is None or min(facts.size) < 1:
        return None
    boxes, scores = head.pairs[0]
    values = facts.values(boxes.name)
    found = [item for item in families(*facts.size) if (sum(item.counts),) == head.counts]
    family = next((item for item in found if item.coding == "center-exp"), None)
    if family is None or values is None or not _decoded(values, facts.size):
        return None
    labels, background = _labels(facts, head.columns, family.background)
    pixels = float(abs(values).max()) > _PIXELS
    done = activated(facts, scores.name)
    spec = DetectSpec(
        scores.name,
        boxes.name,
        labels,
        (),
        coding="xyxy",
        activation="none" if done else family.activation,
        nms_iou=_OVERLAP,
        background=background,
        box_units=(1.0, 1.0) if pixels else (float(facts.size[0]), float(facts.size[1])),
        decoded_boxes=head.counts[0],
    )
    unit = "pixels" if pixels else "shares of the image"
    return Recognised(
        f"decoded boxes, {family.name}",
        spec,
        (
            f"{family.described()}, as this family has at {facts.size[0]}×{facts.size[1]}",
            f"'{boxes.name}' holds corners in {unit}, x first as this family writes them",
            *([done] if done else []),
        ),
        InputHabit(family.name, family.convention),
    )


def noted_detector(facts: Facts) -> Recognised | None:
    """MediaPipe Model Maker's detectors: the file's metadata holds anchors and decoding options.

    Source: google-ai-edge/mediapipe ``tasks/cc/vision/utils``/``components`` (detection
    postprocessing): codes are y, x, height, width over their scales against fixed anchors.
    """
    note = facts.metadata.detector
    if note is None or not note.exponential_size or note.keypoints or not len(note.anchors):
        return None
    if min(note.scale_xywh) <= 0 or note.anchors[:, 2:].min() <= 0:
        return None
    count = len(note.anchors)
    boxes = [info for info in facts.outputs if _plain(info.shape) == (count, note.coords)]
    scores = [info for info in facts.outputs if _plain(info.shape) == _plain((count, note.classes))]
    if note.coords == note.classes == _BOX:
        scores = [info for info in scores if _scores_like(facts, info)]
        boxes = [info for info in boxes if info not in scores]
    if len(boxes) != 1 or len(scores) != 1 or note.coords != _BOX or min(facts.size) < 1:
        return None
    width, height = facts.size
    scale_x, scale_y, scale_w, scale_h = note.scale_xywh
    anchors = tuple(
        (float(x) * width, float(y) * height, float(w) * width, float(h) * height)
        for x, y, w, h in note.anchors
    )
    spec = DetectSpec(
        scores[0].name,
        boxes[0].name,
        class_labels(facts, note.classes),
        (),
        coding="center-size",
        variances=(1 / scale_y, 1 / scale_x, 1 / scale_h, 1 / scale_w),
        activation="sigmoid" if note.sigmoid_scores else "none",
        nms_iou=0.3,
        anchor_boxes=anchors,
    )
    return Recognised(
        "a detector of MediaPipe Model Maker",
        spec,
        (
            f"the file's metadata holds {count} anchors and how boxes are decoded",
            f"'{boxes[0].name}' holds their boxes, '{scores[0].name}' {note.classes} scores each",
        ),
        InputHabit("MediaPipe Model Maker", "-1..1"),
        sure=True,
    )

"""Heads with anchors whose levels are outputs of their own: YOLOv2, v3, v4, v5, v7 before decoding.

A cell's values are those of its anchors, one after the other: x, y, w, h, objectness, classes. The
coding is told by the network's ops, since outputs look the same: v3 and v4 have leaky ReLUs (v4
also Mish), v5 SiLUs and residual additions, v7 SiLUs and none. Anchors are the published ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

from edgecnn.core.conventions import image_channels
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.postprocess import to_json as spec_json
from edgecnn.recognition import yolo_known as known
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.yolo_columns import COCO_CLASSES, probabilities
from edgecnn.recognition.yolo_known import ARM, DARKNET, ST, V5, Anchors, YoloFamily
from edgecnn.recognition.yolo_maps import LevelMaps, layout_of, maps_of

_MANY = 8
_VOC_CLASSES = 20
_V2_ANCHORS = 5
_ANCHORS = 3
_WHAT = "of each level, (width, height) of the anchors in input pixels, in the model's order"


@dataclass(frozen=True)
class _Head:
    """A published head: its name, anchors of each level in input pixels, coding and defaults."""

    name: str
    anchors: tuple[Anchors, ...]
    coding: Literal["anchor-exp", "anchor-square"]
    family: YoloFamily
    why: str


def yolo_anchors(facts: Facts) -> Recognised | Incomplete | None:
    """One output a level, of three anchors' values (or five, on one level: YOLOv2)."""
    maps = maps_of(facts)
    if maps is None or len(maps.widths) != 1:
        return None
    item = maps.by_level[0][0]
    if len(maps.grids.levels) == 1 and item.anchors in (1, _V2_ANCHORS):
        return _version_2(facts, maps)
    if len(maps.grids.levels) < 2 or item.anchors not in (1, _ANCHORS):
        return None
    told = layout_of(facts, maps)
    if told is None or told[0] != "anchors":
        return None
    classes = told[1]
    if item.first and item.anchors == 1:
        return _channels_first(facts, maps, classes)
    values = maps.values(0)
    if values is not None and probabilities(values):
        return _after_sigmoid(facts, maps, classes)
    head = _fastest_face(facts, maps, classes) or _published(facts, maps)
    spec = _spec(facts, maps, classes, head, V5)
    evidence = _evidence(maps, classes)
    if head is None:
        return _without_anchors(spec, evidence)
    return Recognised(
        head.name,
        spec,
        (*evidence, head.why),
        head.family.habit,
        _own_anchors(head.name, classes),
    )


def _version_2(facts: Facts, maps: LevelMaps) -> Recognised | Incomplete | None:
    classes, extra = divmod(maps.widths[0], _V2_ANCHORS)
    classes -= 5
    level = maps.grids.levels[0]
    item = maps.by_level[0][0]
    if extra or classes < 1 or level.stride not in (16, 32) or item.first:
        return None
    values = maps.values(0)
    if values is None or probabilities(values):
        return None
    head = _published_2(facts, maps, classes)
    spec = _spec(facts, maps, classes, head, DARKNET, per_cell=_V2_ANCHORS)
    spec = replace(spec, activation="softmax", coding="anchor-exp")
    evidence = (
        f"the output '{item.info.name}' {list(item.info.shape)}: {maps.grids.text},"
        f" {_V2_ANCHORS} anchors of 5 + {classes} values each",
    )
    if head is None:
        return _without_anchors(spec, evidence, "a YOLOv2 head", coding_known=True)
    return Recognised(
        head.name,
        spec,
        (*evidence, head.why),
        head.family.habit,
        _own_anchors(head.name, classes),
    )


def _published_2(facts: Facts, maps: LevelMaps, classes: int) -> _Head | None:
    level, (width, height) = maps.grids.levels[0], facts.size
    cells, name, why = None, "YOLOv2 head", f"{classes} classes"
    if level.stride == 32 and classes == COCO_CLASSES:
        cells, why = known.V2_COCO, "80 classes: the anchors of yolov2.cfg"
    elif level.stride == 32 and classes == _VOC_CLASSES and facts.graph is not None:
        convolutions = _ops(facts)["CONV_2D"]
        tiny = convolutions < 16  # 9 and 23
        cells = known.V2_TINY_VOC if tiny else known.V2_VOC
        config = "yolov2-tiny-voc.cfg" if tiny else "yolov2-voc.cfg"
        why = f"20 classes and {convolutions} convolutions: the anchors of {config}"
    if cells is not None:
        pixels = tuple((x * level.stride, y * level.stride) for x, y in cells)
        return _Head(name, (pixels,), "anchor-exp", DARKNET, why)
    if classes != 1:
        return None
    pixels = tuple((x * width, y * height) for x, y in known.ST_PERSON)
    why = "one class: the anchors of ST's person detectors (tiny YOLOv2, st_yolo_lc)"
    return _Head("YOLOv2 head of ST's model zoo", (pixels,), "anchor-exp", ST, why)


def _fastest_face(facts: Facts, maps: LevelMaps, classes: int) -> _Head | None:
    """The one face detector of that size that Arm and its partners hand out."""
    strides = tuple(int(level.stride) for level in maps.grids.levels)
    gray = facts.image is not None and image_channels(facts.image.shape) == 1
    if strides != (16, 32) or classes != 1 or not gray or facts.size != (192, 192):
        return None
    return _Head(
        "YOLO-Fastest face head (Arm's evaluation kit)", known.FASTEST_FACE, "anchor-exp", ARM,
        "a gray input of 192 × 192, two levels and one class: yolo-fastest_192_face_v4",
    )  # fmt: skip


def _published(facts: Facts, maps: LevelMaps) -> _Head | None:
    """The head that goes with levels and ops; None: none for sure."""
    strides = tuple(int(level.stride) for level in maps.grids.levels)
    ops = _ops(facts)
    leaky, smooth = ops["LEAKY_RELU"] >= _MANY, _silus(ops)
    residual = ops["ADD"] >= 2
    said = ", ".join(f"{ops[code]} {code}" for code in _TELLING if ops[code])
    if strides == (8, 16, 32, 64) and smooth:
        return _Head(
            "YOLOv5 P6 head, boxes not decoded", known.P6, "anchor-square", V5,
            f"four levels and {said}: YOLOv5 P6 or v7-W6, which share their anchors",
        )  # fmt: skip
    if strides == (16, 32) and leaky:
        three = ops["MAX_POOL_2D"] >= 5
        name, anchors = ("v3", known.V3_TINY) if three else ("v4", known.V4_TINY)
        return _Head(
            f"YOLO{name}-tiny head, boxes not decoded", anchors, "anchor-exp", DARKNET,
            f"two levels and {said}: yolo{name}-tiny.cfg",
        )  # fmt: skip
    if strides != (8, 16, 32):
        return None
    if smooth and residual:
        return _Head(
            "YOLOv5 head, boxes not decoded", known.P5, "anchor-square", V5,
            f"{said}: SiLU and residual additions, as in YOLOv5",
        )  # fmt: skip
    if smooth:
        return _Head(
            "YOLOv7 head, boxes not decoded", known.V7, "anchor-square", V5,
            f"{said}: SiLU without residual additions, as in YOLOv7",
        )  # fmt: skip
    if leaky and not residual and ops["MAX_POOL_2D"]:
        return _Head(
            "YOLOv7-tiny head, boxes not decoded", known.P5, "anchor-square", V5,
            f"{said}: leaky ReLU without residual additions, as in YOLOv7-tiny",
        )  # fmt: skip
    if leaky and residual and not ops["MAX_POOL_2D"] and not ops["TANH"]:
        return _Head(
            "YOLOv3 head, boxes not decoded", known.P5, "anchor-exp", DARKNET,
            f"{said}: leaky ReLU, residual additions and no pooling, as in yolov3.cfg",
        )  # fmt: skip
    if residual and ops["TANH"] >= _MANY:
        return _Head(
            "YOLOv4 head, boxes not decoded", known.V7, "anchor-exp", DARKNET,
            f"{said}: Mish and residual additions, as in yolov4.cfg",
        )  # fmt: skip
    return None


_TELLING = ("LEAKY_RELU", "LOGISTIC", "HARD_SWISH", "TANH", "ADD", "MAX_POOL_2D")


def _silus(ops: Counter[str]) -> bool:
    return min(ops["LOGISTIC"], ops["MUL"]) >= _MANY or ops["HARD_SWISH"] >= _MANY


def _ops(facts: Facts) -> Counter[str]:
    if facts.graph is None:
        return Counter()
    return Counter(op.code for op in facts.graph.main.operators)


def _spec(
    facts: Facts,
    maps: LevelMaps,
    classes: int,
    head: _Head | None,
    default: YoloFamily,
    per_cell: int = _ANCHORS,
) -> DetectSpec:
    """The spec; without a published head with anchors that stand for none."""
    family = head.family if head is not None else default
    levels = []
    for place, level in enumerate(maps.grids.levels):
        name = maps.by_level[place][0].info.name
        anchors = head.anchors[place] if head is not None else ((1.0, 1.0),) * per_cell
        floats = tuple((float(width), float(height)) for width, height in anchors)
        levels.append(
            replace(
                level,
                anchors=floats,
                scores=name,
                boxes=name,
                objectness=name,
                anchors_first=maps.by_level[place][0].first,
            )
        )
    values = maps.values(0)
    step = 5 + classes
    ready = values is not None and probabilities(
        values.reshape(-1, step)[:, 4:], maps.by_level[0][0].info.scale
    )
    return DetectSpec(
        scores="",
        boxes="",
        labels=class_labels(facts, classes),
        levels=tuple(levels),
        coding=head.coding if head is not None else "anchor-square",
        activation="none" if ready else "sigmoid",
        score_threshold=family.score,
        nms_iou=family.iou,
        max_detections=family.most,
        score_column=5,
        objectness_column=4,
    )


def _evidence(maps: LevelMaps, classes: int) -> tuple[str, ...]:
    return (
        f"{len(maps.by_level)} outputs: {maps.grids.text}, of {_ANCHORS} anchors with 5 + {classes}"
        " values each",
    )


def _own_anchors(name: str, classes: int) -> tuple[str, ...]:
    if classes == COCO_CLASSES:
        return ()
    return (
        f"the anchors are the published ones ({name}); if training chose its own, give them in"
        " postprocess.levels.anchors",
    )


def _without_anchors(
    spec: DetectSpec,
    evidence: tuple[str, ...],
    name: str = "a YOLO head with anchors, boxes not decoded",
    *,
    coding_known: bool = False,
) -> Incomplete:
    draft: dict[str, Any] = {k: v for k, v in spec_json(spec).items() if k != "schema"}
    draft["levels"] = [
        {key: value for key, value in level.items() if key != "anchors"}
        for level in draft["levels"]
    ]
    missing = {"levels.anchors": _WHAT}
    if not coding_known:
        del draft["coding"]
        missing["coding"] = "anchor-square (YOLOv5, v7) or anchor-exp (YOLOv3, v4)"
    return Incomplete(name, missing, draft, evidence, V5.habit)


def _after_sigmoid(facts: Facts, maps: LevelMaps, classes: int) -> Incomplete:
    """Maps whose boxes went through their sigmoid in the graph, which no coding undoes."""
    draft = {"kind": "detect", "labels": list(class_labels(facts, classes))}
    what = (
        "all values are from 0 to 1: the sigmoid of the boxes is done in the graph, which no coding"
        " reads; export the model with its boxes decoded"
    )
    name = "a YOLO head with anchors, boxes not decoded"
    return Incomplete(name, {"coding": what}, draft, _evidence(maps, classes), V5.habit)


def _channels_first(facts: Facts, maps: LevelMaps, classes: int) -> Incomplete:
    """(1, anchors · values, rows, cols), which no spec says."""
    draft = {"kind": "detect", "labels": list(class_labels(facts, classes))}
    what = "outputs with channels first cannot be read: export the model with its boxes decoded"
    name = "a YOLO head with anchors, boxes not decoded"
    return Incomplete(name, {"levels": what}, draft, _evidence(maps, classes), V5.habit)

"""Anchor-free heads whose levels are outputs of their own, boxes not decoded.

YOLOv8's ``Detect.forward`` cut before its decoding (four distributions over 16 values, then the
classes: one tensor a level, or two, as for Hailo and Rockchip; with 17 values a key point for pose
heads), NanoDet and PicoDet (two tensors a level, distributions over 8 values), YOLOX (three tensors
a level, or one), and ST's st_yoloxn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgecnn.core.postprocess import CandidatePoints, DetectSpec, GridLevel
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.points import numbered
from edgecnn.recognition.yolo_columns import probabilities, refuse_rotated
from edgecnn.recognition.yolo_known import NANODET, PICODET, ST, ST_YOLOX, V8, YOLOX, YoloFamily
from edgecnn.recognition.yolo_maps import LevelMaps, layout_of, maps_of

_DFL = 16
_BINS = (16, 8, 17)
_POSE_NUMBERS = 3
_MOST_CELLS, _MOST_LOG = 40.0, 8.0


@dataclass(frozen=True)
class _Places:
    """Which of a level's outputs is what; −1: none."""

    boxes: int
    scores: int
    objectness: int = -1
    points: int = -1


def yolo_levels(facts: Facts) -> Recognised | None:
    """One rule for all anchor-free heads by level."""
    maps = maps_of(facts)
    if maps is None or len(maps.grids.levels) < 2 or any(m.anchors > 1 for m in maps.all_of(0)):
        return None
    refuse_rotated(facts.metadata.ultralytics)
    if len(maps.widths) == 1:
        return _joined(facts, maps)
    return _distributed(facts, maps) or _yolox(facts, maps)


def _joined(facts: Facts, maps: LevelMaps) -> Recognised | None:
    """Boxes and scores in one tensor a level: YOLOv8, YOLOX or ST's."""
    values, told = maps.values(0), layout_of(facts, maps)
    if values is None or told is None or told[0] == "anchors":
        return None
    layout, classes = told
    if layout == "distributions":
        ready = probabilities(values[:, 4 * _DFL :])
        return _dfl(facts, maps, _Places(0, 0), classes, _DFL, ready)
    codes = values[:, :4]
    if probabilities(values[:, 4:]):
        in_cells = abs(codes[:, :2]).max() <= _MOST_CELLS and abs(codes[:, 2:]).max() <= _MOST_LOG
        return _in_cells(facts, maps, _Places(0, 0, 0), classes, True) if in_cells else None
    return _st(facts, maps, classes)


def _distributed(facts: Facts, maps: LevelMaps) -> Recognised | None:
    """Boxes as distributions in an output of their own, beside scores."""
    widths = maps.widths
    for bins in _BINS:
        wide = [place for place, width in enumerate(widths) if width == 4 * bins]
        codes = [place for place in wide if not _scores_like(maps, place)]
        places = _beside(facts, maps, codes[0]) if len(codes) == 1 else None
        if places is None or maps.values(codes[0]) is None:
            continue
        ready = _scores_like(maps, places.scores)
        return _dfl(facts, maps, places, widths[places.scores], bins, ready)
    return None


def _beside(facts: Facts, maps: LevelMaps, boxes: int) -> _Places | None:
    """The scores, and key points, beside the distributions."""
    others = [place for place in range(len(maps.widths)) if place != boxes]
    if len(others) == 1:
        return _Places(boxes, others[0])
    if len(others) != 2:
        return None
    (first, second), widths = others, maps.widths
    maker = facts.metadata.ultralytics
    shape = maker.keypoint_shape if maker is not None else None
    pose = shape[0] * shape[1] if shape else _POSE_NUMBERS * 17
    if widths[second] == 1 and widths[first] == pose:
        return _Places(boxes, second, points=first)
    if widths[second] == 1:
        return _Places(boxes, first)  # Rockchip's exports add the sum of the scores
    return None


def _dfl(
    facts: Facts, maps: LevelMaps, places: _Places, classes: int, bins: int, ready: bool
) -> Recognised:
    family, name = _publisher(maps, bins)
    text = f"{4 * bins} columns: four distances as distributions over {bins} values"
    points = None
    if places.points >= 0:
        count = maps.widths[places.points] // _POSE_NUMBERS
        points = CandidatePoints(
            numbered(count), values=_POSE_NUMBERS, coding="cell", activation="sigmoid"
        )
        text += f"; {count} key points of {_POSE_NUMBERS} numbers each"
    spec = replace(
        _spec(facts, maps, places, classes, family, ready, points=points),
        coding="ltrb",
        bins=bins,
        score_column=4 * bins if places.scores == places.boxes else 0,
    )
    return Recognised(name, spec, _evidence(maps, text, classes, ready), family.habit)


def _publisher(maps: LevelMaps, bins: int) -> tuple[YoloFamily, str]:
    if bins == _DFL:
        return V8, "YOLOv8 head (v8, v9, v11, v12), levels apart, boxes not decoded"
    if bins == 8 and len(maps.grids.levels) == 4:
        return PICODET, "PicoDet head, levels apart"
    if bins == 8:
        return NANODET, "NanoDet head, levels apart"
    return V8, "a head of distributions, levels apart, boxes not decoded"


def _yolox(facts: Facts, maps: LevelMaps) -> Recognised | None:
    """Boxes, objectness and classes as three outputs a level."""
    widths = maps.widths
    if len(widths) != 3 or 4 not in widths or 1 not in widths:
        return None
    fours = [place for place, width in enumerate(widths) if width == 4]
    codes = [place for place in fours if not _scores_like(maps, place)]
    if len(codes) != 1:
        return None
    boxes, objectness = codes[0], len(widths) - 1
    scores = next(place for place in range(3) if place not in (boxes, objectness))
    values, present = maps.values(boxes), maps.values(objectness)
    if values is None or present is None:
        return None
    if abs(values[:, :2]).max() > _MOST_CELLS or abs(values[:, 2:]).max() > _MOST_LOG:
        return None
    ready = probabilities(present) and _scores_like(maps, scores)
    return _in_cells(facts, maps, _Places(boxes, scores, objectness), widths[scores], ready)


def _scores_like(maps: LevelMaps, place: int) -> bool:
    values = maps.values(place)
    return values is not None and probabilities(values)


def _in_cells(
    facts: Facts, maps: LevelMaps, places: _Places, classes: int, ready: bool
) -> Recognised:
    spec = replace(_spec(facts, maps, places, classes, YOLOX, ready), coding="cell-exp")
    if places.scores == places.boxes:
        spec = replace(spec, objectness_column=4, score_column=5)
    text = "x, y in cells and logarithms of the sizes, and an objectness"
    name = "YOLOX head, levels apart, boxes not decoded"
    return Recognised(name, spec, _evidence(maps, text, classes, ready), YOLOX.habit)


def _st(facts: Facts, maps: LevelMaps, classes: int) -> Recognised:
    """ST's st_yoloxn: YOLOv2's formulas with one anchor a level, half the input's size."""
    width, height = facts.size
    anchors = tuple((x * width, y * height) for x, y in ST_YOLOX)
    spec = _spec(facts, maps, _Places(0, 0, 0), classes, ST, False, anchors)
    spec = replace(
        spec,
        coding="anchor-exp",
        activation="softmax",
        objectness_column=4,
        score_column=5,
    )
    text = (
        "codes before their sigmoid, one candidate a cell: ST's st_yoloxn, whose anchor is half the"
        f" input's size, {anchors[0][0]:g} × {anchors[0][1]:g}"
    )
    name = "ST's YOLOX (st_yoloxn), levels apart"
    return Recognised(name, spec, _evidence(maps, text, classes, False), ST.habit)


def _spec(
    facts: Facts,
    maps: LevelMaps,
    places: _Places,
    classes: int,
    family: YoloFamily,
    ready: bool,
    anchors: tuple[tuple[float, float], ...] = (),
    points: CandidatePoints | None = None,
) -> DetectSpec:
    """All but the coding and the columns."""
    levels = tuple(
        _named(level, outputs, places, anchors)
        for level, outputs in zip(maps.grids.levels, _names(maps), strict=True)
    )
    return DetectSpec(
        scores="",
        boxes="",
        labels=class_labels(facts, classes),
        levels=levels,
        activation="none" if ready else "sigmoid",
        score_threshold=family.score,
        nms_iou=family.iou,
        max_detections=family.most,
        transposed=maps.by_level[0][0].first,
        keypoints=points,
    )


def _names(maps: LevelMaps) -> list[list[str]]:
    return [[item.info.name for item in level] for level in maps.by_level]


def _named(
    level: GridLevel,
    names: list[str],
    places: _Places,
    anchors: tuple[tuple[float, float], ...],
) -> GridLevel:
    return replace(
        level,
        anchors=anchors,
        boxes=names[places.boxes],
        scores=names[places.scores],
        objectness=names[places.objectness] if places.objectness >= 0 else "",
        keypoints=names[places.points] if places.points >= 0 else "",
    )


def _evidence(maps: LevelMaps, boxes: str, classes: int, ready: bool) -> tuple[str, ...]:
    widths = " and ".join(str(width) for width in maps.widths)
    said = "from 0 to 1" if ready else "before their sigmoid"
    return (
        f"{sum(map(len, maps.by_level))} outputs: {maps.grids.text}, of {widths} columns each",
        f"boxes are {boxes}",
        f"{classes} classes, {said}",
    )

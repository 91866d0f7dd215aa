"""Heat maps of objects' centres with maps of sizes: CenterNet, TTFNet, CenterFace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecnn.core.postprocess import CenterPoints, CenterSpec, GridLevel, Skeleton, to_json
from edgecnn.core.postprocess.base import Axes
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Incomplete, InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.points import COCO
from edgecnn.recognition.pose_outputs import (
    GridMap,
    PlacedMaps,
    grids,
    hints,
    is_probability,
    says,
    usual,
)

_HEAT = ("heat", "hm", "center", "centre")
_SIZE = ("wh", "size", "scale", "height_width", "width_height")
_OFFSET = ("reg", "off")
# TensorFlow Object Detection's CenterNet names its heads so, and writes height and y first.
_TF_OD = ("object_center", "box/scale", "box/offset", "box_scale", "box_offset")
_LANDMARKS, _BODY = 10, len(COCO.names)
_FACE_POINTS = Skeleton(
    ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
)
_FACE = InputHabit("CenterFace: RGB, 0..255, stretched", "0..255")
_LITE = InputHabit("Qualcomm's FaceDetLite: gray, 0..1, letterboxed", "0..1", "letterbox")
# Its own mean and deviation, in BGR, are within 0.03 of ImageNet's.
_NET = InputHabit(
    "CenterNet's code: BGR, normalised about as ImageNet", "imagenet", "letterbox", colour="bgr"
)
_TTF = InputHabit("TTFNet in MMDetection: RGB, ImageNet's normalisation", "imagenet")
_STRIDES = (4, 2, 8)


@dataclass(frozen=True)
class _Head:
    """What each map of a head holds."""

    heat: GridMap
    size: GridMap
    offset: GridMap
    why: str


def centers(facts: Facts) -> Answer | None:
    """Maps of one grid: classes, 2 or 4 sizes, 2 offsets, landmarks of a face."""
    for on in grids(facts, _STRIDES):
        if len(on.maps) != len(facts.outputs):
            continue
        widths = sorted(item.channels for item in on.maps)
        answer: Answer | None = None
        if widths == [1, 2, 2, _LANDMARKS]:
            answer = _center_face(facts, on)
        elif widths == [1, 4, _LANDMARKS]:
            answer = _face_det_lite(facts, on)
        elif widths == [1, 2, 2, 2, _BODY, 2 * _BODY]:
            answer = _center_pose(facts, on)
        elif len(widths) == 3 and widths.count(2) >= 2:
            answer = _center_net(facts, on)
        elif len(widths) == 2 and 4 in widths:
            answer = _ttf_net(facts, on)
        if answer is not None:
            return answer
    return None


def _level(on: PlacedMaps) -> GridLevel:
    return GridLevel(*on.grid, float(on.stride))


def _center_net(facts: Facts, on: PlacedMaps) -> Answer | None:
    level = _level(on)
    head, unsure = _sorted_out(facts, on.maps)
    if head is None:
        return None
    heat, size, offset = head.heat, head.size, head.offset
    probability = is_probability(facts, heat.name)
    labels = class_labels(facts, heat.channels)
    axes: Axes = "xy"
    order = "width and x first, as in CenterNet's own code"
    warnings: tuple[str, ...] = ()
    if any(says(facts, info.name, *_TF_OD) for info in on.maps):
        axes, order = "yx", "height and y first, as TensorFlow Object Detection writes them"
    elif not any(says(facts, info.name, "wh", "width_height") for info in on.maps):
        warnings = (
            f"sizes and offsets are taken as {order}: the file does not say (axes = 'yx' turns it)",
        )
    pixels, seen = _in_pixels(facts, size, level)
    spec = CenterSpec(
        heat.name,
        size.name,
        labels,
        level,
        offsets=offset.name,
        size_unit=1.0 if pixels else level.stride,
        axes=axes,
        activation="none" if probability else "sigmoid",
        transposed=on.transposed,
    )
    evidence = (
        _grid_shown(level, heat, probability),
        f"'{size.name}' holds sizes, '{offset.name}' offsets: {head.why}",
        f"sizes are {'input pixels' if pixels else 'cells'}{seen}; {order}",
    )
    if unsure:
        draft = {key: item for key, item in to_json(spec).items() if key not in _UNKNOWN}
        missing = {
            "sizes": "which output of two channels holds widths and heights",
            "offsets": "which one holds the offsets of the centres",
        }
        return Incomplete("centre heat maps (CenterNet)", missing, draft, evidence[:1], _NET)
    return Recognised("centre heat maps (CenterNet)", spec, evidence, _habit(axes), warnings)


def _center_pose(facts: Facts, on: PlacedMaps) -> Recognised | None:
    pairs = {item.name: hints(facts, item.name) for item in on.of(2)}
    size = [name for name, names in pairs.items() if "wh" in names]
    moved = [name for name, names in pairs.items() if "reg" in names]
    if len(size) != 1 or len(moved) != 1 or size == moved:
        return None
    level, (heat,), (marks,) = _level(on), on.of(1), on.of(2 * _BODY)
    probability = is_probability(facts, heat.name)
    spec = CenterSpec(
        heat.name,
        size[0],
        ("person",),
        level,
        offsets=moved[0],
        size_unit=level.stride,
        activation="none" if probability else "sigmoid",
        transposed=on.transposed,
        landmarks=CenterPoints(COCO, marks.name),
    )
    evidence = (
        _grid_shown(level, heat, probability),
        f"'{size[0]}' holds sizes, '{moved[0]}' offsets: by their names; in cells, x first",
        f"'{marks.name}' leads from each cell to {_BODY} points, in cells",
    )
    warnings = ("points are not drawn to the peaks of their own heat maps",)
    return Recognised("centre heat maps (CenterNet, poses)", spec, evidence, _NET, warnings)


def _habit(axes: Axes) -> InputHabit | None:
    """TensorFlow Object Detection normalises within the model, or as its backbone wants."""
    return _NET if axes == "xy" else None


_UNKNOWN = ("schema", "sizes", "offsets")


def _sorted_out(facts: Facts, infos: Sequence[GridMap]) -> tuple[_Head | None, bool]:
    """Which map is which by channels, names and values; and whether that is unsure."""
    pairs = [info for info in infos if info.channels == 2]
    if len(pairs) == 3:
        heat = [info for info in pairs if says(facts, info.name, *_HEAT)]
        if len(heat) != 1:
            return None, True
    else:
        heat = [info for info in infos if info.channels != 2]
    first, second = (info for info in pairs if info is not heat[0])
    for one, other in ((first, second), (second, first)):
        sized = says(facts, one.name, *_SIZE) and not says(facts, other.name, *_SIZE)
        moved = says(facts, other.name, *_OFFSET) and not says(facts, one.name, *_OFFSET)
        if sized or moved:
            return _Head(heat[0], one, other, "by their names"), False
    reach = [_reach(facts, info) for info in (first, second)]
    if min(reach) <= 1.5 and max(reach) > 3 * max(min(reach), 0.1):
        large = int(np.argmax(reach))
        size, offset = (first, second)[large], (second, first)[large]
        why = f"sizes reach {reach[large]:.3g}, offsets {reach[1 - large]:.3g}"
        return _Head(heat[0], size, offset, why), False
    return _Head(heat[0], first, second, ""), True


def _ttf_net(facts: Facts, on: PlacedMaps) -> Recognised | None:
    level, infos = _level(on), on.maps
    sizes = [info for info in infos if info.channels == 4]
    if len(sizes) == 2:
        sizes = [info for info in sizes if says(facts, info.name, *_SIZE)]
    named = any(says(facts, info.name, *_HEAT, "wh") for info in infos)
    if len(sizes) != 1 or not named or level.stride != 4:
        return None
    heat = next(info for info in infos if info is not sizes[0])
    probability = is_probability(facts, heat.name)
    spec = CenterSpec(
        heat.name,
        sizes[0].name,
        class_labels(facts, heat.channels),
        level,
        coding="ltrb",
        origin="corner",
        activation="none" if probability else "sigmoid",
        transposed=on.transposed,
    )
    evidence = (
        _grid_shown(level, heat, probability),
        f"'{sizes[0].name}' holds distances to left, top, right and bottom in input pixels, from"
        " the cell's corner, as TTFNet writes them",
    )
    return Recognised("centre heat maps (TTFNet)", spec, evidence, _TTF)


def _center_face(facts: Facts, on: PlacedMaps) -> Answer | None:
    level, infos = _level(on), on.maps
    (heat,), (marks,) = on.of(1), on.of(_LANDMARKS)
    pairs = [info for info in infos if info.channels == 2]
    by_name = [
        (one, other)
        for one, other in (pairs, pairs[::-1])
        if says(facts, one.name, *_SIZE) != says(facts, other.name, *_SIZE)
        and says(facts, one.name, *_SIZE)
    ]
    if by_name:
        (size, offset), why = by_name[0], "by their names"
    else:
        # Logarithms of sizes in cells go up to 5; offsets stay within a cell.
        reach = [_reach(facts, info) for info in pairs]
        if min(reach) > 1 or max(reach) < 1.5:
            return None
        large = int(np.argmax(reach))
        size, offset = pairs[large], pairs[1 - large]
        why = f"logarithms of sizes reach {reach[large]:.3g}, offsets {reach[1 - large]:.3g}"
    probability = is_probability(facts, heat.name)
    spec = CenterSpec(
        heat.name,
        size.name,
        ("face",),
        level,
        offsets=offset.name,
        coding="log-size",
        size_unit=level.stride,
        axes="yx",
        origin="centre",
        window=1,
        activation="none" if probability else "sigmoid",
        transposed=on.transposed,
        nms_iou=0.3,
        landmarks=CenterPoints(_FACE_POINTS, marks.name, "box", "yx"),
    )
    evidence = (
        _grid_shown(level, heat, probability),
        f"'{size.name}' holds logarithms of heights and widths, '{offset.name}' offsets from the"
        f" cell's centre, y first, as CenterFace writes them ({why})",
        f"'{marks.name}' holds five points of each face as shares of its box, y first",
    )
    return Recognised("centre heat maps (CenterFace)", spec, evidence, _FACE)


def _face_det_lite(facts: Facts, on: PlacedMaps) -> Recognised:
    level = _level(on)
    (heat,), (size,), (marks,) = on.of(1), on.of(4), on.of(_LANDMARKS)
    probability = is_probability(facts, heat.name)
    spec = CenterSpec(
        heat.name,
        size.name,
        ("face",),
        level,
        coding="ltrb",
        size_unit=level.stride,
        origin="corner",
        activation="none" if probability else "sigmoid",
        score_threshold=0.2,
        nms_iou=0.2,
        landmarks=CenterPoints(_FACE_POINTS, marks.name, "cells", planar=True),
        transposed=on.transposed,
    )
    evidence = (
        _grid_shown(level, heat, probability),
        f"'{size.name}' holds distances to left, top, right and bottom in cells, from the cell's"
        " corner, as Qualcomm's FaceDetLite writes them",
        f"'{marks.name}' holds five points of each face in cells, first all x, then all y",
    )
    return Recognised("centre heat maps (FaceDetLite)", spec, evidence, _LITE)


def _grid_shown(level: GridLevel, heat: GridMap, probability: bool) -> str:
    kind = "probabilities" if probability else "logits"
    return (
        f"'{heat.name}': {level.rows} × {level.cols} cells at stride {level.stride:g},"
        f" {heat.channels} heat map{'s' * (heat.channels > 1)} of {kind}"
    )


def _reach(facts: Facts, info: GridMap) -> float:
    ends = usual(facts.values(info.name))
    return max(abs(ends[0]), abs(ends[1])) if ends is not None else 0.0


def _in_pixels(facts: Facts, size: GridMap, level: GridLevel) -> tuple[bool, str]:
    """Whether sizes are input pixels: no box is larger than the grid in cells."""
    ends = usual(facts.values(size.name))
    if ends is None:
        return False, " (assumed, as in CenterNet's own code)"
    return ends[1] > 1.5 * max(level.rows, level.cols), f" (up to {ends[1]:.3g})"

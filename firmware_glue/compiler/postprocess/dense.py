"""Stage of the kind ``detect``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.known import code_of
from firmware_glue.compiler.postprocess.outputs import (
    Float,
    LeftOut,
    ModelOutputs,
    OutputValues,
    ScoreTables,
    no_scores,
    point_params,
    scores,
)
from firmware_glue.compiler.postprocess.stage import NO_MASKS, BoxStage

# In the order of the enums in edgecnn_detect.h.
_CODINGS = (
    "ltrb", "center-size", "center-exp", "center-linear", "corner-linear", "cell-exp",
    "anchor-exp", "anchor-square", "cxcywh", "xyxy",
)  # fmt: skip
_POINTS = ("units", "anchor", "cell")
_OUTPUTS = ("scores", "boxes", "objectness", "keypoints")  # the fields of ec_level_outputs
_DECODED = ("cxcywh", "xyxy")
_ON_NOTHING, _ON_CELLS, _ON_CELL_ANCHORS, _ON_ANCHORS = range(4)


@dataclass(frozen=True)
class _Level:
    """One level's outputs; of a model without levels, those of all candidates."""

    grid: GridLevel | None
    candidates: int
    scores: OutputValues
    boxes: OutputValues
    objectness: OutputValues | None
    keypoints: OutputValues | None


def detect_stage(spec: DetectSpec, outputs: ModelOutputs) -> BoxStage:
    """Boxes of a dense detector.

    Raises:
        LeftOut: the outputs are others than the spec says, or it asks for what the C does not do.
    """
    levels = _levels(spec, outputs)
    for key in _OUTPUTS:
        found = [v for level in levels if (v := getattr(level, key)) is not None]
        if len({values.columns() for values in found}) > 1:
            raise LeftOut(f"the levels' outputs of {key} differ in dtype or layout")
    tables = ScoreTables()
    rows = tuple(_level(spec, levels, number, tables) for number in range(len(levels)))
    places = tuple(
        {key: values.place if (values := getattr(level, key)) else None for key in _OUTPUTS}
        for level in levels
    )
    return BoxStage(
        spec, "ec_detect", _params(spec, levels[0], len(levels)), "ec_level_outputs", places,
        spec.candidates, spec.keypoints.skeleton.names if spec.keypoints else (),
        tables.array(), rows, _anchors(spec), (NO_MASKS,) if spec.masks else (),
    )  # fmt: skip


def _levels(spec: DetectSpec, outputs: ModelOutputs) -> tuple[_Level, ...]:
    """Every level's part of the outputs."""
    if not spec.levels:
        return (_level_outputs(spec, outputs, None, 0),)
    found, skipped = [], 0
    for grid in spec.levels:
        found.append(_level_outputs(spec, outputs, grid, skipped))
        skipped += grid.candidates
    return tuple(found)


def _level_outputs(
    spec: DetectSpec, outputs: ModelOutputs, grid: GridLevel | None, skipped: int
) -> _Level:
    points = spec.keypoints
    own = {key: getattr(grid, key) if grid is not None else "" for key in _OUTPUTS}
    common = {
        "scores": spec.scores,
        "boxes": spec.boxes,
        "objectness": spec.objectness,
        "keypoints": points.output if points else "",
    }
    names = {key: own[key] or common[key] for key in own}
    names["masks"] = spec.masks.output if spec.masks else ""

    def read(key: str, start: int, width: int) -> OutputValues | None:
        name = names[key]
        if not name:
            return None
        alone = bool(own[key]) and grid is not None
        return outputs.values(
            name, grid.candidates if alone and grid else spec.candidates, width, start,
            shared=list(names.values()).count(name) > 1, transposed=spec.transposed,
            skipped=0 if alone else skipped,
        )  # fmt: skip

    scored = read("scores", spec.score_column, spec.score_columns)
    boxed = read("boxes", spec.box_column, spec.box_columns)
    if scored is None or boxed is None:
        raise LeftOut("the spec names no scores or no boxes")
    return _Level(
        grid, spec.candidates if grid is None else grid.candidates, scored, boxed,
        read("objectness", spec.objectness_column, 1),
        read("keypoints", points.column, points.width) if points else None,
    )  # fmt: skip


def _level(
    spec: DetectSpec, levels: tuple[_Level, ...], number: int, tables: ScoreTables
) -> Params:
    """An ``ec_level``."""
    level = levels[number]
    grid, object_table = level.grid, None
    if level.objectness is not None:
        object_table = scores(_info(spec, level.objectness), _object_activation(spec), 1)[1]
    box_zero, box_scale = level.boxes.coding()
    point_zero, point_scale = level.keypoints.coding() if level.keypoints else (0, 1.0)
    before = sum(len(other.grid.anchors) for other in levels[:number] if other.grid is not None)
    fields = (
        ("candidates", level.candidates),
        ("cols", grid.cols if grid else 1),
        ("per_cell", max(1, len(grid.anchors)) if grid else 1),
        ("anchors_first", int(grid.anchors_first) if grid else 0),
        ("first_anchor", before),
        ("score_table", tables.add(scores(_info(spec, level.scores), spec.activation, 1)[1])),
        ("object_table", tables.add(object_table)),
        ("box_zero", box_zero),
        ("point_zero", point_zero),
        ("stride", float(grid.stride) if grid else 0.0),
        ("offset", float(grid.offset) if grid else 0.0),
        ("box_scale", box_scale),
        ("point_scale", point_scale),
    )
    return Params("ec_level", fields)


def _info(spec: DetectSpec, values: OutputValues) -> TensorInfo:
    """An output of scores, in the spec's units.

    Raises:
        LeftOut: its values are floats in other units.
    """
    info = values.info
    if spec.score_unit == 1:
        return info
    if info.scale is None:
        raise LeftOut(f"a score of {spec.score_unit:g} stands for 1, and '{info.name}' is float")
    return replace(info, scale=info.scale / spec.score_unit)


def _object_activation(spec: DetectSpec) -> str:
    """The activation of a single value, for which a softmax is a sigmoid."""
    return "sigmoid" if spec.activation == "softmax" else spec.activation


def _params(spec: DetectSpec, level: _Level, levels: int) -> Params:
    """An ``ec_detect_params``; ``level`` stands for all: they differ in numbers alone."""
    rows, there = level.scores, level.objectness
    classes, _ = scores(_info(spec, rows), spec.activation, spec.score_columns, rows.stride)
    presence = no_scores()
    if there is not None:
        presence, _ = scores(_info(spec, there), _object_activation(spec), 1, there.stride)
    x, y, width, height = spec.variances
    if spec.coding == "center-size":  # stored in the order of its codes: y, x, height, width
        x, y, width, height = y, x, height, width
    fields = (
        ("scores", classes),
        ("objectness", presence),
        ("boxes", level.boxes.columns()),
        ("points", point_params(spec.keypoints, level.keypoints, spec.box_units)),
        ("score_step", rows.step),
        ("object_step", there.step if there is not None else 0),
        ("background", int(spec.background)),
        ("levels", levels),
        ("max_candidates", min(spec.max_candidates, spec.candidates)),
        ("max_detections", min(spec.max_detections, spec.candidates)),
        ("coding", code_of(spec.coding, _CODINGS, "coding")),
        ("bins", spec.bins),
        ("places", _places(spec)),
        ("weighted", int(spec.suppression == "weighted")),
        ("point_coding", _point_coding(spec)),
        ("distance_unit", float(spec.box_scale)),
        ("unit", tuple(float(v) for v in spec.box_units)),
        ("variances", tuple(float(v) for v in (x, y, width, height))),
        ("threshold", float(min(spec.thresholds or (spec.score_threshold,)))),
        ("iou", float(spec.nms_iou)),
    )
    return Params("ec_detect_params", fields)


def _point_coding(spec: DetectSpec) -> int:
    """Boxes that are decoded already lie on no cells, and so do their points."""
    points = spec.keypoints
    alone = points is None or spec.coding in _DECODED
    return code_of("units" if alone or points is None else points.coding, _POINTS, "coding")


def _places(spec: DetectSpec) -> int:
    if spec.anchor_boxes:
        return _ON_ANCHORS
    if not spec.levels:
        return _ON_NOTHING
    return _ON_CELL_ANCHORS if any(level.anchors for level in spec.levels) else _ON_CELLS


def _anchors(spec: DetectSpec) -> Float | None:
    """Flat: centre x, y, width, height each, or width, height; None: there are none."""
    anchors = [side for level in spec.levels for anchor in level.anchors for side in anchor]
    anchors += [side for anchor in spec.anchor_boxes for side in anchor]
    return np.asarray(anchors, np.float32) if anchors else None

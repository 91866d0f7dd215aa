"""Stage of the kind ``listed``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn.core.postprocess import ListedSpec
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.known import code_of
from firmware_glue.compiler.postprocess.outputs import (
    Coded,
    LeftOut,
    ModelOutputs,
    OutputValues,
    point_params,
    scores,
)
from firmware_glue.compiler.postprocess.stage import MOST_COMPARED, NO_MASKS, BoxStage

_ORDERS = ("yxyx", "xyxy", "cxcywh")  # as the enum in edgecnn_listed.h


def listed_stage(spec: ListedSpec, outputs: ModelOutputs) -> BoxStage:
    """Boxes that the model lists.

    Raises:
        LeftOut: the outputs are others than the spec says.
    """
    points = spec.keypoints
    names = [spec.scores, spec.boxes, spec.classes]
    names += [part.output for part in (points, spec.masks) if part is not None]
    shared = names.count(spec.scores) > 1
    rows = _rows(spec, outputs, shared=shared)
    if rows > spec.rows:
        raise LeftOut(f"the output '{spec.scores}' lists {rows} boxes, expected {spec.rows}")

    def read(name: str, start: int, width: int) -> OutputValues | None:
        shared = names.count(name) > 1
        return outputs.values(name, rows, width, start, shared=shared) if name else None

    scored = outputs.values(spec.scores, rows, 1, spec.score_column, shared=shared)
    found = {
        "scores": scored,
        "boxes": read(spec.boxes, spec.box_column, 4),
        "classes": read(spec.classes, spec.class_column, 1),
        "count": outputs.values(spec.count, 1, 1) if spec.count else None,
        "keypoints": read(points.output, points.column, points.width) if points else None,
    }
    table = scores(scored.info, spec.activation, 1)[1]
    most = min(rows, MOST_COMPARED if spec.nms_iou < 1 else spec.max_detections)
    places = {key: values.place if values else None for key, values in found.items()}
    return BoxStage(
        spec, "ec_listed", _params(spec, rows, most, scored, found), "ec_list_outputs", (places,),
        most, points.skeleton.names if points else (), table,
        notes=(NO_MASKS,) if spec.masks else (),
    )  # fmt: skip


def _rows(spec: ListedSpec, outputs: ModelOutputs, *, shared: bool) -> int:
    """How many rows the model lists: a score each, alone or along the last axis."""
    shape = outputs.info(spec.scores)[1].shape
    columns = shape[-1] if (shared or spec.score_column) and len(shape) > 1 else 1
    return max(1, int(np.prod(shape, dtype=np.int64)) // max(1, columns))


def _params(
    spec: ListedSpec,
    rows: int,
    most: int,
    scored: OutputValues,
    found: Mapping[str, OutputValues | None],
) -> Params:
    """An ``ec_listed_params``; ``most`` rows are compared."""
    classes, _ = scores(scored.info, spec.activation, 1)
    coded = {key: Coded.of(values) for key, values in found.items()}
    fields = (
        ("scores", classes),
        ("boxes", coded["boxes"].columns),
        ("classes", coded["classes"].columns),
        ("count", coded["count"].columns),
        ("points", point_params(spec.keypoints, found["keypoints"], spec.box_units)),
        ("score_step", scored.step),
        ("rows", rows),
        ("labels", len(spec.labels)),
        ("class_offset", spec.class_offset),
        ("max_candidates", most),
        ("max_detections", min(spec.max_detections, rows)),
        ("order", code_of(spec.box_order, _ORDERS, "box_order")),
        ("box_zero", coded["boxes"].zero),
        ("class_zero", coded["classes"].zero),
        ("count_zero", coded["count"].zero),
        ("point_zero", coded["keypoints"].zero),
        ("box_scale", coded["boxes"].scale),
        ("class_scale", coded["classes"].scale),
        ("count_scale", coded["count"].scale),
        ("point_scale", coded["keypoints"].scale),
        ("unit", tuple(float(unit) for unit in spec.box_units)),
        ("threshold", float(spec.score_threshold)),
        ("iou", float(spec.nms_iou)),
    )
    return Params("ec_listed_params", fields)

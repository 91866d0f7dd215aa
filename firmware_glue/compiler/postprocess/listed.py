"""Stages of the kinds ``listed`` and ``centers``."""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import CenterSpec, ListedSpec
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.outputs import (
    Coded,
    LeftOut,
    ModelOutputs,
    Values,
    point_params,
    scores,
)
from firmware_glue.compiler.postprocess.stage import NO_MASKS, BoxStage

# In the order of the enums in edgecnn_listed.h and edgecnn_centers.h.
_ORDERS = ("yxyx", "xyxy", "cxcywh")
_SIZES = ("size", "log-size", "ltrb")
# So many of the best take part in suppression.
_MOST_COMPARED = 4096


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

    def read(name: str, start: int, width: int) -> Values | None:
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
    classes, table = scores(scored.info, spec.activation, 1)
    coded = {key: Coded.of(values) for key, values in found.items()}
    most = _MOST_COMPARED if spec.nms_iou < 1 else spec.max_detections
    fields = (
        ("scores", classes),
        ("boxes", coded["boxes"].columns),
        ("classes", coded["classes"].columns),
        ("count", coded["count"].columns),
        ("points", point_params(points, found["keypoints"], spec.box_units)),
        ("score_step", scored.step),
        ("rows", rows),
        ("labels", len(spec.labels)),
        ("class_offset", spec.class_offset),
        ("max_candidates", min(rows, most)),
        ("max_detections", min(spec.max_detections, rows)),
        ("order", _ORDERS.index(spec.box_order)),
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
    places = {key: values.place if values else None for key, values in found.items()}
    return BoxStage(
        spec, "ec_listed", Params("ec_listed_params", fields), "ec_list_outputs", (places,),
        min(rows, most), len(points.skeleton.names) if points else 0, table,
        notes=(NO_MASKS,) if spec.masks else (),
    )  # fmt: skip


def _rows(spec: ListedSpec, outputs: ModelOutputs, *, shared: bool) -> int:
    """How many rows the model lists: a score each, alone or along the last axis."""
    shape = outputs.info(spec.scores)[1].shape
    columns = shape[-1] if (shared or spec.score_column) and len(shape) > 1 else 1
    return max(1, int(np.prod(shape, dtype=np.int64)) // max(1, columns))


def center_stage(spec: CenterSpec, outputs: ModelOutputs) -> BoxStage:
    """Boxes around the peaks of heat maps.

    Raises:
        LeftOut: the outputs are others than the spec says.
    """
    level, classes = spec.level, len(spec.labels)
    cells = level.rows * level.cols
    scored = outputs.values(spec.scores, cells, classes)
    sizes = outputs.values(spec.sizes, cells, 4 if spec.coding == "ltrb" else 2)
    offsets = outputs.values(spec.offsets, cells, 2) if spec.offsets else None
    params, table = scores(scored.info, spec.activation, classes)
    size, offset = Coded.of(sizes), Coded.of(offsets)
    centred = spec.origin == "centre" or (spec.origin == "auto" and not spec.offsets)
    most = _MOST_COMPARED if spec.nms_iou < 1 else spec.max_detections
    fields = (
        ("scores", params),
        ("sizes", size.columns),
        ("offsets", offset.columns),
        ("rows", level.rows),
        ("cols", level.cols),
        ("reach", spec.window // 2),
        ("max_candidates", min(cells * classes, most)),
        ("max_detections", min(spec.max_detections, cells * classes)),
        ("coding", _SIZES.index(spec.coding)),
        ("yx", int(spec.axes == "yx")),
        ("size_zero", size.zero),
        ("offset_zero", offset.zero),
        ("size_scale", size.scale),
        ("offset_scale", offset.scale),
        ("stride", float(level.stride)),
        # Halves of widths and heights are needed, of distances all.
        ("size_unit", float(spec.size_unit / (1 if spec.coding == "ltrb" else 2))),
        ("origin", 0.5 if centred else 0.0),
        ("threshold", float(spec.score_threshold)),
        ("iou", float(spec.nms_iou)),
    )
    places = {
        "scores": scored.place,
        "sizes": sizes.place,
        "offsets": offsets.place if offsets else None,
    }
    return BoxStage(
        spec, "ec_centers", Params("ec_center_params", fields), "ec_center_outputs", (places,),
        min(cells * classes, most), table=table,
    )  # fmt: skip

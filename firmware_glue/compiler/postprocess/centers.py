"""Stage of the kind ``centers``."""

from __future__ import annotations

from collections.abc import Mapping

from edgecnn.core.postprocess import CenterSpec
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.known import code_of
from firmware_glue.compiler.postprocess.outputs import (
    Coded,
    ModelOutputs,
    OutputValues,
    landmark_params,
    scores,
)
from firmware_glue.compiler.postprocess.stage import MOST_COMPARED, BoxStage

_SIZES = ("size", "log-size", "ltrb")  # as the enum in edgecnn_centers.h


def center_stage(spec: CenterSpec, outputs: ModelOutputs) -> BoxStage:
    """Boxes around the peaks of heat maps.

    Raises:
        LeftOut: the outputs are others than the spec says.
    """
    level, classes = spec.level, len(spec.labels)
    cells, marks = level.rows * level.cols, spec.landmarks

    def read(name: str, width: int) -> OutputValues:
        return outputs.values(name, cells, width, transposed=spec.transposed)

    scored = read(spec.scores, classes)
    sizes = read(spec.sizes, 4 if spec.coding == "ltrb" else 2)
    offsets = read(spec.offsets, 2) if spec.offsets else None
    points = read(marks.output, 2 * len(marks.skeleton.names)) if marks else None
    table = scores(scored.info, spec.activation, classes)[1]
    most = min(cells * classes, MOST_COMPARED if spec.nms_iou < 1 else spec.max_detections)
    found = {"scores": scored, "sizes": sizes, "offsets": offsets, "keypoints": points}
    places = {key: values.place if values else None for key, values in found.items()}
    return BoxStage(
        spec, "ec_centers", _params(spec, most, scored, found), "ec_center_outputs", (places,),
        most, marks.skeleton.names if marks else (), table,
    )  # fmt: skip


def _params(
    spec: CenterSpec, most: int, scored: OutputValues, found: Mapping[str, OutputValues | None]
) -> Params:
    """An ``ec_center_params``; ``most`` peaks are kept."""
    level, classes, marks = spec.level, len(spec.labels), spec.landmarks
    size, offset, point = (Coded.of(found[key]) for key in ("sizes", "offsets", "keypoints"))
    params, _ = scores(scored.info, spec.activation, classes, scored.stride)
    centred = spec.origin == "centre" or (spec.origin == "auto" and not spec.offsets)
    fields = (
        ("scores", params),
        ("sizes", size.columns),
        ("offsets", offset.columns),
        ("points", landmark_params(marks, found["keypoints"])),
        ("score_step", scored.step),
        ("points_in_box", int(marks is not None and marks.coding == "box")),
        ("rows", level.rows),
        ("cols", level.cols),
        ("reach", spec.window // 2),
        ("max_candidates", most),
        ("max_detections", min(spec.max_detections, level.rows * level.cols * classes)),
        ("coding", code_of(spec.coding, _SIZES, "coding")),
        ("yx", int(spec.axes == "yx")),
        ("size_zero", size.zero),
        ("offset_zero", offset.zero),
        ("point_zero", point.zero),
        ("size_scale", size.scale),
        ("offset_scale", offset.scale),
        ("point_scale", point.scale),
        ("stride", float(level.stride)),
        # Halves of widths and heights are needed, of distances all.
        ("size_unit", float(spec.size_unit / (1 if spec.coding == "ltrb" else 2))),
        ("origin", 0.5 if centred else 0.0),
        ("threshold", float(spec.score_threshold)),
        ("iou", float(spec.nms_iou)),
    )
    return Params("ec_center_params", fields)

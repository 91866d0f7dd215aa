"""Stages of the kinds ``points`` and ``poses``: the key points of one object."""

from __future__ import annotations

import numpy as np

from edgecnn.core.postprocess import PointsSpec, PosesSpec
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.outputs import (
    Coded,
    LeftOut,
    ModelOutputs,
    OutputValues,
    ordered_points,
)
from firmware_glue.compiler.postprocess.stage import PoseStage


def points_stage(spec: PointsSpec, outputs: ModelOutputs) -> PoseStage:
    """Points as coordinates, or as scores of places along x and y.

    Raises:
        LeftOut: the outputs are others than the spec says.
    """
    score = outputs.values(spec.score, 1, 1) if spec.score else None
    if spec.vertical:
        return _bins(spec, outputs, score)
    count = len(spec.skeleton.names)
    found = outputs.values(spec.points, 1, count * spec.values, spec.column, shared=True)
    first, zero_and_scale = int(spec.axes == "yx"), found.coding()
    order = (first, 1 - first, spec.point_score)
    sigmoid = spec.point_activation == "sigmoid"
    fields = (
        ("points", ordered_points(count, spec.values, order, sigmoid, found, spec.units)),
        ("score", _object_score(spec, score)),
        ("zero", zero_and_scale[0]),
        ("scale", zero_and_scale[1]),
        ("threshold", float(spec.score_threshold)),
        ("point_threshold", float(spec.point_threshold)),
    )
    return _stage(spec, "ec_points", Params("ec_points_params", fields), found, score=score)


def _bins(spec: PointsSpec, outputs: ModelOutputs, score: OutputValues | None) -> PoseStage:
    count = len(spec.skeleton.names)
    across, down = (
        outputs.values(name, count, max(1, _size(outputs, name) // count))
        for name in (spec.points, spec.vertical)
    )
    x, y = Coded.of(across), Coded.of(down)
    fields = (
        ("x", x.columns),
        ("y", y.columns),
        ("score", _object_score(spec, score)),
        ("count", count),
        ("x_bins", across.step),
        ("y_bins", down.step),
        ("x_zero", x.zero),
        ("y_zero", y.zero),
        ("sigmoid", int(spec.point_activation == "sigmoid")),
        ("x_scale", x.scale),
        ("y_scale", y.scale),
        ("unit", tuple(float(unit) for unit in spec.units)),
        ("threshold", float(spec.score_threshold)),
        ("point_threshold", float(spec.point_threshold)),
    )
    params = Params("ec_bins_params", fields)
    return _stage(spec, "ec_bins", params, across, vertical=down, score=score)


def _size(outputs: ModelOutputs, name: str) -> int:
    return int(np.prod(outputs.info(name)[1].shape, dtype=np.int64))


def _object_score(spec: PointsSpec, values: OutputValues | None) -> Params:
    """An ``ec_object_score``."""
    coded = Coded.of(values)
    fields = (
        ("columns", coded.columns),
        ("zero", coded.zero),
        ("sigmoid", int(spec.activation == "sigmoid")),
        ("scale", coded.scale),
    )
    return Params("ec_object_score", fields)


def poses_stage(spec: PosesSpec, outputs: ModelOutputs) -> PoseStage:
    """Points as heat maps, of one object.

    Raises:
        LeftOut: the outputs are others than the spec says, or lead to several objects.
    """
    if spec.forward:
        raise LeftOut("it finds one object by heat maps, these are of several objects a frame")
    count, cells = len(spec.skeleton.names), spec.rows * spec.cols
    found = outputs.values(spec.heatmaps, cells, count, transposed=spec.transposed)
    offsets = None
    if spec.offsets:
        offsets = outputs.values(spec.offsets, cells, 2 * count, transposed=spec.transposed)
    heat, moved = Coded.of(found), Coded.of(offsets)
    # In float32, as the rule does it.
    unit = np.float32(spec.offset_unit) / np.asarray(spec.stride, np.float32)
    fields = (
        ("heat", heat.columns),
        ("offsets", moved.columns),
        ("count", count),
        ("rows", spec.rows),
        ("cols", spec.cols),
        ("heat_zero", heat.zero),
        ("offset_zero", moved.zero),
        ("yx", int(spec.axes == "yx")),
        ("sigmoid", int(spec.activation == "sigmoid")),
        ("heat_scale", heat.scale),
        ("offset_scale", moved.scale),
        ("stride", tuple(float(step) for step in spec.stride)),
        ("offset_unit", tuple(float(step) for step in unit)),
        ("origin", 0.5 if spec.origin == "centre" else 0.0),
        ("peak_shift", float(spec.peak_shift)),
        ("threshold", float(spec.score_threshold)),
        ("point_threshold", float(spec.point_threshold)),
    )
    return _stage(spec, "ec_heat", Params("ec_heat_params", fields), found, offsets=offsets)


def _stage(
    spec: PointsSpec | PosesSpec,
    kernel: str,
    params: Params,
    points: OutputValues,
    *,
    vertical: OutputValues | None = None,
    offsets: OutputValues | None = None,
    score: OutputValues | None = None,
) -> PoseStage:
    found = {"points": points, "vertical": vertical, "offsets": offsets, "score": score}
    places = {key: values.place if values else None for key, values in found.items()}
    return PoseStage(spec, kernel, params, places, spec.skeleton.names)

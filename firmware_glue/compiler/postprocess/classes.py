"""Stages of the kinds ``classify`` and ``centroids``."""

from __future__ import annotations

from edgecnn.core.postprocess import CentroidSpec, ClassifySpec
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.outputs import ModelOutputs, scores
from firmware_glue.compiler.postprocess.stage import CentroidStage, ClassifyStage


def classify_stage(spec: ClassifySpec, outputs: ModelOutputs) -> ClassifyStage:
    """Probabilities of one frame.

    Raises:
        LeftOut: the output is not one score per label.
    """
    classes = len(spec.labels)
    found = outputs.values(spec.scores, 1, classes)
    params, table = scores(found.info, spec.activation, classes)
    return ClassifyStage(spec, found.place, params, table)


def centroid_stage(spec: CentroidSpec, outputs: ModelOutputs) -> CentroidStage:
    """Points from a grid of scores.

    Raises:
        LeftOut: the output is not one score per cell and class.
    """
    level, columns = spec.level, len(spec.labels) + int(spec.background)
    found = outputs.values(spec.scores, level.rows * level.cols, columns)
    params, table = scores(found.info, spec.activation, columns)
    fields = (
        ("scores", params),
        ("rows", level.rows),
        ("cols", level.cols),
        ("background", int(spec.background)),
        ("max_points", spec.max_detections),
        ("stride", float(level.stride)),
        ("threshold", float(spec.score_threshold)),
    )
    return CentroidStage(spec, found.place, Params("ec_centroid_params", fields), table)

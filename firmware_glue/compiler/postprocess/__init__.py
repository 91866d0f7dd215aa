"""Postprocess specs as the plain data that the C emitters write, one kind or two a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.postprocess.centers import center_stage
from firmware_glue.compiler.postprocess.classes import centroid_stage, classify_stage
from firmware_glue.compiler.postprocess.dense import detect_stage
from firmware_glue.compiler.postprocess.known import only_known
from firmware_glue.compiler.postprocess.listed import listed_stage
from firmware_glue.compiler.postprocess.outputs import LeftOut, ModelOutputs, OutputPlace
from firmware_glue.compiler.postprocess.pose import points_stage, poses_stage
from firmware_glue.compiler.postprocess.segment import segment_stage
from firmware_glue.compiler.postprocess.stage import (
    MAX_LABELS,
    AfterStage,
    BoxStage,
    CentroidStage,
    ClassifyStage,
    PoseStage,
    SegmentStage,
)

__all__ = [
    "AfterStage",
    "BoxStage",
    "CentroidStage",
    "ClassifyStage",
    "LeftOut",
    "OutputPlace",
    "PoseStage",
    "SegmentStage",
    "after_stage",
]

_STAGES: Mapping[str, Callable[[Any, ModelOutputs], AfterStage]] = {
    "classify": classify_stage,
    "centroids": centroid_stage,
    "detect": detect_stage,
    "listed": listed_stage,
    "centers": center_stage,
    "points": points_stage,
    "poses": poses_stage,
    "segment": segment_stage,
}


def after_stage(spec: PostprocessSpec | None, infos: Sequence[TensorInfo]) -> AfterStage:
    """What the C makes of a model's outputs.

    Args:
        spec: what they mean; None: the model does not say.
        infos: the outputs in the model's order.

    Raises:
        LeftOut: the C does not do that.
    """
    if spec is None:
        raise LeftOut("the model has no postprocess spec embedded")
    if spec.kind not in _STAGES:
        raise LeftOut(f"there is no C for results of the kind '{spec.kind}'")
    if not 1 <= len(spec.labels) <= MAX_LABELS:
        raise LeftOut(f"the spec has {len(spec.labels)} labels, expected 1 to {MAX_LABELS}")
    only_known(spec)
    return _STAGES[spec.kind](spec, ModelOutputs(infos))

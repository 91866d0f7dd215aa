"""Which fields of the specs the C follows: a spec that says more is left out, never misread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from edgecnn.core.postprocess import (
    CandidatePoints,
    CenterPoints,
    CenterSpec,
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    ListedSpec,
    PointsSpec,
    PosesSpec,
    SegmentSpec,
)
from firmware_glue.compiler.postprocess.outputs import LeftOut

_ALWAYS = "kind labels scores activation score_threshold thresholds max_detections"
_KNOWN: Mapping[type, str] = {
    ClassifySpec: "",
    CentroidSpec: "level background",
    DetectSpec: "boxes levels coding box_scale variances nms_iou max_candidates objectness"
    " score_column box_column objectness_column transposed box_units decoded_boxes background"
    " bins anchor_boxes suppression keypoints masks score_unit",
    ListedSpec: "boxes rows classes count score_column box_column class_column box_order box_units"
    " class_offset nms_iou keypoints masks",
    CenterSpec: "sizes level offsets coding size_unit axes origin window nms_iou transposed"
    " landmarks",
    PointsSpec: "points skeleton column values axes units point_score point_activation score"
    " point_threshold vertical",
    PosesSpec: "heatmaps skeleton rows cols stride origin offsets offset_unit peak_shift forward"
    " backward forward_column backward_column sampling refinements axes point_threshold radius"
    " transposed",
    SegmentSpec: "rows cols stride transposed class_numbers background",
    GridLevel: "rows cols stride anchors boxes objectness keypoints offset anchors_first",
    CandidatePoints: "skeleton output column values axes coding units",
    CenterPoints: "skeleton output coding axes planar",
}


def only_known(part: Any) -> None:
    """Looks through a spec and what it is made of.

    Args:
        part: a spec, a part of one, or a plain value.

    Raises:
        LeftOut: a field that the C does not know holds another value than by default.
    """
    if isinstance(part, tuple):
        for item in part:
            only_known(item)
    known = _KNOWN.get(type(part))
    if known is None or not is_dataclass(part):
        return
    names = f"{_ALWAYS} {known}".split()
    for item in fields(part):
        value = getattr(part, item.name)
        if item.name in names:
            only_known(value)
        elif item.default is MISSING or value != item.default:
            raise LeftOut(f"it does not know what '{item.name}' is in the spec")


def code_of(value: str, known: Sequence[str], key: str) -> int:
    """The number of a word in one of the C enums.

    Args:
        value: the word.
        known: the enum's, in order.
        key: the spec's field.

    Raises:
        LeftOut: the enum does not have it.
    """
    if value not in known:
        raise LeftOut(f"it does not know the {key} '{value}' of the spec")
    return known.index(value)

"""What the emitter gets for each form of results: plain data, already in C's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecnn.core.postprocess import (
    CenterSpec,
    CentroidSpec,
    ClassifySpec,
    DetectSpec,
    ListedSpec,
    PointsSpec,
    PosesSpec,
    SegmentSpec,
)
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess.outputs import Float, OutputPlace

MAX_LABELS = 32767
MOST_COMPARED = 4096
"""So many of the best boxes take part in suppression."""
NO_MASKS = "No masks in postprocess: each would need an array of its object's size in RAM."


@dataclass(frozen=True)
class ClassifyStage:
    """Scores to probabilities.

    Attributes:
        place: the scores.
        params: an ``ec_score_params``.
        table: float32 (256,) values of an 8-bit output; None for float outputs.
    """

    spec: ClassifySpec
    place: OutputPlace
    params: Params
    table: Float | None = field(compare=False)


@dataclass(frozen=True)
class CentroidStage:
    """Scores of a grid to points.

    Attributes:
        place: the scores.
        params: an ``ec_centroid_params``.
        table: as for :class:`ClassifyStage`.
    """

    spec: CentroidSpec
    place: OutputPlace
    params: Params
    table: Float | None = field(compare=False)


@dataclass(frozen=True)
class BoxStage:
    """Outputs to boxes, maybe with key points.

    Attributes:
        kernel: the C function.
        params: its parameters.
        struct: what it gets its pointers to the outputs in.
        outputs: rows of that struct: all its fields; None where there is no such output.
        candidates: how many boxes the outputs describe.
        keypoints: the names of the key points that each box has.
        table: float32 values of 8-bit outputs, 256 each; None for float outputs.
        levels: one ``ec_level`` each, or none.
        anchors: float32, flat: width, height of each, or centre x, y, width, height.
        notes: what of the results is left out, in sentences.
    """

    spec: DetectSpec | ListedSpec | CenterSpec
    kernel: str
    params: Params
    struct: str
    outputs: tuple[Mapping[str, OutputPlace | None], ...]
    candidates: int
    keypoints: tuple[str, ...] = ()
    table: Float | None = field(default=None, compare=False)
    levels: tuple[Params, ...] = ()
    anchors: Float | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PoseStage:
    """Outputs to the key points of one object.

    Attributes:
        kernel: the C function.
        params: its parameters.
        outputs: the fields of its ``ec_pose_outputs``; None where there is no such output.
        keypoints: names of the points.
        table: none.
    """

    spec: PointsSpec | PosesSpec
    kernel: str
    params: Params
    outputs: Mapping[str, OutputPlace | None]
    keypoints: tuple[str, ...]
    table: None = None


@dataclass(frozen=True)
class SegmentStage:
    """A map of classes.

    Attributes:
        place: the map.
        params: an ``ec_segment_params``.
        table: values of an 8-bit output, or the labels that its bytes stand for.
    """

    spec: SegmentSpec
    place: OutputPlace
    params: Params
    table: Float | None = field(compare=False)


AfterStage = ClassifyStage | CentroidStage | BoxStage | PoseStage | SegmentStage

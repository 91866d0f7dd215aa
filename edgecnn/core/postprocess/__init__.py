"""Contract 2: what the outputs mean. Frozen specs, one kind a file, with a JSON form.

:mod:`edgecnn.core.decode` is the only decoder in Python and reads these.
"""

from edgecnn.core.postprocess.base import (
    Activation,
    CandidatePoints,
    GridLevel,
    MaskCoefficients,
    Skeleton,
    Task,
)
from edgecnn.core.postprocess.classify import ClassifySpec
from edgecnn.core.postprocess.dense import BoxCoding, DetectSpec
from edgecnn.core.postprocess.form import (
    KINDS,
    SCHEMA,
    BoxSpec,
    PostprocessSpec,
    from_json,
    to_json,
)
from edgecnn.core.postprocess.grids import CenterPoints, CenterSpec, CentroidSpec
from edgecnn.core.postprocess.listed import ListedSpec
from edgecnn.core.postprocess.poses import PointsSpec, PosesSpec
from edgecnn.core.postprocess.segment import SegmentSpec

__all__ = [
    "KINDS",
    "SCHEMA",
    "Activation",
    "BoxCoding",
    "BoxSpec",
    "CandidatePoints",
    "CenterPoints",
    "CenterSpec",
    "CentroidSpec",
    "ClassifySpec",
    "DetectSpec",
    "GridLevel",
    "ListedSpec",
    "MaskCoefficients",
    "PointsSpec",
    "PosesSpec",
    "PostprocessSpec",
    "SegmentSpec",
    "Skeleton",
    "Task",
    "from_json",
    "to_json",
]

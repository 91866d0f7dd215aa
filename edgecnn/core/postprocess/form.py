"""Postprocess specs as JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from edgecnn.core.errors import BundleError
from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import CandidatePoints, GridLevel, MaskCoefficients, Skeleton
from edgecnn.core.postprocess.classify import ClassifySpec
from edgecnn.core.postprocess.dense import DetectSpec
from edgecnn.core.postprocess.grids import CenterPoints, CenterSpec, CentroidSpec
from edgecnn.core.postprocess.listed import ListedSpec
from edgecnn.core.postprocess.poses import PointsSpec, PosesSpec
from edgecnn.core.postprocess.segment import SegmentSpec

SCHEMA = "edgecnn.postprocess/2"
# Every key of the first version means the same in the second.
_SCHEMAS = ("edgecnn.postprocess/1", SCHEMA)

PostprocessSpec = (
    ClassifySpec
    | DetectSpec
    | ListedSpec
    | CentroidSpec
    | CenterSpec
    | PointsSpec
    | PosesSpec
    | SegmentSpec
)

#: The kinds that give boxes with scores, which average precision can judge.
BoxSpec = DetectSpec | ListedSpec | CenterSpec

#: The class of each kind.
KINDS: Mapping[str, type[PostprocessSpec]] = {
    "classify": ClassifySpec,
    "detect": DetectSpec,
    "listed": ListedSpec,
    "centroids": CentroidSpec,
    "centers": CenterSpec,
    "points": PointsSpec,
    "poses": PosesSpec,
    "segment": SegmentSpec,
}

_POINTS: Mapping[str, Any] = {"keypoints": CandidatePoints, "landmarks": CenterPoints}


def to_json(spec: PostprocessSpec) -> dict[str, Any]:
    """Plain JSON values."""
    return {"schema": SCHEMA, **asdict(spec)}


def from_json(data: Any) -> PostprocessSpec:
    """Reads :func:`to_json`'s form, of this version or an earlier one.

    Raises:
        BundleError: wrong schema, kind, key or value.
    """
    schema = data.get("schema") if isinstance(data, dict) else data
    if not isinstance(schema, str) or schema not in _SCHEMAS:
        checks.bad("schema", schema, " or ".join(reversed(_SCHEMAS)))
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        checks.bad("kind", kind, " | ".join(KINDS))
    given = {key: _tuples(value) for key, value in data.items() if key != "schema"}
    known = {field.name for field in fields(KINDS[kind])}
    for key in given:
        if key not in known:
            checks.bad(key, given[key], f"one of the keys {', '.join(sorted(known))}")
    try:
        return KINDS[kind](**{key: _part(key, value, data) for key, value in given.items()})
    except (TypeError, KeyError, AttributeError) as error:
        raise BundleError(
            f"the postprocess spec cannot be read: {error}", hint=checks.HINT
        ) from error


def _part(key: str, value: Any, data: Mapping[str, Any]) -> Any:
    """A field's value, made of the dataclass that it stands for."""
    raw = data[key]
    if key == "levels":
        return tuple(_built(GridLevel, level) for level in raw)
    if key == "level":
        return _built(GridLevel, raw)
    if key == "skeleton":
        return _built(Skeleton, raw)
    if key in _POINTS and raw is not None:
        parts = {name: _tuples(item) for name, item in raw.items()}
        return _POINTS[key](**{**parts, "skeleton": _built(Skeleton, raw["skeleton"])})
    if key == "masks" and raw is not None:
        return _built(MaskCoefficients, raw)
    return value


def _built(kind: Any, raw: Mapping[str, Any]) -> Any:
    return kind(**{key: _tuples(value) for key, value in raw.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value

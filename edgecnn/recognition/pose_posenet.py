"""PoseNet: heat maps of 17 points with short offsets, and displacements from point to point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgecnn.core.postprocess import Activation, PosesSpec, Skeleton, to_json
from edgecnn.core.tflite.cut import CutOp
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Answer, Incomplete, InputHabit, Recognised
from edgecnn.recognition.points import COCO
from edgecnn.recognition.pose_outputs import GridMap, PlacedMaps, grids, hints, is_probability

#: The op that Coral's files end with.
DECODER_OP = "PosenetDecoderOp"
# The tree of google-coral/libcoral's posenet_decoder and tensorflow/tfjs-models' keypoints.
_TREE = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15), (0, 6),
    (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip
_POINTS, _EDGES = len(COCO.names), len(_TREE)
_SKELETON = Skeleton(COCO.names, _TREE)
_MOBILE = InputHabit("PoseNet on MobileNet: RGB, -1..1, stretched", "-1..1")
_RESNET = InputHabit("PoseNet on ResNet-50: RGB less ImageNet's mean, stretched", "caffe")


@dataclass(frozen=True)
class _Outputs:
    """The outputs of a PoseNet head, as far as they are known."""

    on: PlacedMaps
    heat: GridMap
    short: GridMap | None
    mid: Mapping[str, object]
    shown: tuple[str, ...]


def posenet(facts: Facts) -> Answer | None:
    """Grids of one size with 17, 34 and 64 (or twice 32) channels, at stride 8, 16 or 32."""
    heads = (_head(facts, maps) for maps in grids(facts, (8, 16, 32)))
    found = next((head for head in heads if head is not None), None)
    if found is None:
        return None
    (rows, cols), step, heat = found.on.grid, found.on.stride, found.heat.name
    activation: Activation = "none" if is_probability(facts, heat) else "sigmoid"
    op = facts.cut if facts.cut is not None and facts.cut.code == DECODER_OP else None
    coral = op is not None
    spec = PosesSpec(
        heat,
        ("person",),
        _SKELETON,
        rows,
        cols,
        (float(step), float(step)),
        offsets=found.short.name if found.short is not None else "",
        activation=activation,
        transposed=found.on.transposed,
        **{**(_TENSORFLOW_JS if op is None else _as_the_op(op)), **found.mid},  # type: ignore[arg-type]
    )
    evidence = (
        f"{rows} × {cols} cells at stride {step} with {_POINTS} channels of points ('{heat}')",
        *found.shown,
        f"persons are put together as {_source(coral)} does",
    )
    habit = _RESNET if _on_resnet(facts) else _MOBILE
    if found.short is None:
        missing = {"offsets": "which output with 34 channels holds the short offsets"}
        draft = {key: value for key, value in to_json(spec).items() if key not in _NO_DRAFT}
        return Incomplete("PoseNet", missing, draft, evidence, habit, coral)
    return Recognised("PoseNet", spec, evidence, habit, _warnings(found), sure=coral)


_NO_DRAFT = ("schema", "offsets")
_TENSORFLOW_JS = {
    "radius": 20.0,
    "score_threshold": 0.2,
    "point_threshold": 0.5,
    "sampling": "nearest",
    "refinements": 2,
}


def _as_the_op(op: CutOp) -> dict[str, float | int]:
    """What the op's options say, or its defaults (google-coral/libcoral)."""
    score = round(float(op.options.get("score_threshold", 0.2)), 6)
    return {
        "radius": float(op.options.get("nms_radius", 10.0)),
        "max_detections": int(op.options.get("max_detections", 20)),
        "score_threshold": score,
        "point_threshold": score,
    }


def _source(coral: bool) -> str:
    return "Coral's op" if coral else "TensorFlow.js"


def _on_resnet(facts: Facts) -> bool:
    tensors = facts.graph.main.tensors if facts.graph is not None else ()
    return any("resnet" in tensor.name.lower() for tensor in tensors)


def _warnings(found: _Outputs) -> tuple[str, ...]:
    if found.mid:
        return ()
    return ("no output leads from point to point for certain, so one person a frame is found",)


def _head(facts: Facts, on: PlacedMaps) -> _Outputs | None:
    """The head on one grid; None: it is none."""
    heat, offsets = _heat(facts, on.of(_POINTS)), on.of(2 * _POINTS)
    if heat is None or not offsets:
        return None
    short = _short(facts, offsets)
    shown = (
        [] if short is None else [f"offsets of each point in '{short.name}', in pixels, y first"]
    )
    both, each = on.of(4 * _EDGES), on.of(2 * _EDGES)
    mid: dict[str, object] = {}
    if len(both) == 1:
        name = both[0].name
        mid = {"forward": name, "backward": name, "backward_column": 2 * _EDGES}
        shown.append(f"'{name}': displacements along {_EDGES} edges, forward and then backward")
    elif len(each) == 2:
        ways = {way: info.name for info in each if (way := _way(facts, info))}
        if len(ways) == 2:
            mid = dict(ways)
            shown.append(
                f"'{ways['forward']}' leads along {_EDGES} edges, '{ways['backward']}' back:"
                " by their names"
            )
    return _Outputs(on, heat, short, mid, tuple(shown))


def _heat(facts: Facts, maps: list[GridMap]) -> GridMap | None:
    """The heat maps among outputs of 17 channels: another may hold the highest of each window."""
    left = [item for item in maps if "max_vals" not in hints(facts, item.name)]
    if len(left) == 2:
        one, other = (facts.values(item.name) for item in left)
        if one is not None and other is not None:
            lower = bool((one <= other).all()), bool((other <= one).all())
            left = [item for item, low in zip(left, lower, strict=True) if low]
    return left[0] if len(left) == 1 else None


def _short(facts: Facts, offsets: list[GridMap]) -> GridMap | None:
    """The short offsets among outputs of 34 channels: the others are BodyPix' long ones."""
    left = [info for info in offsets if "long" not in hints(facts, info.name)]
    if len(left) > 1:
        left = [info for info in left if "short" in hints(facts, info.name)] or left
    if len(left) > 1:
        sizes = [facts.values(info.name) for info in left]
        means = [float(np.abs(values).mean()) for values in sizes if values is not None]
        if len(means) == len(left) and min(means) * 3 < sorted(means)[1]:
            return left[int(np.argmin(means))]
    return left[0] if len(left) == 1 else None


def _way(facts: Facts, info: GridMap) -> str:
    """``forward`` or ``backward`` by an output's names; empty: they do not tell."""
    names = hints(facts, info.name)
    there, back = (any(word in names for word in words) for words in (_THERE, _BACK))
    return "" if there == back else "forward" if there else "backward"


_THERE, _BACK = ("fwd", "forward"), ("bwd", "backward")

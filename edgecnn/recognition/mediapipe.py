"""MediaPipe's detectors of faces, palms and persons: fixed anchors, box and key points in one row.

Rules and numbers: google-ai-edge/mediapipe, ``SsdAnchorsCalculator`` (layers of one stride share
their cells; two anchors per layer, one where the interpolated anchor is switched off; all of size
1), ``TensorsToDetectionsCalculator`` and ``NonMaxSuppressionCalculator``, and their options in
``modules/face_detection``, ``modules/palm_detection`` and ``modules/pose_detection``. Codes are in
input pixels from the anchor's centre, x first (``reverse_output_order``); the clipping of scores
at ±100 changes nothing in float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from edgecnn.core.postprocess import CandidatePoints, DetectSpec, GridLevel, Skeleton
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.traces import activated

_SOURCE = "MediaPipe"
_OVERLAP = 0.3
_BOX = 4
_LARGEST = 4096  # pixels
# In the names of boxes in qai_hub_models' exports, which take images from 0 to 1.
_AI_HUB = "box_coords"
_OUTPUT_NAMES = ("regressors", "classificators")


@dataclass(frozen=True)
class _Kind:
    """What is detected, told by the number of values per candidate.

    Attributes:
        label: of the one class.
        points: names of its key points.
        edges: lines between them.
        convention: of the input.
        threshold: lowest score, as published for the usual size.
        other: by input size: convention and threshold where they differ.
    """

    label: str
    points: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    convention: str
    threshold: float
    other: tuple[tuple[int, str, float], ...] = ()

    @property
    def values(self) -> int:
        """How many values each candidate has: those of a box and of its points."""
        return _BOX + 2 * len(self.points)


_KINDS = (
    _Kind(
        "face",
        ("right eye", "left eye", "nose tip", "mouth", "right ear tragion", "left ear tragion"),
        (),
        "-1..1",
        0.5,
        ((192, "-1..1", 0.6), (256, "-1..1", 0.65)),
    ),
    _Kind(
        "palm",
        ("wrist", "index finger MCP", "middle finger MCP", "ring finger MCP", "pinky MCP",
         "thumb CMC", "thumb MCP"),
        ((0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (5, 6)),
        "0..1",
        0.5,
        ((256, "-1..1", 0.7),),
    ),
    _Kind(
        "person",
        ("mid hip", "full body size and rotation", "mid shoulder",
         "upper body size and rotation"),
        ((0, 2),),
        "-1..1",
        0.5,
    ),
)  # fmt: skip

#: Strides of the layers, and anchors per layer and cell.
_LAYOUTS = (((8, 16, 16, 16), 2), ((16, 32, 32, 32), 2), ((8, 16, 32, 32, 32), 2), ((4,), 1))


def mediapipe_detector(facts: Facts) -> Recognised | None:
    """Regressors (1, anchors, 4 + 2 · points) and scores (1, anchors, 1), together or per level."""
    width, height = facts.size
    pairs = _pairs(facts.outputs)
    if not pairs or not 1 <= min(facts.size) <= max(facts.size) <= _LARGEST:
        return None
    kind = next((item for item in _KINDS if item.values == pairs[0][0].shape[-1]), None)
    levels = _levels(width, height, tuple(boxes.shape[1] for boxes, _ in pairs))
    if kind is None or not levels:
        return None
    threshold, convention = kind.threshold, kind.convention
    for size, range_, score in kind.other:
        if size == width:
            threshold, convention = score, range_
    named, spec_levels, candidates = _named(levels, pairs)
    whole = len(pairs) == 1
    skeleton = Skeleton(kind.points, kind.edges)
    done = activated(facts, pairs[0][1].name)
    source = _SOURCE
    if all(_AI_HUB in boxes.name for boxes, _ in pairs):
        source, convention = "Qualcomm AI Hub's MediaPipe models", "0..1"
    spec = DetectSpec(
        pairs[0][1].name if whole else "",
        pairs[0][0].name if whole else "",
        class_labels(facts, 1) if facts.labels else (kind.label,),
        spec_levels,
        coding="center-linear",
        variances=(1.0, 1.0, 1.0, 1.0),
        activation="none" if done else "sigmoid",
        score_threshold=threshold,
        nms_iou=_OVERLAP,
        suppression="weighted",
        keypoints=CandidatePoints(
            skeleton, pairs[0][0].name if whole else "", column=_BOX, coding="anchor"
        ),
    )
    grids = " and ".join(f"{item.rows}×{item.cols} · {len(item.anchors)}" for item in levels)
    return Recognised(
        f"a {kind.label} detector of MediaPipe",
        spec,
        (
            f"{candidates} candidates of {kind.values} values: {grids} anchors of MediaPipe at"
            f" {width}×{height}",
            f"4 values of a box and {len(kind.points)} key points: a {kind.label}",
            *([done] if done else []),
        ),
        InputHabit(source, convention, "letterbox"),
        sure=named,
    )


def _pairs(outputs: tuple[TensorInfo, ...]) -> list[tuple[TensorInfo, TensorInfo]]:
    """(regressors, scores) with as many rows, most rows first; empty: not such outputs."""
    rows = [info for info in outputs if len(info.shape) == 3 and info.shape[0] == 1]
    boxes = [info for info in rows if info.shape[2] > _BOX]
    scores = {info.shape[1]: info for info in rows if info.shape[2] == 1}
    fits = len(boxes) == len(scores) and 2 * len(boxes) == len(outputs)
    alike = len({info.shape[2] for info in boxes}) == 1
    if not fits or not alike or {info.shape[1] for info in boxes} != scores.keys():
        return []
    boxes.sort(key=lambda info: -info.shape[1])
    return [(info, scores[info.shape[1]]) for info in boxes]


def _levels(width: int, height: int, counts: tuple[int, ...]) -> tuple[GridLevel, ...]:
    """The levels whose anchors are so many, in one output or in one per level; empty: none fit."""
    for strides, per_layer in _LAYOUTS:
        levels = []
        for stride, same in groupby(strides):
            rows, cols = math.ceil(height / stride), math.ceil(width / stride)
            anchors = ((1.0, 1.0),) * (per_layer * len(list(same)))
            levels.append(GridLevel(rows, cols, width / cols, anchors))
        each = tuple(level.candidates for level in levels)
        square = all(level.rows * width == level.cols * height for level in levels)
        if square and counts in ((sum(each),), each):
            return tuple(levels)
    return ()


def _named(
    levels: tuple[GridLevel, ...], pairs: list[tuple[TensorInfo, TensorInfo]]
) -> tuple[bool, tuple[GridLevel, ...], int]:
    """Whether the outputs have MediaPipe's names, the levels with their outputs, all candidates."""
    count = sum(level.candidates for level in levels)
    if len(pairs) == 1:
        found = zip(pairs[0], _OUTPUT_NAMES, strict=True)
        return all(name in info.name for info, name in found), levels, count
    own = tuple(
        GridLevel(level.rows, level.cols, level.stride, level.anchors, scores.name, boxes.name,
                  keypoints=boxes.name)
        for level, (boxes, scores) in zip(levels, pairs, strict=True)
    )  # fmt: skip
    return False, own, count

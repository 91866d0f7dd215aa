"""MoveNet: one person's points as coordinates, or a list of six persons."""

from __future__ import annotations

import math

from edgecnn.core.postprocess import CandidatePoints, ListedSpec, PointsSpec
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.points import COCO, numbered
from edgecnn.recognition.pose_outputs import usual

_HABIT = InputHabit(
    "MoveNet's model card: RGB, 0..255, resized with padding", "0..255", "letterbox", 0, "rgb"
)
# Numbers of points of published single-pose files: COCO's, and those of ST's model zoo.
_SINGLE = (13, 17)
_MOST_PERSONS = 20


def movenet_single(facts: Facts) -> Recognised | None:
    """One output (1, 1, points, 3) of y, x and score, all 0..1 (MoveNet SinglePose)."""
    if len(facts.outputs) != 1 or facts.image is None:
        return None
    info = facts.outputs[0]
    points = info.shape[-2] if len(info.shape) > 2 else 0
    if info.shape[-1:] != (3,) or math.prod(info.shape) != 3 * points or points not in _SINGLE:
        return None
    ends = usual(facts.values(info.name))
    if ends is not None and not (ends[0] >= -1 and ends[1] <= 2):
        return None
    width, height = facts.size
    return Recognised(
        "MoveNet, one person",
        PointsSpec(
            info.name,
            ("person",),
            numbered(points),
            units=(float(width), float(height)),
            score_threshold=0.1,
        ),
        (
            f"one output '{info.name}' {list(info.shape)}: y, x and a score for each of"
            f" {points} points{_seen(ends)}",
            f"1.0 is the input's height {height} and width {width} (MoveNet's model card)",
        ),
        _HABIT,
    )


def movenet_multi(facts: Facts) -> Recognised | None:
    """One output (1, persons, 56): 17 points, then y1, x1, y2, x2 and a score, all 0..1."""
    if len(facts.outputs) != 1 or facts.image is None:
        return None
    info, count = facts.outputs[0], len(COCO.names)
    if (
        len(info.shape) != 3
        or info.shape[0] != 1
        or info.shape[2] != 3 * count + 5
        or not 0 < info.shape[1] <= _MOST_PERSONS
    ):
        return None
    ends = usual(facts.values(info.name))
    if ends is not None and not (ends[0] >= -1 and ends[1] <= 2):
        return None
    width, height = facts.size
    points = CandidatePoints(COCO, info.name, 0, 3, "yx")
    return Recognised(
        "MoveNet, several persons",
        ListedSpec(
            info.name,
            info.name,
            ("person",),
            info.shape[1],
            score_column=3 * count + 4,
            box_column=3 * count,
            box_units=(float(width), float(height)),
            score_threshold=0.2,
            keypoints=points,
        ),
        (
            f"one output '{info.name}' {list(info.shape)}: {info.shape[1]} persons of {count} × (y,"
            f" x, score), then y1, x1, y2, x2 and a score{_seen(ends)}",
            f"1.0 is the input's height {height} and width {width} (MoveNet's model card)",
        ),
        _HABIT,
    )


def _seen(ends: tuple[float, float] | None) -> str:
    return f"; values from {ends[0]:.2g} to {ends[1]:.2g}" if ends is not None else ""

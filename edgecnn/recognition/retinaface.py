"""RetinaFace with anchors: faces with five key points.

Source: biubug6/Pytorch_Retinaface (``PriorBox``, ``decode``, ``decode_landm``, ``cfg_mnet``), after
Deng et al. 2019: squares of 16 to 512 pixels on strides 8, 16 and 32.
"""

from __future__ import annotations

import math

from edgecnn.core.postprocess import CandidatePoints, DetectSpec, GridLevel, Skeleton
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.labels import class_labels
from edgecnn.recognition.traces import activated

_SQUARES = ((8, (16.0, 32.0)), (16, (64.0, 128.0)), (32, (256.0, 512.0)))
_POINTS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")
_BOX, _SCORES = 4, 2
_LARGEST = 4096  # pixels
_THRESHOLD, _OVERLAP = 0.5, 0.4


def retinaface(facts: Facts) -> Recognised | None:
    """Three outputs (1, anchors, 4), (1, anchors, 10) and (1, anchors, 2)."""
    width, height = facts.size
    if len(facts.outputs) != 3 or not 1 <= min(facts.size) <= max(facts.size) <= _LARGEST:
        return None
    levels = tuple(
        GridLevel(
            math.ceil(height / step), math.ceil(width / step), float(step),
            tuple((side, side) for side in sides),
        )
        for step, sides in _SQUARES
    )  # fmt: skip
    count = sum(level.candidates for level in levels)
    names = {}
    for info in facts.outputs:
        shape = tuple(size for size in info.shape if size != 1)
        if len(shape) == 2 and shape[0] == count:
            names[shape[1]] = info.name
    if names.keys() != {_BOX, _SCORES, 2 * len(_POINTS)}:
        return None
    done = activated(facts, names[_SCORES])
    spec = DetectSpec(
        names[_SCORES],
        names[_BOX],
        class_labels(facts, 1) if facts.labels else ("face",),
        levels,
        coding="center-exp",
        activation="none" if done else "softmax",
        score_threshold=_THRESHOLD,
        nms_iou=_OVERLAP,
        background=True,
        keypoints=CandidatePoints(Skeleton(_POINTS), names[2 * len(_POINTS)], coding="anchor"),
    )
    grids = ", ".join(f"{level.rows}×{level.cols}" for level in levels)
    return Recognised(
        "RetinaFace",
        spec,
        (
            f"{count} candidates: two anchors for each cell of {grids}",
            "4 values of a box, 10 of five key points and 2 scores each: faces",
            *([done] if done else []),
        ),
        InputHabit("RetinaFace", "caffe", colour="bgr"),
    )

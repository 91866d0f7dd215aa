"""RTMPose and its kin: a score for each place along x and along y, for each point (SimCC)."""

from __future__ import annotations

from edgecnn.core.postprocess import PointsSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.points import numbered
from edgecnn.recognition.pose_outputs import hints

# Numbers of points of MMPose's bodies, whole bodies, hands, faces and animals.
_COUNTS = (17, 20, 21, 26, 68, 98, 106, 133)
_HANDS, _FACES = (21,), (68, 98, 106)
# Bins per input pixel.
_RATIOS = (1.0, 1.5, 2.0, 3.0)
_ALONG_X, _ALONG_Y = ("simcc_x", "pred_x", "_x"), ("simcc_y", "pred_y", "_y")
_HABIT = InputHabit(
    "RTMPose in MMPose: RGB, ImageNet's normalisation, a crop", "imagenet", "letterbox"
)


def simcc(facts: Facts) -> Recognised | None:
    """Two outputs (1, points, bins), as many bins as pixels or a multiple of them."""
    width, height = facts.size
    shapes = [info.shape for info in facts.outputs]
    if len(shapes) != 2 or not width or any(len(shape) != 3 or shape[0] != 1 for shape in shapes):
        return None
    count = shapes[0][1]
    if count != shapes[1][1] or count not in _COUNTS:
        return None
    for ratio in _RATIOS:
        pairs = [
            (one, other)
            for one, other in (facts.outputs, facts.outputs[::-1])
            if one.shape[2] == width * ratio and other.shape[2] == height * ratio
        ]
        if len(pairs) == 2:
            pairs = [pair for pair in pairs if _named(facts, *pair)]
        if len(pairs) == 1:
            return _recognised(*pairs[0], count, ratio)
    return None


def _named(facts: Facts, along_x: TensorInfo, along_y: TensorInfo) -> bool:
    first, second = hints(facts, along_x.name), hints(facts, along_y.name)
    return any(x in first and y in second for x, y in zip(_ALONG_X, _ALONG_Y, strict=True))


def _recognised(along_x: TensorInfo, along_y: TensorInfo, count: int, ratio: float) -> Recognised:
    label = "hand" if count in _HANDS else "face" if count in _FACES else "person"
    spec = PointsSpec(
        along_x.name,
        (label,),
        numbered(count),
        units=(1 / ratio, 1 / ratio),
        vertical=along_y.name,
    )
    evidence = (
        f"'{along_x.name}' {list(along_x.shape)} and '{along_y.name}' {list(along_y.shape)}: for"
        f" each of {count} points a score for each place along x and along y",
        f"{ratio:g} bins stand for an input pixel",
    )
    return Recognised("SimCC key points (RTMPose)", spec, evidence, _HABIT)

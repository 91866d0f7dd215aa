"""MediaPipe's landmark models: coordinates of one hand, face, eye or person in input pixels.

How each is read is published in google-ai-edge/mediapipe's graphs (``hand_landmark_cpu.pbtxt``,
``face_landmark_cpu.pbtxt``, ``pose_landmark_by_roi_cpu.pbtxt``, ``iris_landmark_cpu.pbtxt``):
``TensorsToLandmarksCalculator`` divides by the input's size, ``TensorsToFloatsCalculator``
activates the presence, objects below 0.5 are dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgecnn.core.postprocess import PointsSpec, Skeleton
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import InputHabit, Recognised
from edgecnn.recognition.pose_outputs import are_chances, hints, is_probability, usual

_HABIT = InputHabit("MediaPipe's landmark models: RGB, 0..1, a crop stretched", "0..1")
# More than any place in 0..1, less than any in pixels of an input that shows something.
_UNITS_APART = 4.0

_FINGERS = ("thumb", "index finger", "middle finger", "ring finger", "little finger")
_JOINTS = ("base", "first joint", "second joint", "tip")
_HAND = Skeleton(
    ("wrist", *(f"{finger} {joint}" for finger in _FINGERS for joint in _JOINTS)),
    tuple(
        (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
        for finger in range(5)
        for joint in range(4)
    ),
)
_BODY = Skeleton(
    (
        "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye",
        "right eye outer", "left ear", "right ear", "mouth left", "mouth right", "left shoulder",
        "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
        "left little finger", "right little finger", "left index finger", "right index finger",
        "left thumb", "right thumb", "left hip", "right hip", "left knee", "right knee",
        "left ankle", "right ankle", "left heel", "right heel", "left foot", "right foot",
    ),
    (
        (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12),
        (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18),
        (16, 20), (16, 22), (18, 20), (11, 23), (12, 24), (23, 24), (23, 25), (24, 26), (25, 27),
        (26, 28), (27, 29), (28, 30), (29, 31), (30, 32), (27, 31), (28, 32),
    ),
)  # fmt: skip


def _numbers(count: int) -> Skeleton:
    return Skeleton(tuple(str(number) for number in range(count)))


@dataclass(frozen=True)
class _Kind:
    """One published model.

    Attributes:
        name: for the user.
        label: what the object is.
        size: numbers in the output with the landmarks.
        values: numbers per landmark.
        skeleton: the landmarks that are reported: the first ones.
        others: sizes of outputs one of which has to be there.
        visibility: which of a landmark's values is the logit of its visibility; −1: none.
        only: there are no outputs of yet other sizes.
        apart: landmarks have an axis of their own.
    """

    name: str
    label: str
    size: int
    values: int
    skeleton: Skeleton
    others: tuple[int, ...] = (1,)
    visibility: int = -1
    only: bool = False
    apart: bool = False


_KINDS = (
    _Kind("MediaPipe hand landmarks", "hand", 63, 3, _HAND, only=True),
    _Kind("MediaPipe hand landmarks", "hand", 42, 2, _HAND, only=True),
    _Kind("MediaPipe face mesh", "face", 1404, 3, _numbers(468)),
    _Kind("MediaPipe face mesh with irises", "face", 1434, 3, _numbers(478)),
    _Kind("MediaPipe pose landmarks", "person", 195, 5, _BODY, visibility=3),
    _Kind("MediaPipe pose landmarks, upper body", "person", 124, 4, _numbers(25), visibility=3),
    _Kind(
        "MediaPipe pose landmarks, upper body",
        "person",
        100,
        4,
        _numbers(25),
        only=True,
        apart=True,
    ),
    _Kind("MediaPipe Objectron", "object", 18, 2, _numbers(9), only=True),
    _Kind("MediaPipe eye landmarks", "eye", 213, 3, _numbers(71), (15,)),
)


def mediapipe_landmarks(facts: Facts) -> Recognised | None:
    """An output of a published size, and one number that says whether the object is there."""
    if facts.image is None:
        return None
    by_size: dict[int, list[TensorInfo]] = {}
    for info in facts.outputs:
        by_size.setdefault(math.prod(info.shape), []).append(info)
    for kind in _KINDS:
        found = [info for info in by_size.get(kind.size, []) if _fits(facts, kind, info)]
        fits = not kind.only or set(by_size) <= {kind.size, *kind.others}
        if found and fits and any(by_size.get(size) for size in kind.others):
            presence, why = _presence(facts, by_size.get(1, []))
            return _recognised(facts, kind, _on_screen(facts, found), presence, why)
    return None


def _fits(facts: Facts, kind: _Kind, info: TensorInfo) -> bool:
    """Whether an output may hold the landmarks, and no probabilities of as many classes."""
    shaped = info.shape[-1] in (kind.values, kind.size)
    apart = info.shape[-1] == kind.values or not kind.apart
    return shaped and apart and not are_chances(facts.values(info.name))


def _recognised(
    facts: Facts, kind: _Kind, info: TensorInfo, presence: TensorInfo | None, why: str
) -> Recognised:
    width, height = facts.size
    ends = usual(facts.values(info.name))
    pixels = ends is None or max(abs(ends[0]), abs(ends[1])) > _UNITS_APART
    units = (1.0, 1.0) if pixels else (float(width), float(height))
    count = len(kind.skeleton.names)
    # A copy that divides all values by the input's size spoils the logits among them.
    visibility = kind.visibility if pixels else -1
    sure = presence is not None and is_probability(facts, presence.name)
    spec = PointsSpec(
        info.name,
        (kind.label,),
        kind.skeleton,
        values=kind.values,
        axes="xy",
        units=units,
        point_score=visibility,
        point_activation="sigmoid" if visibility >= 0 else "none",
        score=presence.name if presence is not None else "",
        activation="none" if sure or presence is None else "sigmoid",
        score_threshold=0.5 if presence is not None else 0.0,
    )
    seen = f", values from {ends[0]:.3g} to {ends[1]:.3g}" if ends is not None else ""
    evidence = [
        f"'{info.name}' {list(info.shape)}: {kind.size} numbers are {kind.size // kind.values}"
        f" landmarks of {kind.values}{seen}; the first {count} are reported",
        f"places are {'input pixels' if pixels else 'shares of the input'}, x first",
    ]
    if presence is not None:
        evidence.append(
            f"'{presence.name}' says whether the {kind.label} is there ({why}),"
            f" {'a probability' if sure else 'a logit'}"
        )
    warnings = (
        f"the model was made for a crop around one {kind.label}: on a whole frame it may miss it",
    )
    return Recognised(kind.name, spec, tuple(evidence), _HABIT, warnings)


def _on_screen(facts: Facts, found: list[TensorInfo]) -> TensorInfo:
    """The landmarks on the image among outputs of a size, not those in metres ("world")."""
    left = [info for info in found if "world" not in hints(facts, info.name)] or found
    if len(left) > 1:
        ends = [usual(facts.values(info.name)) for info in left]
        reach = [0.0 if end is None else max(map(abs, end)) for end in ends]
        if max(reach) > 0:
            return left[int(np.argmax(reach))]
    return min(left, key=lambda info: info.name)


def _presence(facts: Facts, single: list[TensorInfo]) -> tuple[TensorInfo | None, str]:
    """Which output of one number says that the object is there, and how that is known."""
    if len(single) == 1:
        return single[0], "the only output of one number"
    for words in (("flag", "presence"), ("score", "conf")):
        named = [
            info
            for info in single
            if any(word in hints(facts, info.name) for word in words)
            and "handed" not in hints(facts, info.name)
        ]
        if len(named) == 1:
            return named[0], "by its name"
    left = [info for info in single if "handed" not in hints(facts, info.name)]
    if len(left) == 1:
        return left[0], "the other one is the handedness, by its name"
    # Published files number their outputs: Identity_1 is the presence, Identity_2 the handedness.
    first = min(left, key=lambda info: info.name, default=None)
    return first, "the first by name, as in the published files"

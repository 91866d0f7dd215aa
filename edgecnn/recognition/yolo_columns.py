"""What the columns of a YOLO-like candidate are: objectness, classes, key points, coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.ultralytics import Ultralytics
from edgecnn.recognition.facts import Facts, Real

COCO_CLASSES = 80
_SLACK = 0.02  # a probability may be this much out of range, by quantization
_SURE = 0.25  # a class's probability that a mere background rarely has
_OFTEN, _RARE = 0.2, 0.05
_POINTS_FOLLOW = 0.8
_RIGHT_ANGLE = 1.58
_HINT = "export a model of the task detect, segment, pose or classify"


@dataclass(frozen=True)
class CandidateColumns:
    """Behind the four numbers of the box.

    Attributes:
        classes: how many.
        objectness: whether column 4 is it.
        points, values: key points and numbers of each; 0: none.
        masks: coefficients of a mask; 0: none.
        why: how the objectness was told, for the user; empty: the grid tells it.
    """

    classes: int
    objectness: bool
    points: int = 0
    values: int = 0
    masks: int = 0
    why: str = ""

    @property
    def first_class(self) -> int:
        """Column of the first class's score."""
        return 5 if self.objectness else 4

    @property
    def rest(self) -> int:
        """Column behind the classes."""
        return self.first_class + self.classes


def probabilities(values: Real, scale: float | None = None) -> bool:
    """Whether all are from 0 to 1, give or take a step of quantization."""
    slack = max(_SLACK, 2 * (scale or 0))
    return values.size > 0 and bool(((values >= -slack) & (values <= 1 + slack)).all())


def refuse_rotated(maker: Ultralytics | None) -> None:
    """Raises ModelError for a model of rotated boxes."""
    if maker is not None and maker.task == "obb":
        raise ModelError(
            "the metadata's task is 'obb': rotated boxes are not supported", hint=_HINT
        )


def refuse_angles(scores: Real) -> None:
    """Raises ModelError where the last column alone is no score, but like an angle.

    Ultralytics' OBB heads put it there, from −π/4 to 3π/4.
    """
    angles = scores[:, -1:]
    if scores.shape[1] < 2 or not probabilities(scores[:, :-1]) or probabilities(angles):
        return
    low, high = float(angles.min()), float(angles.max())
    if low >= -_RIGHT_ANGLE and high <= 2 * _RIGHT_ANGLE:
        raise ModelError(
            f"the last column is no score, but reaches from {low:.2f} to {high:.2f} like an angle:"
            " rotated boxes are not supported",
            hint=_HINT,
        )


def labels_given(facts: Facts) -> tuple[str, ...]:
    """Class names from the user or the file; empty: none."""
    if facts.labels:
        return facts.labels
    maker = facts.metadata.ultralytics
    return maker.names if maker is not None and maker.names else facts.metadata.labels


def classes_of(facts: Facts, *, candidates: tuple[int, ...]) -> int | None:
    """Which of several numbers of classes goes with the labels; without labels, COCO's 80."""
    given = len(labels_given(facts))
    wanted = (given, given - 1, given + 1) if given else (COCO_CLASSES,)
    for count in wanted:
        if count in candidates:
            return count
    return None


def columns_of(
    facts: Facts, width: int, values: Real | None, *, anchors: bool, transposed: bool, masks: int
) -> CandidateColumns | None:
    """What the columns of decoded candidates are; None: that cannot be told.

    Args:
        facts: of the model.
        width: columns.
        values: (candidates, width) on a picture; None: unknown.
        anchors: whether cells have several candidates, as heads with objectness do.
        transposed: whether candidates are the last axis, as in heads without objectness.
        masks: coefficients of each candidate.
    """
    maker = facts.metadata.ultralytics
    refuse_rotated(maker)
    rest = width - 4 - masks
    pose = _pose(facts, rest, values, masks)
    if pose is not None:
        return pose
    if rest < 1:
        return None
    if anchors:
        return CandidateColumns(rest - 1, True, masks=masks) if rest > 1 else None
    # Heads that put candidates last have no objectness, unless values insist.
    maybe = not transposed or (values is not None and _objectness(values, masks) is True)
    by_labels = classes_of(facts, candidates=(rest, rest - 1) if maybe else (rest,))
    if by_labels is not None:
        named = "the labels" if labels_given(facts) else "COCO"
        why = f"{named} {'have' if named != 'COCO' else 'has'} {by_labels} classes"
        return CandidateColumns(by_labels, by_labels == rest - 1, masks=masks, why=why)
    if transposed or rest == 1:
        why = "candidates are the last axis, as in YOLOv8's exports"
        return CandidateColumns(rest, False, masks=masks, why=why)
    if values is None:
        return None
    objectness = _objectness(values, masks)
    if objectness is None:
        return None
    rows = "low where classes are sure" if objectness else "like those of the other classes"
    why = f"the values of column 4 are {rows}"
    return CandidateColumns(rest - objectness, objectness, masks=masks, why=why)


def _pose(facts: Facts, rest: int, values: Real | None, masks: int) -> CandidateColumns | None:
    """Key points of each candidate: by the metadata, or by values that follow the boxes'."""
    maker = facts.metadata.ultralytics
    if masks or (maker is not None and maker.task not in ("", "pose")):
        return None
    if maker is not None and maker.keypoint_shape is not None:
        points, numbers = maker.keypoint_shape
        classes = rest - points * numbers
        return CandidateColumns(classes, False, points, numbers) if classes >= 1 else None
    if values is None:
        return None
    for classes, objectness, points, numbers in _pose_layouts(rest):
        first = 4 + objectness + classes
        places = values[:, first:].reshape(len(values), points, numbers)
        if _points_follow(values[:, :4], places):
            why = f"{points} pairs of columns follow the box centres"
            return CandidateColumns(classes, objectness, points, numbers, why=why)
    return None


def _pose_layouts(rest: int) -> Iterator[tuple[int, bool, int, int]]:
    """Classes, objectness, points and numbers of each; heads for key points have one class."""
    for objectness in (False, True):
        left = rest - 1 - objectness
        for numbers in (3, 2):
            if left >= 2 * numbers and left % numbers == 0:
                yield 1, objectness, left // numbers, numbers


def _points_follow(boxes: Real, places: Real) -> bool:
    good = np.isfinite(places[..., :2]).all(axis=(1, 2)) & np.isfinite(boxes).all(axis=1)
    if good.sum() < 4:
        return False
    for axis in (0, 1):
        centre = boxes[good, axis]
        for point in range(places.shape[1]):
            other = places[good, point, axis]
            if not (centre.std() > 0 and other.std() > 0):
                return False
            if np.corrcoef(centre, other)[0, 1] < _POINTS_FOLLOW:
                return False
    return True


def _objectness(values: Real, masks: int) -> bool | None:
    """Whether column 4 says that there is anything; None: values do not tell.

    Classes of a head with objectness are learned on objects alone: they are sure of something
    nearly everywhere. Without it all classes are low on the background.
    """
    scores = values[:, 4 : values.shape[1] - masks]
    scores = scores[np.isfinite(scores).all(axis=1)]
    if len(scores) < 4 or scores.shape[1] < 2 or not probabilities(scores):
        return None
    sure = (scores[:, 1:].max(axis=1) > _SURE).mean()
    first = (scores[:, 0] > _SURE).mean()
    if sure >= _OFTEN and first <= _RARE:
        return True
    return False if sure <= _RARE and first <= _RARE else None

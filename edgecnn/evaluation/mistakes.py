"""What a detector got right and wrong on each image, at the thresholds that it is used with.

The kinds of mistakes are those of TIDE (Bolya et al. 2020), at its IoU of 0.5 for a box that is
found and 0.1 for one that is background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.evaluation.matching import Floats, ImageResult, iou_matrix, match

Kind = Literal["right", "missed", "false alarm", "misplaced", "wrong class", "double"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FOUND_IOU = 0.5
NEAR_IOU = 0.1


@dataclass(frozen=True)
class Judgement:
    """One shown box, one box of the ground truth, or a pair of them.

    Attributes:
        kind: ``right``: class and place fit; ``wrong class``: the place fits a box of another class
            that nothing else found; ``double``: the box is found already; ``misplaced``: it
            overlaps a box of its class that nothing found, by less than 0.5; ``false alarm``:
            anything else that is shown; ``missed``: a box that nothing found.
        found: index into the result's detections; None: missed.
        truth: index into the result's boxes; None: false alarm.
        iou: of the two; 0.0 where there is only one.
    """

    kind: Kind
    found: int | None
    truth: int | None
    iou: float = 0.0


@dataclass(frozen=True)
class DetectionDetails:
    """What a detector's figures were counted from.

    Attributes:
        ids: of the images.
        results: one per image.
        thresholds: of each class, that the detector is used with.
    """

    ids: tuple[str, ...]
    results: tuple[ImageResult, ...]
    thresholds: tuple[float, ...]


def judge_image(result: ImageResult, thresholds: Sequence[float]) -> tuple[Judgement, ...]:
    """Judges every shown and every expected box of one image.

    Right ones are matched first and class by class, as for average precision, so that they are the
    same; what is left over is then compared with what nothing found.

    Args:
        result: found and expected boxes.
        thresholds: score threshold of each class.

    Returns:
        Shown boxes by falling score, then the missed ones. A shown box that matches an ignored one
        is left out; an expected box that a misplaced one or one of the wrong class refers to is not
        also missed.
    """
    limits = np.asarray(thresholds, np.float32)[result.found.classes]
    shown = np.flatnonzero(result.found.scores >= limits)
    shown = shown[np.argsort(-result.found.scores[shown], kind="stable")]
    boxes, classes = result.found.boxes[shown], result.found.classes[shown]
    ious = iou_matrix(boxes, result.boxes, result.groups)
    ignored = result.uncounted
    taken = _by_class(result, classes, ious)
    free = ~ignored
    free[taken[taken >= 0]] = False
    judged, used = [], np.zeros(len(result.boxes), bool)
    for row, place in enumerate(shown):
        if taken[row] >= 0:
            if not ignored[taken[row]]:
                truth = int(taken[row])
                judged.append(Judgement("right", int(place), truth, float(ious[row, truth])))
            continue
        same = (result.classes == classes[row]) & ~ignored
        found = _leftover(ious[row], same, free & ~used)
        judged.append(Judgement(found.kind, int(place), found.truth, found.iou))
        if found.truth is not None and found.kind in ("wrong class", "misplaced"):
            used[found.truth] = True
    judged += [Judgement("missed", None, int(at)) for at in np.flatnonzero(free & ~used)]
    return tuple(judged)


def confusion_with_background(
    results: Sequence[ImageResult], judged: Sequence[Sequence[Judgement]], classes: int
) -> NDArray[np.int64]:
    """Counts of (true class, shown class) with the background as the last row and column.

    A shown box that fits no expected one at IoU 0.5 counts in the last row, an expected box that
    no shown one fits in the last column; a misplaced box counts in both.
    """
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    for result, judgements in zip(results, judged, strict=True):
        for item in judgements:
            fits = item.kind in ("right", "wrong class")
            if item.found is not None:
                row = result.classes[item.truth] if fits and item.truth is not None else classes
                matrix[row, result.found.classes[item.found]] += 1
            if item.truth is not None and item.kind in ("missed", "misplaced"):
                matrix[result.classes[item.truth], classes] += 1
    return matrix


def count_kinds(judged: Sequence[Sequence[Judgement]]) -> dict[str, int]:
    """How often each kind occurs, in the order of :data:`KINDS`."""
    found = [item.kind for judgements in judged for item in judgements]
    return {kind: found.count(kind) for kind in KINDS}


def _by_class(result: ImageResult, classes: NDArray[np.int64], ious: Floats) -> NDArray[np.int64]:
    """For each shown box the box of its class that it takes, −1 for none."""
    taken = np.full(len(classes), -1, np.int64)
    for which in np.unique(classes):
        rows = np.flatnonzero(classes == which)
        columns = np.flatnonzero(result.classes == which)
        matched = match(
            ious[np.ix_(rows, columns)],
            np.array([FOUND_IOU]),
            result.uncounted[columns],
            result.groups[columns],
        )[0]
        taken[rows] = np.where(matched >= 0, np.append(columns, -1)[matched], -1)
    return taken


def _leftover(ious: Floats, same: NDArray[np.bool_], free: NDArray[np.bool_]) -> Judgement:
    """What a shown box is that took no box of its class."""
    for kind, mask, least in (
        ("wrong class", ~same & free, FOUND_IOU),
        ("double", same & ~free, FOUND_IOU),
        ("misplaced", same & free, NEAR_IOU),
    ):
        overlap = np.where(mask, ious, 0.0)
        best = int(overlap.argmax()) if overlap.size else -1
        if best >= 0 and overlap[best] >= least:
            return Judgement(kind, None, best, float(overlap[best]))  # type: ignore[arg-type]
    return Judgement("false alarm", None, None)

"""Which of a detector's mistakes are worth looking at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from edgecnn.evaluation.matching import box_areas
from edgecnn.evaluation.mistakes import DetectionDetails, Judgement, Kind, judge_image

#: How many of each kind are shown, in the order in which they are.
SHOWN: dict[Kind, int] = {
    "missed": 8,
    "false alarm": 8,
    "misplaced": 8,
    "wrong class": 8,
    "double": 4,
}
_PER_IMAGE = 2
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Exhibit:
    """One mistake on one image.

    Attributes:
        image: the image's id.
        kind: of mistake, never ``right``.
        shown: class of the shown box; None: missed.
        expected: class of the expected box; None: false alarm.
        score: of the shown box.
        iou: of the two boxes, where there are two.
        found, truth: x1, y1, x2, y2 in the image's pixels.
    """

    image: str
    kind: Kind
    shown: int | None = None
    expected: int | None = None
    score: float | None = None
    iou: float | None = None
    found: Box | None = None
    truth: Box | None = None


def choose_exhibits(details: DetectionDetails) -> tuple[Exhibit, ...]:
    """The gravest mistakes of each kind: boxes shown with the highest scores, the largest missed.

    Every class's gravest comes before any class's second, and an image gives two of a kind at most.
    """
    by_kind: dict[Kind, list[tuple[float, int, Exhibit]]] = defaultdict(list)
    for place, result in enumerate(details.results):
        areas = box_areas(result.boxes)
        counts: dict[Kind, int] = defaultdict(int)
        judged = judge_image(result, details.thresholds)
        # The gravest of an image first: shown boxes go by score already.
        missed = [item for item in judged if item.kind == "missed"]
        missed.sort(key=lambda item: -areas[item.truth or 0])
        for item in [*(item for item in judged if item.kind != "missed"), *missed]:
            if item.kind == "right" or counts[item.kind] >= _PER_IMAGE:
                continue
            counts[item.kind] += 1
            exhibit = _exhibit(details, place, item)
            gravity = exhibit.score
            if gravity is None:
                gravity = float(areas[item.truth or 0])
            by_kind[item.kind].append((gravity, len(by_kind[item.kind]), exhibit))
    return tuple(
        exhibit for kind, most in SHOWN.items() for exhibit in _in_turns(by_kind[kind])[:most]
    )


def _exhibit(details: DetectionDetails, place: int, item: Judgement) -> Exhibit:
    result = details.results[place]
    shown, truth = item.found, item.truth
    return Exhibit(
        details.ids[place],
        item.kind,
        None if shown is None else int(result.found.classes[shown]),
        None if truth is None else int(result.classes[truth]),
        None if shown is None else float(result.found.scores[shown]),
        None if shown is None or truth is None else item.iou,
        None if shown is None else _box(result.found.boxes[shown]),
        None if truth is None else _box(result.boxes[truth]),
    )


def _box(values: object) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)  # type: ignore[attr-defined]
    return x1, y1, x2, y2


def _in_turns(rows: list[tuple[float, int, Exhibit]]) -> list[Exhibit]:
    """Orders them by falling gravity, each class in its turn."""
    turns: dict[int | None, int] = defaultdict(int)
    placed = []
    for gravity, order, exhibit in sorted(rows, key=lambda row: (-row[0], row[1])):
        which = exhibit.shown if exhibit.expected is None else exhibit.expected
        placed.append((turns[which], -gravity, order, exhibit))
        turns[which] += 1
    return [row[3] for row in sorted(placed, key=lambda row: row[:3])]

"""Which detections are right: greedy matching by COCO's rules (Lin et al. 2014).

Per image and class the candidates go in score order, and each takes the free ground truth box that
it overlaps most. A box of the ground truth may be *ignored* (VOC's ``difficult``, COCO's
``iscrowd``, a size outside the range that is asked for): a candidate that matches one counts
neither as right nor as wrong, and a box that counts goes before an ignored one. Of the ignored ones
a *crowd* takes any number of candidates, and the overlap with it is the share of the candidate that
lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Detections

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100

Floats = NDArray[np.float64]
Area = tuple[float, float]
#: Smallest and largest area of a box in pixels of the image, both inclusive, as COCO has them.
AREAS: dict[str, Area] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True)
class ImageResult:
    """What was found on one image and what is there.

    Attributes:
        found: the decoder's boxes, best first.
        boxes: (n, 4) x1, y1, x2, y2 of the ground truth, same pixels as ``found``.
        classes: (n,) their classes.
        ignored: bool (n,) boxes that are neither to be found nor wrong to find; None: none.
        crowd: bool (n,) of the ignored ones those that stand for a group; None: none.
    """

    found: Detections
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_] | None = None
    crowd: NDArray[np.bool_] | None = None

    @property
    def groups(self) -> NDArray[np.bool_]:
        """Which boxes are crowds: bool (n,)."""
        none = np.zeros(len(self.boxes), bool)
        return none if self.crowd is None else np.asarray(self.crowd, bool)

    @property
    def uncounted(self) -> NDArray[np.bool_]:
        """Which boxes are ignored, crowds among them: bool (n,)."""
        return self.groups if self.ignored is None else np.asarray(self.ignored, bool) | self.groups


@dataclass(frozen=True)
class ClassTable:
    """Every candidate of one class over all images, by falling score.

    Attributes:
        image: int64 (n,) which image it is on.
        hits: bool (thresholds, n): it matched a ground truth box that counts.
        ignored: bool (thresholds, n): it counts neither as right nor as wrong.
        truths: int64 (images,) ground truth boxes that count, per image.
        scores: float32 (n,).
        rank: int64 (n,) its place among the class's candidates on its image, from 0.
    """

    image: NDArray[np.int64]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    truths: NDArray[np.int64]
    scores: NDArray[np.float32]
    rank: NDArray[np.int64]

    def at_first_threshold(self) -> ClassTable:
        """The table with the first IoU threshold alone."""
        return replace(self, hits=self.hits[:1], ignored=self.ignored[:1])


def box_areas(boxes: NDArray[np.floating]) -> Floats:
    """Areas of (n, 4) boxes x1, y1, x2, y2: float64 (n,)."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    areas: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas


def iou_matrix(
    a: NDArray[np.floating], b: NDArray[np.floating], crowd: NDArray[np.bool_] | None = None
) -> Floats:
    """Intersection over union of (n, 4) and (m, 4) boxes x1, y1, x2, y2: float64 (n, m).

    Where ``crowd`` (m,) is true, the intersection is divided by the area of ``a`` alone.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0.0, None).prod(axis=2)
    area_a, area_b = box_areas(a), box_areas(b)
    union = area_a[:, None] + area_b[None, :] - inter
    if crowd is not None:
        union = np.where(crowd[None, :], area_a[:, None], union)
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def match(
    ious: Floats,
    thresholds: Floats,
    ignored: NDArray[np.bool_] | None = None,
    crowd: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Matches candidates (rows, best first) to ground truth (columns), each column once.

    A candidate takes the free box it overlaps most, the last one among equals, as COCO does; an
    ignored box only where no other fits, a crowd any number of times.

    Returns:
        int64 (thresholds, candidates): the column, −1 where nothing fits.
    """
    found, truths = ious.shape
    matched = np.full((len(thresholds), found), -1, np.int64)
    if not truths or not found:
        return matched
    limit = np.minimum(thresholds, 1.0 - 1e-10)
    free = np.ones((len(thresholds), truths), bool)
    rows = np.arange(len(thresholds))
    counted = np.ones(truths, bool) if ignored is None else ~ignored
    spent = np.ones(truths, bool) if crowd is None else ~crowd
    for index in np.flatnonzero(ious.max(axis=1) >= limit.min()):
        fits = free & (ious[index] >= limit[:, None])
        best = _best(np.where(fits & counted, ious[index], -1.0))
        if not counted.all():
            other = _best(np.where(fits & ~counted, ious[index], -1.0))
            best = np.where(best >= 0, best, other)
        matched[:, index] = best
        hit = best >= 0
        free[rows[hit], best[hit]] = ~spent[best[hit]]
    return matched


def _best(overlap: Floats) -> NDArray[np.int64]:
    """The last column with a row's greatest value; −1 where that is negative."""
    best = overlap.shape[1] - 1 - np.argmax(overlap[:, ::-1], axis=1)
    there = overlap[np.arange(len(overlap)), best] >= 0
    return np.where(there, best, -1).astype(np.int64)


def class_table(
    results: Sequence[ImageResult],
    which: int,
    thresholds: Floats,
    area: Area = AREAS["all"],
) -> ClassTable:
    """Gathers and matches all candidates of class ``which``; boxes outside ``area`` are ignored."""
    return class_tables(results, which, thresholds, (area,))[0]


def class_tables(
    results: Sequence[ImageResult], which: int, thresholds: Floats, areas: Sequence[Area]
) -> tuple[ClassTable, ...]:
    """One :func:`class_table` per range of areas; overlaps are worked out once for all of them."""
    gathered: list[list[_Matched]] = [[] for _ in areas]
    truths = np.zeros((len(areas), len(results)), np.int64)
    for index, result in enumerate(results):
        mine, said = result.classes == which, result.found.classes == which
        if not (mine.any() or said.any()):
            continue
        chosen = np.flatnonzero(said)
        order = np.argsort(-result.found.scores[chosen], kind="stable")[:MAX_DETECTIONS]
        chosen = chosen[order]
        wanted, groups = result.boxes[mine], result.groups[mine]
        boxes, scores = result.found.boxes[chosen], result.found.scores[chosen]
        ious = iou_matrix(boxes, wanted, groups)
        known: dict[bytes, NDArray[np.int64]] = {}
        for place, area in enumerate(areas):
            passed = result.uncounted[mine] | _outside(wanted, area)
            truths[place, index] = int((~passed).sum())
            key = passed.tobytes()
            if key not in known:
                known[key] = match(ious, thresholds, passed, groups)
            there = known[key] >= 0
            unwanted = there & np.append(passed, False)[known[key]]
            ignored = unwanted | (~there & _outside(boxes, area))
            gathered[place].append(_Matched(index, scores, there & ~unwanted, ignored))
    return tuple(
        _joined(parts, counts, len(thresholds))
        for parts, counts in zip(gathered, truths, strict=True)
    )


@dataclass(frozen=True)
class _Matched:
    """One image's candidates of one class, best first."""

    image: int
    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


def _joined(parts: list[_Matched], truths: NDArray[np.int64], thresholds: int) -> ClassTable:
    """The candidates of all images by falling score; of equal scores the earlier image first."""
    none = _Matched(0, *(np.zeros(shape, kind) for shape, kind in (
        ((0,), np.float32), ((thresholds, 0), bool), ((thresholds, 0), bool))))  # fmt: skip
    parts = parts or [none]
    scores = np.concatenate([part.scores for part in parts]).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return ClassTable(
        np.repeat([part.image for part in parts], [len(part.scores) for part in parts])[order],
        np.concatenate([part.hits for part in parts], axis=1)[:, order],
        np.concatenate([part.ignored for part in parts], axis=1)[:, order],
        truths,
        scores[order],
        np.concatenate([np.arange(len(part.scores)) for part in parts])[order],
    )


def _outside(boxes: NDArray[np.floating], area: Area) -> NDArray[np.bool_]:
    size = box_areas(boxes)
    return (size < area[0]) | (size > area[1])

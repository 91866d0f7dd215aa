"""Ground truth boxes → what each candidate of a detector should say.

A detector without anchors: the cells around a box's centre answer for it (centre sampling as in
FCOS, Tian et al. 2019) on the level whose stride suits the box's size. With anchors: those that
overlap the box enough (Liu et al. 2016). Where two boxes claim a candidate, the smaller one has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import cell_layout
from edgecnn.core.postprocess import DetectSpec, GridLevel

Float = NDArray[np.float32]
_POSITIVE_IOU, _NEUTRAL_IOU = 0.5, 0.4


@dataclass(frozen=True)
class Candidates:
    """All candidates of a spec, in the outputs' order.

    Attributes:
        centres: float32 (n, 2) x, y in input pixels.
        anchors: float32 (n, 2) width, height in input pixels; zeros without anchors.
        strides: float32 (n,).
        units: float32 (n,) what a box's misplacement is counted in: the stride, or the anchor's
            mean side over 8.
        levels: int64 (n,).
    """

    centres: Float
    anchors: Float
    strides: Float
    units: Float
    levels: NDArray[np.int64]


def candidates(levels: Sequence[GridLevel]) -> Candidates:
    """The levels' candidates as the decoder lays them out, with what targets need beside."""
    laid = cell_layout(tuple(levels))
    counts = [level.rows * level.cols * max(1, len(level.anchors)) for level in levels]
    sides = np.sqrt(laid.anchor.prod(axis=1))
    units = np.where(sides > 0, sides / 8, laid.stride).astype(np.float32)
    return Candidates(
        laid.centre, laid.anchor, laid.stride, units, np.repeat(np.arange(len(levels)), counts)
    )


@dataclass(frozen=True)
class Assigner:
    """Boxes of an image → targets.

    Attributes:
        spec: of the detector.
        radius: in cells, how far from a box's centre a cell may be that answers for it.
        reach: a level without anchors answers for boxes whose longer side is up to so many
            strides; the last one for all larger ones.
        weights: of each class, for classes with few boxes.
    """

    spec: DetectSpec
    radius: float = 1.5
    reach: float = 10.0
    weights: tuple[float, ...] = ()

    def __call__(
        self, boxes: Float, classes: NDArray[np.int64], ignored: NDArray[np.bool_] | None = None
    ) -> Float:
        """Targets of one image.

        Args:
            boxes: (n, 4) x1, y1, x2, y2 in input pixels.
            classes: (n,).
            ignored: (n,) boxes that are neither asked for nor background.

        Returns:
            float32 (candidates, labels + 5): one-hot classes (all 0: background), the box's
            corners in input pixels (0 for background), and the candidate's weight: 0 where it is
            not judged.
        """
        spec, labels = self.spec, len(self.spec.labels)
        every = candidates(spec.levels)
        out = np.zeros((len(every.centres), labels + 5), np.float32)
        out[:, -1] = 1.0
        hidden = np.zeros(len(boxes), bool) if ignored is None else ignored
        for box in boxes[hidden]:
            out[_inside(every.centres, box), -1] = 0.0
        boxes, classes = boxes[~hidden], classes[~hidden]
        if not len(boxes):
            return out
        if any(level.anchors for level in spec.levels):
            claims, neutral = _by_overlap(every, boxes)
            out[neutral, -1] = 0.0
        else:
            claims = self._by_centre(every, boxes)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        owner = np.where(claims, area[None], np.inf).argmin(axis=1)
        mine = np.flatnonzero(claims.any(axis=1))
        owner = owner[mine]
        out[mine, classes[owner]] = 1.0
        out[mine, labels : labels + 4] = boxes[owner]
        weights = np.asarray(self.weights or (1.0,) * labels, np.float32)
        out[mine, -1] = weights[classes[owner]]
        return out

    def _by_centre(self, every: Candidates, boxes: Float) -> NDArray[np.bool_]:
        """Which candidates claim which boxes: inside, near the centre, on the box's level."""
        levels = self.spec.levels
        side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        bounds = np.array([level.stride * self.reach for level in levels[:-1]])
        own = np.searchsorted(bounds, side)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        away = np.abs(every.centres[:, None] - middle[None]).max(axis=2) / every.strides[:, None]
        away = np.where(every.levels[:, None] == own[None], away, np.inf)
        low = every.centres[:, None] - boxes[None, :, :2]
        high = boxes[None, :, 2:] - every.centres[:, None]
        inside = np.minimum(low, high).min(axis=2) > 0
        claims: NDArray[np.bool_] = (away <= self.radius) & inside
        claims[away.argmin(axis=0), np.arange(len(boxes))] = True
        return claims


def _by_overlap(every: Candidates, boxes: Float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which anchors answer for which boxes, and which are neither that nor background."""
    half = every.anchors / 2
    anchors = np.concatenate([every.centres - half, every.centres + half], axis=1)
    low = np.maximum(anchors[:, None, :2], boxes[None, :, :2])
    high = np.minimum(anchors[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    sizes = [(item[:, 2:] - item[:, :2]).prod(axis=1) for item in (anchors, boxes)]
    iou = shared / (sizes[0][:, None] + sizes[1][None] - shared)
    claims: NDArray[np.bool_] = iou >= _POSITIVE_IOU
    best = iou.argmax(axis=0)
    claims[best, np.arange(len(boxes))] = True
    neutral = ~claims.any(axis=1) & (iou.max(axis=1) >= _NEUTRAL_IOU)
    return claims, neutral


def _inside(centres: Float, box: Float) -> NDArray[np.bool_]:
    return np.asarray(((centres > box[:2]) & (centres < box[2:])).all(axis=1), bool)


def class_weights(counts: Sequence[int], most: float = 4.0) -> tuple[float, ...]:
    """More weight for classes with few boxes: the root of how much rarer they are.

    >>> class_weights([4155, 372, 361])
    (1.0, 3.34, 3.39)
    """
    top = max([*counts, 1])
    return tuple(round(min(most, (top / max(1, count)) ** 0.5), 2) for count in counts)

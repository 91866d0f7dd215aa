"""What the loop knows about one frame, and its JSON line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.clock import Instant
from edgecnn.camera.following import Following
from edgecnn.camera.sources.frames import TrueBox
from edgecnn.core.decode import Decoded
from edgecnn.core.detections import Centroids, Classification, Detections, Segmentation
from edgecnn.core.mask import Box, Mask, MaskArea
from edgecnn.core.postprocess import PointsSpec, PosesSpec, PostprocessSpec

KeyPoint = tuple[float, float, float]
Edges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FrameMask:
    """A mask on a frame of known size; its pixels are computed when asked for, and once.

    Attributes:
        mask: where its values lie in the frame.
        frame_hw: height and width of the frame, pixels.
    """

    mask: Mask
    frame_hw: tuple[int, int]

    @cached_property
    def area(self) -> MaskArea:
        """The pixels."""
        return self.mask.area(*self.frame_hw)

    def to_json(self) -> dict[str, Any]:
        """COCO's uncompressed run lengths: ``size`` and ``counts``."""
        return self.area.run_lengths(*self.frame_hw)


@dataclass(frozen=True)
class Item:
    """One detection, all pixels of one class, or the best class of the whole frame.

    Attributes:
        label, class_index: of the class.
        score: in [0, 1].
        box_xyxy: x1, y1, x2, y2 in frame pixels.
        whole_frame: the result of a classifier, which has no box of its own.
        point_xy: x, y in frame pixels of a model that finds points; the box is then what the cells
            of its grid cover, not the object. None for others.
        keypoints: x, y in frame pixels and a score, one per point of the model; None: it gives
            none.
        edges: which key points are joined by a line, by number.
        mask: the pixels; None: the model does not tell.
        whole_class: the pixels of a class of a segmentation, be they of one object or of several;
            the box is around all of them.
        then: what a second network found on a crop around the box.
        track: the number of what it is, the same on all frames; None: it is not followed, or not
            for long enough yet.
        candidate: it scores too little to count; a tracker may know better.
    """

    label: str
    class_index: int
    score: float
    box_xyxy: Box
    whole_frame: bool = False
    point_xy: tuple[float, float] | None = None
    keypoints: tuple[KeyPoint, ...] | None = None
    edges: Edges = ()
    mask: FrameMask | None = None
    whole_class: bool = False
    then: tuple[Item, ...] | None = None
    track: int | None = None
    candidate: bool = False

    @property
    def anchor_xy(self) -> tuple[float, float]:
        """Where it stands, x, y in frame pixels: the middle of its lower edge, or its point."""
        x1, _, x2, y2 = self.box_xyxy
        return self.point_xy or ((x1 + x2) / 2, y2)

    def moved(self, left: int, top: int, frame_hw: tuple[int, int]) -> Item:
        """An item of a crop as one of the frame that it was cut from.

        Args:
            left: of the crop, frame pixels.
            top: likewise.
            frame_hw: height and width of the frame.
        """
        x1, y1, x2, y2 = self.box_xyxy
        point, mask = self.point_xy, self.mask
        points = self.keypoints
        return replace(
            self,
            box_xyxy=(x1 + left, y1 + top, x2 + left, y2 + top),
            point_xy=None if point is None else (point[0] + left, point[1] + top),
            keypoints=points and tuple((x + left, y + top, score) for x, y, score in points),
            mask=None if mask is None else FrameMask(mask.mask.moved(left, top), frame_hw),
            then=self.then and tuple(item.moved(left, top, frame_hw) for item in self.then),
        )

    def to_json(self) -> dict[str, Any]:
        """The object in ``detections``."""
        fields: dict[str, Any] = {
            "label": self.label,
            "score": round(self.score, 4),
            "box_xyxy": [round(value, 2) for value in self.box_xyxy],
            "track": self.track,
        }
        if self.point_xy is not None:
            fields["point_xy"] = [round(value, 2) for value in self.point_xy]
        if self.keypoints is not None:
            fields["keypoints"] = [
                [round(x, 2), round(y, 2), round(score, 4)] for x, y, score in self.keypoints
            ]
        if self.mask is not None:
            fields["mask"] = self.mask.to_json()
        if self.then is not None:
            fields["then"] = [item.to_json() for item in self.then]
        return fields


@dataclass(frozen=True)
class FrameResult:
    """One frame's line.

    Attributes:
        frame: the source's sequence number; gaps are dropped or corrupt frames.
        timestamp_s: position in the file, or seconds since the live source's first frame.
        captured: when it was captured, on both clocks.
        age_ms: from capture to the finished result.
        stage_ms: milliseconds by stage.
        file: the image that the frame is; None: it is one of a video or a camera.
        truth: all that is on it, where that is known; None: it is not.
        following: ways, crossings and counts of what is followed; None: nothing is.
        camera: the name of the camera; None: it has none.
    """

    frame: int
    timestamp_s: float
    captured: Instant
    age_ms: float
    items: tuple[Item, ...]
    stage_ms: Mapping[str, float]
    file: str | None = None
    truth: tuple[TrueBox, ...] | None = None
    following: Following | None = None
    camera: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The object of one line of ``edgecnn detect --json``."""
        named = {} if self.camera is None else {"camera": self.camera}
        fields: dict[str, Any] = {
            "frame": self.frame,
            **named,
            "timestamp_s": round(self.timestamp_s, 4),
            "time": self.captured.iso(),
            "age_ms": round(self.age_ms, 3),
            "detections": [item.to_json() for item in self.items],
            "stage_ms": {name: round(ms, 3) for name, ms in self.stage_ms.items()},
        }
        if self.file is not None:
            fields["file"] = self.file
        if self.truth is not None:
            fields["truth"] = [box.to_json() for box in self.truth]
        if self.following is not None:
            fields |= self.following.to_json()
        return fields


def to_line(data: Mapping[str, Any]) -> str:
    """One JSON line."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def items_of(
    decoded: Decoded,
    labels: tuple[str, ...],
    frame_hw: tuple[int, int],
    threshold: float = 0.0,
    edges: Edges = (),
) -> tuple[Item, ...]:
    """Names the decoder's classes.

    A classification gives its best class over ``threshold``; a segmentation one item for each class
    that is there, the largest first. What is no finite number is left out.

    Args:
        decoded: of one frame.
        labels: one per class.
        frame_hw: height and width of the frame, pixels.
        threshold: the least score of a classification.
        edges: which key points are joined by a line.
    """
    if isinstance(decoded, Classification):
        best = decoded.best
        score = float(decoded.scores[best])
        if not (math.isfinite(score) and score >= threshold):
            return ()
        box = (0.0, 0.0, float(frame_hw[1]), float(frame_hw[0]))
        return (Item(_label(labels, best), best, score, box, whole_frame=True),)
    if isinstance(decoded, Segmentation):
        return _class_items(decoded, labels, frame_hw)
    if isinstance(decoded, Centroids):
        return tuple(
            Item(_label(labels, int(kind)), int(kind), float(score), _box(cells), point_xy=(x, y))
            for (x, y), cells, score, kind in zip(
                decoded.points.tolist(),
                decoded.cells,
                decoded.scores,
                decoded.classes,
                strict=True,
            )
        )
    return _object_items(decoded, labels, frame_hw, edges)


def edges_of(spec: PostprocessSpec) -> Edges:
    """Which key points of a model's objects are joined by a line."""
    if isinstance(spec, PointsSpec | PosesSpec):
        return spec.skeleton.edges
    carried = getattr(spec, "keypoints", None) or getattr(spec, "landmarks", None)
    return () if carried is None else carried.skeleton.edges


def _object_items(
    found: Detections, labels: tuple[str, ...], frame_hw: tuple[int, int], edges: Edges
) -> tuple[Item, ...]:
    items = []
    for k, (box, score, kind) in enumerate(
        zip(found.boxes, found.scores, found.classes, strict=True)
    ):
        if not (np.isfinite(box).all() and math.isfinite(score)):
            continue
        points = None if found.keypoints is None else _key_points(found.keypoints[k])
        mask = None if found.masks is None else FrameMask(found.masks[k], frame_hw)
        label = _label(labels, int(kind))
        items.append(
            Item(
                label,
                int(kind),
                float(score),
                _box(box),
                keypoints=points,
                edges=edges if points else (),
                mask=mask,
            )
        )
    return tuple(items)


def _class_items(
    found: Segmentation, labels: tuple[str, ...], frame_hw: tuple[int, int]
) -> tuple[Item, ...]:
    """One item per class with pixels in the frame: their mean score, the largest class first."""
    numbers = found.classes.ravel()
    cells = np.bincount(numbers[numbers >= 0])
    items = []
    for number in np.argsort(-cells, kind="stable"):
        if not cells[number]:
            break
        mask = FrameMask(found.mask(int(number)), frame_hw)
        box = mask.area.box()
        if box is None:
            continue
        score = float(found.scores[found.classes == number].mean())
        label = _label(labels, int(number))
        items.append(Item(label, int(number), score, box, mask=mask, whole_class=True))
    return tuple(items)


def _key_points(points: NDArray[np.float32]) -> tuple[KeyPoint, ...]:
    """Points (n, 3) for people; (0, 0, 0) where the model gave no finite number."""
    known = np.isfinite(points).all(axis=1, keepdims=True)
    return tuple((x, y, score) for x, y, score in np.where(known, points, 0).tolist())


def _box(values: NDArray[np.float32]) -> Box:
    return (float(values[0]), float(values[1]), float(values[2]), float(values[3]))


def _label(labels: tuple[str, ...], index: int) -> str:
    return labels[index] if 0 <= index < len(labels) else f"class {index}"

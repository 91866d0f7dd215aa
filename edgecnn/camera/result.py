"""What the loop knows about one frame, and its JSON line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.core.decode import Decoded
from edgecnn.core.detections import Centroids, Classification, Segmentation


@dataclass(frozen=True)
class Item:
    """One detection, or the best class of the whole frame.

    Attributes:
        label, class_index: of the class.
        score: in [0, 1].
        box_xyxy: x1, y1, x2, y2 in frame pixels.
        whole_frame: the result of a classifier, which has no box of its own.
        point_xy: x, y in frame pixels of a model that finds points; the box is then what the cells
            of its grid cover, not the object. None for others.
    """

    label: str
    class_index: int
    score: float
    box_xyxy: tuple[float, float, float, float]
    whole_frame: bool = False
    point_xy: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The object in ``detections``."""
        fields: dict[str, Any] = {
            "label": self.label,
            "score": round(self.score, 4),
            "box_xyxy": [round(value, 2) for value in self.box_xyxy],
            "track": None,
        }
        if self.point_xy is not None:
            fields["point_xy"] = [round(value, 2) for value in self.point_xy]
        return fields


@dataclass(frozen=True)
class FrameResult:
    """One frame's line.

    Attributes:
        frame: the source's sequence number; gaps are dropped frames.
        timestamp_s: position in the file, or seconds since the live source's first frame.
        age_ms: from capture to the finished result.
        stage_ms: milliseconds by stage.
    """

    frame: int
    timestamp_s: float
    age_ms: float
    items: tuple[Item, ...]
    stage_ms: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The object of one line of ``edgecnn detect --json``."""
        return {
            "frame": self.frame,
            "timestamp_s": round(self.timestamp_s, 4),
            "age_ms": round(self.age_ms, 3),
            "detections": [item.to_json() for item in self.items],
            "stage_ms": {name: round(ms, 3) for name, ms in self.stage_ms.items()},
        }


def to_line(data: Mapping[str, Any]) -> str:
    """One JSON line."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def items_of(
    decoded: Decoded,
    labels: tuple[str, ...],
    frame_hw: tuple[int, int],
    threshold: float = 0.0,
) -> tuple[Item, ...]:
    """Names the decoder's classes; a classification gives its best class over ``threshold``."""
    if isinstance(decoded, Classification):
        best = decoded.best
        score = float(decoded.scores[best])
        if not score >= threshold:
            return ()
        box = (0.0, 0.0, float(frame_hw[1]), float(frame_hw[0]))
        return (Item(_label(labels, best), best, score, box, whole_frame=True),)
    if isinstance(decoded, Segmentation):
        return ()
    points = decoded.points if isinstance(decoded, Centroids) else None
    boxes = decoded.cells if isinstance(decoded, Centroids) else decoded.boxes
    rows = zip(boxes, decoded.scores, decoded.classes, strict=True)
    return tuple(
        Item(
            _label(labels, int(kind)),
            int(kind),
            float(score),
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            point_xy=None if points is None else (float(points[k, 0]), float(points[k, 1])),
        )
        for k, (box, score, kind) in enumerate(rows)
    )


def _label(labels: tuple[str, ...], index: int) -> str:
    return labels[index] if 0 <= index < len(labels) else f"class {index}"

"""Pictures of a detector's mistakes for the report, kept in the bundle beside its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.files import dump_json
from edgecnn.core.metric import Metric
from edgecnn.core.sample import Dataset
from edgecnn.evaluation.exhibits import Box, Exhibit, choose_exhibits
from edgecnn.evaluation.mistakes import DetectionDetails

SCHEMA = "edgecnn.gallery/1"
INDEX = "gallery.json"
_SIDE = 240
_QUALITY = 80
# A picture is so many times as wide as what it shows, and so many pixels at least.
_MARGIN, _LEAST = 2.0, 64


def mistake_gallery(
    metric: Metric | None, dataset: Dataset | None, labels: Sequence[str]
) -> dict[str, bytes]:
    """Cuts the gravest mistakes out of their images.

    Args:
        metric: a detector's, just measured.
        dataset: what it was measured on.
        labels: of the model.

    Returns:
        File name → content: JPEG pictures without boxes, and ``gallery.json``, which says what is
        where in them; empty where there is nothing to show.
    """
    if metric is None or dataset is None or not isinstance(metric.details, DetectionDetails):
        return {}
    places = {name: index for index, name in enumerate(dataset.ids)}
    files: dict[str, bytes] = {}
    items: list[dict[str, Any]] = []
    for exhibit in choose_exhibits(metric.details):
        try:
            image = dataset[places[exhibit.image]].image
        except (DataError, KeyError):
            continue
        cut = _cut(image, exhibit)
        if cut is None:
            continue
        name = f"{len(items) + 1:02d}.jpg"
        files[name] = cut[0]
        items.append({"file": name, **_described(exhibit, labels), **cut[1]})
    if items:
        files[INDEX] = dump_json({"schema": SCHEMA, "items": items}).encode()
    return files


def _described(exhibit: Exhibit, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "kind": exhibit.kind,
        "image": exhibit.image,
        "shown": None if exhibit.shown is None else labels[exhibit.shown],
        "expected": None if exhibit.expected is None else labels[exhibit.expected],
        "score": exhibit.score,
        "iou": exhibit.iou,
    }


def _cut(image: NDArray[np.uint8], exhibit: Exhibit) -> tuple[bytes, dict[str, Any]] | None:
    """The surroundings of the mistake as JPEG, its size, and the boxes in its pixels."""
    import cv2

    boxes = [box for box in (exhibit.found, exhibit.truth) if box is not None]
    region = _region(np.array(boxes), image.shape[1], image.shape[0])
    left, top, right, bottom = region
    cut = np.ascontiguousarray(image[top:bottom, left:right])
    scale = _SIDE / max(cut.shape[:2])
    size = (max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    good, data = cv2.imencode(
        ".jpg", cv2.resize(cut, size, interpolation=way), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    if not good:
        return None
    stretch = (size[0] / cut.shape[1], size[1] / cut.shape[0])

    def placed(box: Box | None) -> list[float] | None:
        if box is None:
            return None
        return [round((box[k] - region[k % 2]) * stretch[k % 2], 1) for k in range(4)]

    where = {"size": list(size), "found": placed(exhibit.found), "truth": placed(exhibit.truth)}
    return data.tobytes(), where


def _region(boxes: NDArray[np.floating], width: int, height: int) -> tuple[int, int, int, int]:
    """A square around the boxes, as far as the image goes: left, top, right, bottom."""
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = max(float((high - low).max()) * _MARGIN, _LEAST)
    edges = []
    for middle, whole in zip((low + high) / 2, (width, height), strict=True):
        length = min(round(side), whole)
        start = int(np.clip(round(float(middle) - length / 2), 0, whole - length))
        edges.append((start, start + length))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom

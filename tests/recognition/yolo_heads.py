"""Outputs of published YOLO heads, and what their publishers decode from them, in plain loops.

Nothing here is shared with the code under test. Sources: models/tf.py and models/yolo.py of
ultralytics/yolov5, ultralytics/nn/modules/head.py, yolox/models/yolo_head.py, core/yolov4.py of
hunglc007/tensorflow-yolov4-tflite, nanodet_plus_head.py and gfl_head.py of RangiLyu/nanodet,
tf/src/postprocessing/postprocess.py of STMicroelectronics/stm32ai-modelzoo.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.recognition.facts import Facts

Array = NDArray[np.float32]
#: x1, y1, x2, y2 in input pixels, score, class.
Found = list[tuple[tuple[float, float, float, float], float, int]]


@dataclass(frozen=True)
class Fake:
    """A Predictor that gives the same outputs whatever it sees."""

    size: tuple[int, int]
    arrays: Mapping[str, NDArray]
    scales: Mapping[str, tuple[float, int]]
    channels: int = 3

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        return (TensorInfo("images", (1, self.size[1], self.size[0], self.channels), "float32"),)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        return tuple(
            TensorInfo(name, value.shape, value.dtype.name, *self.scales.get(name, (None, None)))
            for name, value in self.arrays.items()
        )

    def predict(self, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
        return dict(self.arrays)


def facts_of(
    size: tuple[int, int],
    arrays: Mapping[str, NDArray],
    *,
    labels: Sequence[str] = (),
    metadata: FileMetadata | None = None,
    scales: Mapping[str, tuple[float, int]] | None = None,
    photo: bool = True,
    channels: int = 3,
) -> Facts:
    """A model with these outputs."""
    picture = np.full((60, 80, 3), 90, np.uint8) if photo else None
    fake = Fake(size, arrays, scales or {}, channels)
    return Facts(fake, None, metadata or FileMetadata(), tuple(labels), picture)


def decoded(facts: Facts, spec: PostprocessSpec) -> Detections:
    """What the code under test makes of the outputs."""
    return decoded_from(facts, spec, facts.predictor.predict({}))


def decoded_from(facts: Facts, spec: PostprocessSpec, raw: Mapping[str, NDArray]) -> Detections:
    """The same from outputs that are there already."""
    result = decode(spec, raw, facts.outputs, None)
    assert isinstance(result, Detections)
    return result


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def cells(size: tuple[int, int], strides: Sequence[int]) -> list[tuple[int, int, int]]:
    """Column, row and stride of every cell, level by level, row by row."""
    return [
        (col, row, stride)
        for stride in strides
        for row in range(math.ceil(size[1] / stride))
        for col in range(math.ceil(size[0] / stride))
    ]


def logits(rng: np.random.Generator, count: int, classes: int, sure: int = 8) -> Array:
    """Class logits (count, classes) of a detector: low, but for a few candidates."""
    values = rng.normal(-6, 1, (count, classes))
    rows = rng.choice(count, sure, replace=False)
    values[rows, rng.integers(0, classes, sure)] = rng.uniform(0.5, 3, sure)
    return values.astype(np.float32)


def squash(values: Array) -> Array:
    return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)


def boxes_around(
    rng: np.random.Generator, size: tuple[int, int], strides: Sequence[int], per_cell: int = 1
) -> Array:
    """Centre x, y, width, height in pixels of candidates near their cells, cell by cell."""
    rows = []
    for col, row, stride in cells(size, strides):
        for _ in range(per_cell):
            dx, dy = rng.uniform(-0.5, 1.5, 2)
            w, h = stride * rng.uniform(0.8, 4, 2)
            rows.append(((col + dx) * stride, (row + dy) * stride, w, h))
    return np.asarray(rows, np.float32)


def corners(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def suppressed(found: Found, iou: float) -> Found:
    """Greedy suppression per class, best first."""
    kept: Found = []
    for box, score, kind in sorted(found, key=lambda item: -item[1]):
        if all(k != kind or overlap(box, other) <= iou for other, _, k in kept):
            kept.append((box, score, kind))
    return kept


def best_classes(
    boxes: Sequence[Sequence[float]],
    scores: Array,
    threshold: float,
    iou: float,
) -> Found:
    """Candidates (corners) whose best class passes, after suppression."""
    found: Found = []
    for box, row in zip(boxes, scores, strict=True):
        kind = max(range(len(row)), key=lambda k: row[k])
        if row[kind] >= threshold:
            found.append(((box[0], box[1], box[2], box[3]), float(row[kind]), kind))
    return suppressed(found, iou)


def check(found: Detections, wanted: Found, iou: float = 0.99) -> None:
    """The same boxes in the same order of scores, each at least this near."""
    assert len(found) == len(wanted) > 0
    for k, (box, score, kind) in enumerate(wanted):
        assert overlap(found.boxes[k].tolist(), box) >= iou, (k, found.boxes[k], box)
        assert abs(float(found.scores[k]) - score) < 1e-4
        assert int(found.classes[k]) == kind


def distances(values: Sequence[float], bins: int) -> list[float]:
    """Left, top, right, bottom: the mean of 0 … bins − 1 under each softmax."""
    found = []
    for side in range(4):
        powers = [math.exp(v) for v in values[side * bins : (side + 1) * bins]]
        found.append(sum(k * p for k, p in enumerate(powers)) / sum(powers))
    return found


def from_distances(
    codes: Array, size: tuple[int, int], strides: Sequence[int], bins: int, origin: float = 0.5
) -> list[tuple[float, float, float, float]]:
    """Corners of anchor-free candidates, cell by cell."""
    boxes = []
    for row, (x, y, stride) in zip(codes.tolist(), cells(size, strides), strict=True):
        left, top, right, bottom = distances(row, bins)
        middle = ((x + origin) * stride, (y + origin) * stride)
        boxes.append((
            middle[0] - left * stride, middle[1] - top * stride,
            middle[0] + right * stride, middle[1] + bottom * stride,
        ))  # fmt: skip
    return boxes


def from_cells(
    codes: Array, size: tuple[int, int], strides: Sequence[int]
) -> list[tuple[float, float, float, float]]:
    """Corners of YOLOX's candidates."""
    boxes = []
    for (dx, dy, dw, dh), (x, y, stride) in zip(codes.tolist(), cells(size, strides), strict=True):
        boxes.append(
            corners(
                (x + dx) * stride, (y + dy) * stride, math.exp(dw) * stride, math.exp(dh) * stride
            )
        )
    return boxes


def on_anchors(
    codes: Array,
    size: tuple[int, int],
    strides: Sequence[int],
    anchors: Sequence[Sequence[tuple[float, float]]],
    *,
    squared: bool,
) -> list[tuple[float, float, float, float]]:
    """Corners of candidates on anchors in pixels, cell by cell, then anchor: v5's or v3's way."""
    boxes = []
    rows = iter(codes.tolist())
    for x, y, stride in cells(size, strides):
        for width, height in anchors[list(strides).index(stride)]:
            tx, ty, tw, th = next(rows)
            if squared:
                boxes.append(corners(
                    (sigmoid(tx) * 2 - 0.5 + x) * stride, (sigmoid(ty) * 2 - 0.5 + y) * stride,
                    (sigmoid(tw) * 2) ** 2 * width, (sigmoid(th) * 2) ** 2 * height,
                ))  # fmt: skip
            else:
                boxes.append(corners(
                    (sigmoid(tx) + x) * stride, (sigmoid(ty) + y) * stride,
                    math.exp(tw) * width, math.exp(th) * height,
                ))  # fmt: skip
    return boxes


def by_level(table: Array, size: tuple[int, int], strides: Sequence[int]) -> list[Array]:
    """Rows of a table, one a cell, as one array (1, rows, cols, columns) a level."""
    maps, start = [], 0
    for stride in strides:
        rows, cols = math.ceil(size[1] / stride), math.ceil(size[0] / stride)
        part = table[start : start + rows * cols]
        maps.append(np.ascontiguousarray(part.reshape(1, rows, cols, -1)))
        start += rows * cols
    return maps

"""Outputs of published detectors' forms, as :mod:`benchmarks.decoding` times them.

The values are random: noise, and objects that runs of neighbouring candidates have found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.postprocess import (
    CandidatePoints,
    DetectSpec,
    GridLevel,
    MaskCoefficients,
    Skeleton,
)
from edgecnn.core.runtime import TensorInfo

OBJECTS, PER_OBJECT = 40, 30
LABELS = tuple(f"class {k}" for k in range(90))
GRIDS = {8.0: 80, 16.0: 40, 32.0: 20}
ANCHORS = ((10.0, 13.0), (33.0, 23.0), (62.0, 119.0))
# Where the noise of best scores lies: as logits, with few or with all candidates passing 0.001.
NOISE = {False: (-7.0, 1.5), True: (-5.0, 1.0)}
LOWEST = -6.5


@dataclass(frozen=True)
class DecodingCase:
    """Outputs to decode."""

    name: str
    spec: DetectSpec
    outputs: dict[str, NDArray[Any]]
    infos: list[TensorInfo]


Form = tuple[str, DetectSpec, dict[str, tuple[int, ...]]]


def form_cases() -> Iterator[DecodingCase]:
    """Every form, int8 and float32, at 0.25, and at 0.001 with every candidate passing."""
    for name, spec, shapes in (*_yolo(), *_anchored()):
        for threshold, dense in ((0.25, False), (0.001, True)):
            real = _filled(spec, shapes, dense)
            for dtype in ("int8", "float32"):
                infos = [_info(key, values, dtype) for key, values in real.items()]
                outputs = {info.name: info.quantize(real[info.name]) for info in infos}
                whole = replace(spec, score_threshold=threshold)
                case = f"{name}, {dtype}{', all pass' if dense else ''}"
                yield DecodingCase(case, whole, outputs, infos)


def _yolo() -> Iterator[Form]:
    """Forms of the YOLO family at 640 × 640."""
    common: dict[str, Any] = {"nms_iou": 0.45, "max_detections": 300}
    heads = {f"head{grid}": (1, grid, grid, 255) for grid in GRIDS.values()}
    levels = tuple(
        GridLevel(grid, grid, stride, ANCHORS, *[f"head{grid}"] * 3)
        for stride, grid in GRIDS.items()
    )
    spec = DetectSpec(
        "", "", LABELS[:80], levels, "anchor-square", score_column=5, objectness_column=4, **common
    )
    yield "YOLOv5, 3 raw heads × 255", spec, heads
    levels = tuple(
        GridLevel(grid, grid, stride, (), f"scores{grid}", f"boxes{grid}")
        for stride, grid in GRIDS.items()
    )
    shapes = {f"scores{grid}": (1, grid, grid, 80) for grid in GRIDS.values()}
    shapes |= {f"boxes{grid}": (1, grid, grid, 64) for grid in GRIDS.values()}
    spec = DetectSpec("", "", LABELS[:80], levels, bins=16, **common)
    yield "YOLOv8, 3 raw heads × (80 + 4 · 16)", spec, shapes
    common |= {
        "activation": "none", "score_column": 4, "transposed": True, "decoded_boxes": 8400,
        "box_units": (640.0, 640.0),
    }  # fmt: skip
    spec = DetectSpec("all", "all", LABELS[:80], (), "cxcywh", **common)
    yield "YOLOv8, 84 × 8400", spec, {"all": (1, 84, 8400)}
    drawn = MaskCoefficients("all", 84, "protos", 160, 160, 32, 640, 640)
    shapes = {"all": (1, 116, 8400), "protos": (1, 160, 160, 32)}
    yield "YOLOv8-seg, 116 × 8400", replace(spec, masks=drawn), shapes
    points = CandidatePoints(Skeleton(LABELS[:17]), "all", 5, 3)
    spec = replace(spec, labels=LABELS[:1], keypoints=points)
    yield "YOLOv8-pose, 56 × 8400", spec, {"all": (1, 56, 8400)}


def _anchored() -> Iterator[Form]:
    """Forms on anchors: SSD at 300 × 300 with a background column, MediaPipe's detectors."""
    for count, size, points in ((1917, 300.0, 0), (896, 128.0, 6), (2304, 192.0, 7)):
        rng = np.random.default_rng(count)
        side = int(np.ceil(count**0.5))
        row, col = np.divmod(np.arange(count), side)
        width = rng.uniform(0.05, 0.4, (count, 2)) if not points else np.ones((count, 2))
        boxes = np.stack([(col + 0.5) / side, (row + 0.5) / side, *width.T], axis=1) * size
        anchors = tuple(map(tuple, boxes.tolist()))
        if not points:
            spec = DetectSpec(
                "scores", "boxes", LABELS, (), "center-size", activation="softmax", nms_iou=0.6,
                background=True, anchor_boxes=anchors,
            )  # fmt: skip
            shapes = {"scores": (1, count, 91), "boxes": (1, count, 4)}
            yield f"SSD, {count} × 91, softmax", spec, shapes
            continue
        spec = DetectSpec(
            "scores", "boxes", LABELS[:1], (), "center-linear", nms_iou=0.3,
            variances=(1 / size,) * 4, suppression="weighted", anchor_boxes=anchors,
            keypoints=CandidatePoints(Skeleton(LABELS[:points]), "boxes", 4, coding="anchor"),
        )  # fmt: skip
        shapes = {"scores": (1, count, 1), "boxes": (1, count, 4 + 2 * points)}
        yield f"MediaPipe, {count}, {points} points, weighted", spec, shapes


def _filled(
    spec: DetectSpec, shapes: dict[str, tuple[int, ...]], dense: bool
) -> dict[str, NDArray[np.float32]]:
    """Real values of every output."""
    rng = np.random.default_rng(7)
    unit = spec.coding == "cxcywh"
    real = {
        name: (rng.uniform(0.05, 0.3, shape) if unit else rng.normal(0, 0.5, shape))
        for name, shape in shapes.items()
    }
    if spec.coding == "center-linear":
        real["boxes"] = real["boxes"] * 20 + 40
    if spec.masks:
        real["protos"] = rng.normal(0, 1, shapes["protos"])
    if unit:
        real["all"][0, :2] = np.sort(rng.random((2, shapes["all"][2])), axis=1)
    levels = [(level.scores, level.candidates) for level in spec.levels]
    for name, count in [(spec.scores, spec.candidates)] if spec.scores else levels:
        rows = real[name].reshape(-1, count).T if spec.transposed else real[name].reshape(count, -1)
        width = spec.score_columns
        logits = np.maximum(rng.normal(*NOISE[dense], (count, width)), LOWEST if dense else -99)
        for _ in range(OBJECTS // max(len(levels), 1)):
            at, label = rng.integers(0, count - PER_OBJECT), rng.integers(spec.background, width)
            logits[at : at + PER_OBJECT, label] = rng.uniform(0, 3, PER_OBJECT)
        if spec.background:
            logits[:, 0] = np.where(logits[:, 1:].max(axis=1) > 0, -3, 0 if dense else 4)
        scores = 1 / (1 + np.exp(-logits)) if spec.activation == "none" else logits
        rows[:, spec.score_column : spec.score_column + width] = scores
        if spec.has_objectness:
            rows[:, spec.objectness_column] = logits.max(axis=1)
    return {name: values.astype(np.float32) for name, values in real.items()}


def _info(name: str, values: NDArray[np.float32], dtype: str) -> TensorInfo:
    if dtype == "float32":
        return TensorInfo(name, values.shape, dtype)
    low, high = min(float(values.min()), 0.0), float(values.max())
    scale = (high - low) / 255
    return TensorInfo(name, values.shape, dtype, scale, round(-128 - low / scale))

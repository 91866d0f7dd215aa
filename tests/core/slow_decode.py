"""A detector decoded step by step: everything dequantized, nothing sorted out early.

The fast decoder has to give the same bits.
"""

from __future__ import annotations

import numpy as np

from edgecnn.core.activation import activate
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import DetectSpec


def slow_decode(spec: DetectSpec, outputs: dict, infos: list) -> Detections:
    """Boxes in tensor pixels, unclipped."""
    by_name = {info.name: info for info in infos}

    def columns(name: str, start: int, width: int):
        raw = outputs[name].reshape(spec.candidates, -1)
        if spec.transposed:
            raw = outputs[name].reshape(-1, spec.candidates).T
        return raw[:, start : start + width], by_name[name]

    raw, info = columns(spec.scores, spec.score_column, len(spec.labels))
    label = raw.argmax(axis=1)
    every = activate(np.ascontiguousarray(info.dequantize(raw)), spec.activation)
    score = every[np.arange(len(every)), label]
    if spec.objectness:
        here, info = columns(spec.objectness, spec.objectness_column, 1)
        alone = "none" if spec.activation == "none" else "sigmoid"
        score = np.clip(score, 0, 1) * np.clip(activate(info.dequantize(here[:, 0]), alone), 0, 1)
    limits = np.float32(spec.thresholds or [spec.score_threshold] * len(spec.labels))
    chosen = [k for k in range(len(score)) if score[k] >= limits[label[k]]]
    chosen = sorted(sorted(chosen, key=lambda k: (-score[k], k))[: spec.max_candidates])
    raw, info = columns(spec.boxes, spec.box_column, 4)
    boxes = slow_corners(spec, info.dequantize(raw))[chosen]
    kept = plain_nms(boxes, score[chosen], label[chosen], spec.nms_iou, spec.max_detections)
    picked = np.asarray(chosen, int)[kept]
    return Detections(boxes[kept], score[picked], label[picked])


def slow_corners(spec: DetectSpec, codes: np.ndarray) -> np.ndarray:
    """All candidates' boxes; float32 throughout."""
    if not spec.levels:
        x, y = np.float32(spec.box_units)
        a, b, c, d = codes[:, 0] * x, codes[:, 1] * y, codes[:, 2] * x, codes[:, 3] * y
        if spec.coding == "xyxy":
            return np.stack([a, b, c, d], axis=1)
        c, d = np.maximum(c, 0) / 2, np.maximum(d, 0) / 2
        return np.stack([a - c, b - d, a + c, b + d], axis=1)
    cells = [
        ((col + 0.5) * level.stride, (row + 0.5) * level.stride, *(anchor or (0, 0)), level.stride)
        for level in spec.levels
        for row in range(level.rows)
        for col in range(level.cols)
        for anchor in level.anchors or (None,)
    ]
    centre, anchor, stride = np.split(np.float32(cells), [2, 4], axis=1)
    if spec.coding == "ltrb":
        reach = np.maximum(codes, 0) * (np.float32(spec.box_scale) * stride)
        return np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], axis=1)
    variance = np.float32(spec.variances)
    middle = centre + (codes[:, :2] * variance[:2])[:, ::-1] * anchor
    half = anchor * np.exp(np.minimum(codes[:, 2:] * variance[2:], 10.0))[:, ::-1] / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def plain_nms(boxes, scores, classes, iou: float, most: int) -> np.ndarray:
    """One kept box at a time against all that are left."""
    order = np.argsort(-scores, kind="stable")
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    kept: list[int] = []
    while len(order) and len(kept) < most:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[rest, :2], boxes[first, :2])
        high = np.minimum(boxes[rest, 2:], boxes[first, 2:])
        size = np.maximum(high - low, 0)
        shared = size[:, 0] * size[:, 1]
        union = area[rest] + area[first] - shared
        order = rest[~((shared > np.float32(iou) * union) & (classes[rest] == classes[first]))]
    return np.asarray(kept, np.intp)

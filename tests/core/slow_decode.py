"""A detector decoded step by step: everything dequantized, nothing sorted out early.

The fast decoder has to give the same bits.
"""

from __future__ import annotations

import numpy as np

from edgecnn.core.activation import activate
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import DetectSpec

F = np.float32


def slow_decode(spec: DetectSpec, outputs: dict, infos: list) -> Detections:
    """Boxes and key points in tensor pixels, unclipped; no masks."""
    by_name = {info.name: info for info in infos}

    def real(key: str, name: str, start: int, width: int) -> np.ndarray:
        """All candidates' values, level after level if each has its own output."""
        parts = [(name, spec.candidates)]
        if not name:
            parts = [(getattr(level, key), level.candidates) for level in spec.levels]
        found = []
        for each, count in parts:
            raw = outputs[each].reshape(count, -1)
            if spec.transposed:
                raw = outputs[each].reshape(-1, count).T
            values = by_name[each].dequantize(np.ascontiguousarray(raw))
            found.append(values[:, start : start + width])
        return np.ascontiguousarray(np.concatenate(found))

    scores = real("scores", spec.scores, spec.score_column, len(spec.labels) + spec.background)
    every = activate(scores, spec.activation)[:, int(spec.background) :]
    label = scores[:, int(spec.background) :].argmax(axis=1)
    score = every[np.arange(len(every)), label]
    sound = np.isfinite(scores[np.arange(len(every)), label + int(spec.background)])
    if spec.objectness or any(level.objectness for level in spec.levels):
        here = real("objectness", spec.objectness, spec.objectness_column, 1)[:, 0]
        sound &= np.isfinite(here)
        alone = "none" if spec.activation == "none" else "sigmoid"
        score = np.clip(score, 0, 1) * np.clip(activate(here, alone), 0, 1)
    limits = F(spec.thresholds or [spec.score_threshold] * len(spec.labels))
    chosen = [k for k in range(len(score)) if sound[k] and score[k] >= limits[label[k]]]
    chosen = sorted(sorted(chosen, key=lambda k: (-score[k], k))[: spec.max_candidates])
    places = slow_places(spec)
    codes = real("boxes", spec.boxes, spec.box_column, 4 * max(spec.bins, 1))
    boxes = slow_corners(spec, codes, places)
    chosen = [k for k in chosen if np.isfinite([*boxes[k], *codes[k]]).all()]
    points = None
    if spec.keypoints is not None:
        given = spec.keypoints
        points = real("keypoints", given.output, given.column, given.width)
        points = slow_points(spec, points, score, places)[chosen]
    found = Detections(boxes[chosen], score[chosen], label[chosen], points)
    pick = plain_weighted if spec.suppression == "weighted" else plain_greedy
    return pick(found, spec.nms_iou, spec.max_detections)


def slow_places(spec: DetectSpec) -> np.ndarray:
    """Centre x, y, anchor width, height and stride of all candidates."""
    cells = []
    for level in spec.levels:
        places = [
            ((col + F(level.offset)) * F(level.stride), (row + F(level.offset)) * F(level.stride))
            for row in range(level.rows)
            for col in range(level.cols)
        ]
        sizes = level.anchors or ((0, 0),)
        pairs = [(place, size) for place in places for size in sizes]
        if level.anchors_first:
            pairs = [(place, size) for size in sizes for place in places]
        cells += [(*place, *size, level.stride) for place, size in pairs]
    cells += [(*anchor, 0) for anchor in spec.anchor_boxes]
    return F(cells or np.zeros((spec.candidates, 5)))


def slow_corners(spec: DetectSpec, codes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """All candidates' boxes; float32 throughout."""
    cx, cy, aw, ah, stride = places.T
    if spec.bins:
        p = activate(codes.reshape(-1, 4, spec.bins), "softmax")
        codes = (p * np.arange(spec.bins, dtype=F)).sum(axis=2)
    a, b, c, d = codes.T
    v = F(spec.variances)
    units = F(spec.box_units)
    sigmoid = [activate(column, "sigmoid") for column in (a, b, c, d)]
    if spec.coding == "xyxy":
        return np.stack([a * units[0], b * units[1], c * units[0], d * units[1]], axis=1)
    if spec.coding == "ltrb":
        left, top, right, bottom = (
            np.maximum(k, 0) * (F(spec.box_scale) * stride) for k in (a, b, c, d)
        )
        return np.stack([cx - left, cy - top, cx + right, cy + bottom], axis=1)
    if spec.coding == "corner-linear":
        left, top = cx - aw / F(2) + a * v[0] * aw, cy - ah / F(2) + b * v[1] * ah
        right, bottom = cx + aw / F(2) + c * v[2] * aw, cy + ah / F(2) + d * v[3] * ah
        return np.stack([left, top, right, bottom], axis=1)
    if spec.coding == "cxcywh":
        x, y = a * units[0], b * units[1]
        w, h = np.maximum(c * units[0], 0), np.maximum(d * units[1], 0)
    elif spec.coding == "center-size":
        y, x = cy + a * v[0] * ah, cx + b * v[1] * aw
        h, w = ah * bounded_exp(c * v[2]), aw * bounded_exp(d * v[3])
    elif spec.coding in ("center-exp", "center-linear"):
        x, y = cx + a * v[0] * aw, cy + b * v[1] * ah
        grow = bounded_exp if spec.coding == "center-exp" else lambda k: np.maximum(k, 0)
        w, h = aw * grow(c * v[2]), ah * grow(d * v[3])
    else:
        left, top = cx - stride / F(2), cy - stride / F(2)
        if spec.coding == "cell-exp":
            x, y = a * stride + left, b * stride + top
            w, h = bounded_exp(c) * stride, bounded_exp(d) * stride
        elif spec.coding == "anchor-exp":
            x, y = sigmoid[0] * stride + left, sigmoid[1] * stride + top
            w, h = bounded_exp(c) * aw, bounded_exp(d) * ah
        else:
            x = (F(2) * sigmoid[0] - F(0.5)) * stride + left
            y = (F(2) * sigmoid[1] - F(0.5)) * stride + top
            w = (F(2) * sigmoid[2]) ** 2 * aw
            h = (F(2) * sigmoid[3]) ** 2 * ah
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)


def bounded_exp(value: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(value, F(10)))


def slow_points(
    spec: DetectSpec, values: np.ndarray, score: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """All candidates' key points, one point at a time."""
    given = spec.keypoints
    cx, cy, aw, ah, stride = places.T
    vx, vy = F(spec.variances[:2][:: -1 if spec.coding == "center-size" else 1])
    result = np.zeros((len(values), len(given.skeleton.names), 3), F)
    for i in range(len(given.skeleton.names)):
        one = values[:, i * given.values : (i + 1) * given.values]
        x, y = (one[:, 0], one[:, 1]) if given.axes == "xy" else (one[:, 1], one[:, 0])
        if given.coding == "units":
            units = F(given.units or spec.box_units)
            x, y = x * units[0], y * units[1]
        elif given.coding == "anchor":
            x, y = x * (vx * aw) + cx, y * (vy * ah) + cy
        else:
            x = x * (F(2) * stride) + (cx - stride / F(2))
            y = y * (F(2) * stride) + (cy - stride / F(2))
        sure = score if given.values == 2 else activate(one[:, 2], given.activation)
        sure = np.clip(sure, 0, 1)
        good = (np.abs(x) <= F(1e9)) & (np.abs(y) <= F(1e9)) & (sure >= 0)
        result[good, i] = np.stack([x, y, sure], axis=1)[good]
    return result


def plain_greedy(found: Detections, iou: float, most: int) -> Detections:
    kept = plain_nms(found.boxes, found.scores, found.classes, iou, most)
    points = None if found.keypoints is None else found.keypoints[kept]
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept], points)


def plain_weighted(found: Detections, iou: float, most: int) -> Detections:
    """The best of those that are left takes all that overlap it, again and again."""
    left = sorted(range(len(found)), key=lambda k: (-found.scores[k], k))
    boxes, scores, labels, points = [], [], [], []
    while left and len(boxes) < most:
        best = left[0]
        group = [k for k in left if k == best or overlapping(found, best, k, iou)]
        left = [k for k in left if k not in group]
        total, box = F(0), np.zeros(4, F)
        places = None if found.keypoints is None else np.zeros_like(found.keypoints[0, :, :2])
        for k in group:
            total += found.scores[k]
            box += found.boxes[k] * found.scores[k]
            if places is not None:
                places += found.keypoints[k, :, :2] * found.scores[k]
        boxes.append(box / total if total > 0 else found.boxes[best])
        scores.append(found.scores[best])
        labels.append(found.classes[best])
        if places is not None:
            point = found.keypoints[best].copy()
            point[:, :2] = places / total if total > 0 else point[:, :2]
            points.append(point)
    return Detections(
        np.asarray(boxes, F).reshape(-1, 4), F(scores), np.asarray(labels, np.int64),
        None if found.keypoints is None else F(points).reshape(-1, *found.keypoints.shape[1:]),
    )  # fmt: skip


def overlapping(found: Detections, a: int, b: int, iou: float) -> bool:
    one, two = found.boxes[a], found.boxes[b]
    size = np.maximum(np.minimum(one[2:], two[2:]) - np.maximum(one[:2], two[:2]), 0)
    shared = size[0] * size[1]
    areas = [np.prod(np.maximum(box[2:] - box[:2], 0)) for box in (two, one)]
    union = areas[0] + areas[1] - shared
    return found.classes[a] == found.classes[b] and bool(shared > F(iou) * union)


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

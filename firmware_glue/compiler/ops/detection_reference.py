"""Boxes and non-maximum suppression of TFLite_Detection_PostProcess in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler.ops.spec import Array


@dataclass(frozen=True)
class Setup:
    """The op's options as numpy numbers; see ``detection_postprocess.Options``."""

    detections: int
    categories: int
    per_class: int
    classes: int
    score_threshold: np.float32
    iou_threshold: np.float32
    scale: Array


def detect(setup: Setup, codes: Array, scores: Array, anchors: Array) -> tuple[Array, ...]:
    """Boxes, classes, scores and their count from float32 (boxes, …) arrays."""
    boxes = _boxes(setup, codes[:, :4], anchors)
    scores = scores[:, scores.shape[1] - setup.classes :]
    rows = setup.detections * setup.categories
    out_boxes = np.zeros((1, rows, 4), np.float32)
    out_classes, out_scores = np.zeros((1, rows), np.float32), np.zeros((1, rows), np.float32)
    find = _regular if setup.per_class else _fast
    found, count = find(setup, boxes, scores)
    for row, box, kind in found:
        out_boxes[0, row], out_classes[0, row] = boxes[box], kind
        out_scores[0, row] = scores[box, kind]
    return out_boxes, out_classes, out_scores, np.array([count], np.float32)


def _boxes(setup: Setup, codes: Array, anchors: Array) -> Array:
    code, anchor = codes.astype(np.float64), anchors.astype(np.float64)
    centre = (code[:, :2] / setup.scale[:2] * anchor[:, 2:] + anchor[:, :2]).astype(np.float32)
    with np.errstate(over="ignore"):
        half = (0.5 * np.exp(code[:, 2:] / setup.scale[2:]) * anchor[:, 2:]).astype(np.float32)
    return np.concatenate([centre - half, centre + half], axis=1)


def _overlap(box: Array, others: Array) -> Array:
    sizes = [(b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (box, others)]
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    sides = np.maximum(high - low, np.float32(0))
    common = sides[:, 0] * sides[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = common / (sizes[0] + sizes[1] - common)
    return np.where((sizes[0] <= 0) | (sizes[1] <= 0), np.float32(0), ratio)


def _select(setup: Setup, boxes: Array, values: Array, limit: int) -> list[int]:
    order = np.argsort(-values, kind="stable")
    selected: list[int] = []
    for box in order[values[order] >= setup.score_threshold]:
        if len(selected) == limit:
            break
        if not np.any(_overlap(boxes[box], boxes[selected]) > setup.iou_threshold):
            selected.append(int(box))
    return selected


def _regular(setup: Setup, boxes: Array, scores: Array) -> tuple[list[tuple[int, int, int]], int]:
    best: list[tuple[float, int, int]] = []
    for kind in range(setup.classes):
        selected = _select(setup, boxes, scores[:, kind], setup.per_class)
        best += [(float(scores[box, kind]), box, kind) for box in selected]
        best = sorted(best, key=lambda entry: -entry[0])[: setup.detections]
    return [(row, box, kind) for row, (_, box, kind) in enumerate(best)], len(best)


def _fast(setup: Setup, boxes: Array, scores: Array) -> tuple[list[tuple[int, int, int]], int]:
    wanted = min(setup.categories, setup.classes)
    selected = _select(setup, boxes, scores.max(axis=1), setup.detections)
    found = [
        (row * setup.categories + place, box, kind)
        for row, box in enumerate(selected)
        for place, kind in enumerate(best_classes(scores[box], wanted))
    ]
    return found, len(selected)


def best_classes(values: Array, wanted: int) -> list[int]:
    """The best indices, equal ones in the order of libstdc++'s ``std::partial_sort``."""
    order = list(range(values.size))
    if wanted == 1:
        return [int(np.argmax(values))]

    def sift(hole: int, count: int, index: int) -> None:
        top = child = hole
        while child < (count - 1) // 2:
            child = 2 * (child + 1)
            child -= int(values[order[child]] > values[order[child - 1]])
            order[hole], hole = order[child], child
        if count % 2 == 0 and child == (count - 2) // 2:
            child = 2 * child + 1
            order[hole], hole = order[child], child
        while hole > top and values[order[(hole - 1) // 2]] > values[index]:
            order[hole], hole = order[(hole - 1) // 2], (hole - 1) // 2
        order[hole] = index

    for start in range(wanted // 2 - 1, -1, -1):
        sift(start, wanted, order[start])
    for place in range(wanted, values.size):
        if values[order[place]] > values[order[0]]:
            index, order[place] = order[place], order[0]
            sift(0, wanted, index)
    for place in range(wanted - 1, 0, -1):
        index, order[place] = order[place], order[0]
        sift(0, place, index)
    return order[:wanted]

"""Outputs to results: what :mod:`edgecnn.core.postprocess`'s spec says, done.

The rule for detectors, which the C twin follows:

1. the candidate's class is the one with the highest score (the first of equal ones); candidates
   whose score is below ``score_threshold``, or below that class's of ``thresholds``, go; of more
   than ``max_candidates`` the best stay (of equal scores the first);
2. the rest are decoded to boxes in tensor pixels;
3. greedy NMS in order of score (of equal ones the first candidate first): a box goes if one of its
   class that was kept overlaps it by intersection > ``nms_iou`` · union; at ``max_detections`` it
   ends;
4. boxes are mapped to the frame and clipped; those with nothing left inside it go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.detections import Classification, Detections
from edgecnn.core.errors import BundleError
from edgecnn.core.imaging import FrameMap
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel, PostprocessSpec
from edgecnn.core.runtime import TensorInfo

_HINT = "use the postprocess spec that was made for this model"
# exp() of more than this is no box any more; keeps float32 finite.
_MAX_LOG_SIZE = 10.0
Float = NDArray[np.float32]


def decode(
    spec: PostprocessSpec,
    outputs: Mapping[str, NDArray[Any]],
    infos: Sequence[TensorInfo],
    frame_map: FrameMap | None,
) -> Classification | Detections:
    """One frame's result.

    Args:
        spec: what the outputs mean.
        outputs: name → raw array, batch 1, as a Predictor gives them.
        infos: the model's outputs.
        frame_map: from tensor to frame pixels; None: boxes stay in tensor pixels, unclipped.

    Raises:
        BundleError: the spec does not fit the model's outputs.
    """
    by_name = {info.name: info for info in infos}
    if isinstance(spec, ClassifySpec):
        return classify(spec, *_output(spec.scores, outputs, by_name))
    scores, boxes = (_output(name, outputs, by_name) for name in (spec.scores, spec.boxes))
    return detect(spec, scores, boxes, frame_map)


def classify(spec: ClassifySpec, raw: NDArray[Any], info: TensorInfo) -> Classification:
    """Class probabilities from the raw scores (1, classes).

    Raises:
        BundleError: another number of scores than labels.
    """
    if raw.size != len(spec.labels):
        _misfit(spec.scores, raw, f"{len(spec.labels)} scores, one per label")
    return Classification(activate(info.dequantize(raw).reshape(-1), spec.activation))


def detect(
    spec: DetectSpec,
    scores: tuple[NDArray[Any], TensorInfo],
    boxes: tuple[NDArray[Any], TensorInfo],
    frame_map: FrameMap | None,
) -> Detections:
    """Boxes from the raw scores (… , classes) and box codes (… , 4), each with its info.

    Raises:
        BundleError: the sizes are not those of the spec's levels and labels.
    """
    count, classes = spec.candidates, len(spec.labels)
    if scores[0].size != count * classes:
        _misfit(spec.scores, scores[0], f"{count} candidates × {classes} classes")
    if boxes[0].size != count * 4:
        _misfit(spec.boxes, boxes[0], f"{count} candidates × 4")
    best, label = _best_scores(spec, scores[0].reshape(count, classes), scores[1])
    limits = np.asarray(spec.thresholds or (spec.score_threshold,), np.float32)
    chosen = np.flatnonzero(best >= (limits[label] if spec.thresholds else limits))
    chosen = best_candidates(chosen, best, spec.max_candidates)
    codes = boxes[1].dequantize(boxes[0].reshape(count, 4)[chosen])
    corners = _corners(spec, codes, chosen)
    best, label = best[chosen], label[chosen]
    kept = nms(corners, best, label, spec.nms_iou, spec.max_detections)
    corners, best, label = corners[kept], best[kept], label[kept]
    if frame_map is None:
        return Detections(corners, best, label)
    mapped = frame_map.to_frame(corners)
    inside = (mapped[:, 2] > mapped[:, 0]) & (mapped[:, 3] > mapped[:, 1])
    return Detections(mapped[inside], best[inside], label[inside])


def nms(
    boxes: Float,
    scores: Float,
    classes: NDArray[np.int64],
    iou: float,
    max_detections: int,
) -> NDArray[np.intp]:
    """Greedy per-class non-maximum suppression.

    Args:
        boxes: float32 (n, 4) x1, y1, x2, y2.
        scores: float32 (n,).
        classes: int64 (n,).
        iou: boxes of one class that overlap by more are dropped.
        max_detections: how many are kept over all classes.

    Returns:
        Indices of the boxes kept, best first; of equal scores the lower index first.
    """
    order = np.argsort(-scores, kind="stable")
    area = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    kept: list[int] = []
    while len(order) and len(kept) < max_detections:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[rest, :2], boxes[first, :2])
        high = np.minimum(boxes[rest, 2:], boxes[first, 2:])
        size = np.maximum(high - low, 0)
        shared = size[:, 0] * size[:, 1]
        union = area[rest] + area[first] - shared
        overlap = (shared > np.float32(iou) * union) & (classes[rest] == classes[first])
        order = rest[~overlap]
    return np.asarray(kept, np.intp)


def best_candidates(chosen: NDArray[np.intp], scores: Float, most: int) -> NDArray[np.intp]:
    """The ``most`` candidates of ``chosen`` with the highest scores, in their old order.

    Args:
        chosen: ascending candidates.
        scores: of all candidates.
        most: how many may stay; of equal scores the first do.
    """
    if len(chosen) <= most:
        return chosen
    order = np.argsort(-scores[chosen], kind="stable")
    return np.sort(chosen[order[:most]])


def activate(real: Float, kind: str) -> Float:
    """``softmax`` over the last axis, ``sigmoid``, or ``none``; float32 in, float32 out.

    >>> activate(np.float32([0, 0]), "softmax").tolist()
    [0.5, 0.5]
    """
    if kind == "softmax":
        powers = np.exp(real - real.max(axis=-1, keepdims=True))
        result: Float = powers / powers.sum(axis=-1, keepdims=True)
        return result
    if kind == "sigmoid":
        # Of −|x| only, so that nothing overflows.
        small = np.exp(-np.abs(real))
        return np.where(real >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return real.astype(np.float32)


def _best_scores(
    spec: DetectSpec, raw: NDArray[Any], info: TensorInfo
) -> tuple[Float, NDArray[np.int64]]:
    """The highest score of each candidate and its class."""
    label = raw.argmax(axis=1).astype(np.int64)  # quantization and activation keep the order
    if spec.activation == "softmax":
        real = activate(info.dequantize(raw), "softmax")
        return real.max(axis=1), label
    top = np.take_along_axis(raw, label[:, None], axis=1)[:, 0]
    return activate(info.dequantize(top), spec.activation), label


def _corners(spec: DetectSpec, codes: Float, chosen: NDArray[np.intp]) -> Float:
    """Box codes (n, 4) of the chosen candidates → x1, y1, x2, y2 in tensor pixels."""
    levels = [_centres(level) for level in spec.levels]
    centre, anchor, stride = (np.concatenate(parts)[chosen] for parts in zip(*levels, strict=True))
    if spec.coding == "ltrb":
        reach = np.maximum(codes, 0) * (np.float32(spec.box_scale) * stride[:, None])
        low, high = centre - reach[:, :2], centre + reach[:, 2:]
    else:
        variance = np.asarray(spec.variances, np.float32)
        shift = (codes[:, :2] * variance[:2])[:, ::-1] * anchor  # stored dy, dx
        grow = np.exp(np.minimum(codes[:, 2:] * variance[2:], _MAX_LOG_SIZE))[:, ::-1]
        middle, half = centre + shift, anchor * grow / 2
        low, high = middle - half, middle + half
    return np.concatenate([low, high], axis=1).astype(np.float32)


def _centres(level: GridLevel) -> tuple[Float, Float, Float]:
    """Centre x, y, anchor width, height, and stride of each candidate; cell-major."""
    per_cell = max(1, len(level.anchors))
    rows, cols = np.divmod(np.arange(level.rows * level.cols), level.cols)
    cells = (np.stack([cols, rows], axis=1).astype(np.float32) + np.float32(0.5)) * level.stride
    centre = np.repeat(cells, per_cell, axis=0).astype(np.float32)
    anchors = np.asarray(level.anchors or ((0.0, 0.0),), np.float32)
    anchor = np.tile(anchors, (level.rows * level.cols, 1))
    return centre, anchor, np.full(len(centre), level.stride, np.float32)


def _output(
    name: str, outputs: Mapping[str, NDArray[Any]], infos: Mapping[str, TensorInfo]
) -> tuple[NDArray[Any], TensorInfo]:
    if name not in outputs or name not in infos:
        raise BundleError(
            f"the postprocess spec names the output '{name}', the model has {sorted(infos)}",
            hint=_HINT,
        )
    return np.asarray(outputs[name]), infos[name]


def _misfit(name: str, raw: NDArray[Any], expected: str) -> None:
    raise BundleError(
        f"the output '{name}' is {list(raw.shape)}, the postprocess spec expects {expected}",
        hint=_HINT,
    )

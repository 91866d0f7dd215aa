"""A class for every cell of a map.

The rule:

1. of several columns a cell's class is the one with the highest value (the first of equal ones),
   its score that value's activation; of one column it is the only class where the activation of
   the value reaches the threshold; of class numbers it is the number, its score 1;
2. of several columns the values are first interpolated between the cells' centres where a cell is
   two input pixels or more (:mod:`edgecnn.core.decode.finer_classes`);
3. cells of the background, of a number without a label, with a score below the threshold, and
   cells with a value that is no finite number, have no class.

Maps are large, so codes are compared as they are (quantization keeps their order), one column after
the other, each contiguous in memory; scores are computed for cells that have a class.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate
from edgecnn.core.decode.finer_classes import ClassMap, finer, parts_per_cell
from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.detections import Segmentation
from edgecnn.core.imaging import FrameMap
from edgecnn.core.mask import mapped_box
from edgecnn.core.postprocess import SegmentSpec
from edgecnn.core.runtime import TensorInfo

Float = NDArray[np.float32]
# Further below every threshold than any value, and still a number.
_FAR = 1e9


def decode_segments(
    spec: SegmentSpec, outputs: Outputs, frame_map: FrameMap | None
) -> Segmentation:
    """The result of one frame.

    Raises:
        BundleError: the output has another size than the spec's map.
    """
    raw, info = outputs.raw(spec.scores)
    cells, margins = spec.rows * spec.cols, None
    columns = 1 if spec.class_numbers else len(spec.labels)
    if raw.size != cells * columns:
        what = "class numbers" if spec.class_numbers else f"{columns} classes, one per label"
        misfit(spec.scores, raw, f"{spec.rows} × {spec.cols} cells × {what}")
    if spec.class_numbers:
        numbers = _numbers(raw.reshape(spec.rows, spec.cols), info, len(spec.labels))
        scores = (numbers >= 0).astype(np.float32)
    elif columns == 1:
        real = info.dequantize(raw.reshape(spec.rows, spec.cols))
        real[~np.isfinite(real)] = -_FAR
        margins, scores = _single(spec, real)
        numbers = np.where(margins > 0, 0, -1)
    else:
        found = _best(spec, raw.reshape(-1), info)
        numbers, scores = found.numbers, found.scores
    numbers[(numbers == spec.background) | ~(scores >= spec.score_threshold)] = -1
    scores[numbers < 0] = 0
    covers = (0.0, 0.0, spec.cols * spec.stride[0], spec.rows * spec.stride[1])
    covers = covers if frame_map is None else mapped_box(covers, frame_map)
    return Segmentation(numbers, scores, covers, margins)


def _single(spec: SegmentSpec, real: Float) -> tuple[Float, Float]:
    """The values of the only column less their threshold, and their scores.

    What pixels between cells get is interpolated before the activation, as publishers do.
    """
    values = activate(real, spec.activation)
    limit, judged = spec.score_threshold, values
    if spec.activation == "sigmoid" and 0 < limit < 1:
        limit, judged = math.log(limit) - math.log1p(-limit), real
    # A value at the threshold itself still belongs to the class.
    margins = judged - np.nextafter(np.float32(limit), np.float32(-_FAR))
    return margins, np.clip(values, 0, 1)


def _numbers(raw: NDArray[Any], info: TensorInfo, count: int) -> NDArray[np.int64]:
    """Numbers of classes; −1 where no label has that number."""
    if info.scale is not None or raw.dtype.kind == "f":
        real = np.rint(info.dequantize(raw))
        return np.where((real >= 0) & (real < count), real, -1).astype(np.int64)
    numbers = raw.astype(np.int64)
    numbers[(numbers < 0) | (numbers >= count)] = -1
    return numbers


def _best(spec: SegmentSpec, raw: NDArray[Any], info: TensorInfo) -> ClassMap:
    """The highest column of each cell or part of one, and its score where it is reported.

    Args:
        spec: how the values lie and what they need.
        raw: all values, in the output's order.
        info: what the codes mean.
    """
    columns, shape = len(spec.labels), (spec.rows, spec.cols)
    rows = raw.reshape(columns, -1).T if spec.transposed else raw.reshape(-1, columns)
    numbers, scores = _best_cells(spec, rows, info)
    coarse = ClassMap(numbers.reshape(shape), scores.reshape(shape))
    parts = parts_per_cell(spec.stride, len(rows))
    if parts == 1:
        return coarse

    def scored(values: Float, best: Float) -> Float:
        if spec.activation == "softmax":
            return np.reciprocal(np.exp(values - best[:, None]).sum(axis=1))
        return np.clip(activate(best, spec.activation), 0, 1)

    return finer(coarse, parts, lambda cells: info.dequantize(rows[cells]), scored)


def _best_cells(
    spec: SegmentSpec, rows: NDArray[Any], info: TensorInfo
) -> tuple[NDArray[np.int64], Float]:
    """Numbers and scores (cells,) of the highest columns of (cells, columns)."""
    planes = _planes(rows)
    numbers, best = _highest(planes)
    if spec.activation != "softmax":
        return numbers, np.clip(activate(info.dequantize(best), spec.activation), 0, 1)
    if spec.background < 0:
        return numbers, _softmax(planes, best, info)
    reported = np.flatnonzero(numbers != spec.background)
    scores = np.zeros(len(rows), np.float32)
    scores[reported] = _softmax(_planes(rows[reported]), best[reported], info)
    return numbers, scores


def _planes(raw: NDArray[Any]) -> NDArray[Any]:
    """Columns of (cells, columns) as contiguous rows; halves as single precision."""
    if raw.dtype.kind == "f":
        raw = raw.astype(np.float32, copy=False)
    if raw.T.flags.c_contiguous:
        return raw.T
    try:
        import cv2
    except ImportError:
        return np.ascontiguousarray(raw.T)
    if raw.dtype in (np.uint8, np.int8, np.int16, np.float32):
        # Numpy copies with such short rows three to seven times as slowly.
        planes: NDArray[Any] = cv2.transpose(np.ascontiguousarray(raw))
        return planes
    return np.ascontiguousarray(raw.T)


def _highest(planes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Numbers of the highest columns, the first of equal ones, and their values.

    ``argmax`` over the short axis takes three times as long.
    """
    best = planes[0].copy()
    places = np.zeros(len(best), np.uint8 if len(planes) <= 256 else np.uint16)
    for number in range(1, len(planes)):
        # Later columns win by being higher, and their number is higher too.
        higher = (planes[number] > best).astype(places.dtype)
        higher *= places.dtype.type(number)
        np.maximum(places, higher, out=places)
        np.maximum(best, planes[number], out=best)
    numbers = places.astype(np.int64)
    if best.dtype.kind == "f":
        numbers[~np.isfinite(best)] = -1
    return numbers, best


def _softmax(planes: NDArray[Any], best: NDArray[Any], info: TensorInfo) -> Float:
    """The softmax of each cell's highest value: 1 / Σ exp(value − highest)."""
    total = np.zeros(len(best), np.float32)
    scale = 1.0 if info.scale is None else info.scale
    if best.dtype.itemsize == 1:
        powers = np.exp(-np.arange(256) * scale).astype(np.float32)
        for plane in planes:
            total += powers.take((best - plane).view(np.uint8))
    else:
        highest = best.astype(np.float32)
        for plane in planes:
            total += np.exp((plane - highest) * np.float32(scale))
    return np.reciprocal(total)

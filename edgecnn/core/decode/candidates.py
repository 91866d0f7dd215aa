"""Which of a detector's thousands of candidates pass their threshold, and with what score.

Most of them fail, so they are sorted out as raw values: a threshold becomes the lowest raw value
that could pass, once per model, and only what reaches it is dequantized, activated and judged by
the rule. The result is the same as if all had been.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.activation import activate, lowest_real
from edgecnn.core.decode.columns import Columns, Float, RawColumns, side_by_side
from edgecnn.core.tensor_info import TensorInfo

Passed = tuple[NDArray[np.intp], Float, NDArray[np.int64]]
# Whole rows are asked instead of values with more than one hit in so many.
_SPARSE = 64
# A softmax in float32 may come out this much (relatively) too high; far more than it does.
_SOFT_SLACK = 1e-3


def passing(
    activation: str,
    thresholds: tuple[float, ...],
    most: int,
    scores: Columns,
    objectness: Columns | None = None,
    *,
    background: bool = False,
) -> Passed:
    """Candidates that pass (ascending), their scores and their classes.

    Args:
        activation: of scores and objectness.
        thresholds: one for all classes, or one per class.
        most: how many may pass; the best do, of equal scores the first.
        scores: (candidates, classes).
        objectness: (candidates, 1).
        background: whether the first column of the scores is no class.
    """
    found = []
    for start, own, present in side_by_side(scores, objectness):
        rows, best, label = _judged(activation, thresholds, own, present, int(background))
        found.append((rows + start if start else rows, best, label))
    chosen, best, label = found[0]
    if len(found) > 1:
        chosen, best, label = (np.concatenate(part) for part in zip(*found, strict=True))
    if len(chosen) > most:
        kept = np.sort(np.argsort(-best, kind="stable")[:most])
        chosen, best, label = chosen[kept], best[kept], label[kept]
    return chosen, best, label


def _judged(
    activation: str,
    thresholds: tuple[float, ...],
    scores: RawColumns,
    objectness: RawColumns | None,
    first: int,
) -> Passed:
    """:func:`passing` of candidates of one output; classes start at the column ``first``."""
    alone = "sigmoid" if activation == "softmax" else activation  # a softmax of one is always 1
    if objectness is not None:
        # A class's probability is at most 1, so the product is at most the objectness.
        rows = _reaching(objectness, alone, (min(thresholds),))
    elif not first:
        rows = _reaching(scores, activation, thresholds)
    elif activation == "softmax":
        rows = _beyond_background(scores, min(thresholds))
    else:
        rows = _reaching(RawColumns(scores.values[:, first:], scores.info), activation, thresholds)
    raw = scores.values if rows is None else scores.values[rows]
    label = raw[:, first:].argmax(axis=1).astype(np.int64)  # dequantized, the order is the same
    place = np.arange(len(raw)), label + first if first else label
    if activation == "softmax":
        # In one order of memory, since sums depend on it.
        real = np.ascontiguousarray(scores.info.dequantize(raw))
        own, best = real[place], activate(real, activation)[place]
    else:
        own = scores.info.dequantize(raw[place])
        best = activate(own, activation)
    limits = np.asarray(thresholds, np.float32)
    limits = limits[label] if len(limits) > 1 else limits
    if objectness is None:
        good = best >= limits
    else:
        seen = objectness.values[:, 0] if rows is None else objectness.values[rows, 0]
        present = objectness.info.dequantize(seen)
        best = np.clip(best, 0, 1) * np.clip(activate(present, alone), 0, 1)
        good = (best >= limits) & np.isfinite(present)
    if raw.dtype.kind == "f":
        good &= np.isfinite(own)
    kept = good.nonzero()[0]
    return kept if rows is None else rows[kept], best[kept], label[kept]


def _reaching(
    columns: RawColumns, activation: str, thresholds: tuple[float, ...]
) -> NDArray[np.intp] | None:
    """Candidates with a raw value that could pass, ascending; None: all of them."""
    values = columns.values
    classes = values.shape[1]
    lowest = _lowest_raw(activation, thresholds, columns.info, values.dtype.str)
    if lowest is None:
        return None
    reached = values >= lowest
    if classes == 1:
        return reached[:, 0].nonzero()[0]
    many = np.count_nonzero(reached) * _SPARSE > reached.size
    if many or not reached.flags.c_contiguous:
        return np.flatnonzero(reached.any(axis=1))
    hits = reached.ravel().nonzero()[0] // classes
    first = np.ones(len(hits), np.bool_)
    np.not_equal(hits[1:], hits[:-1], out=first[1:])
    return hits[first]


def _beyond_background(scores: RawColumns, threshold: float) -> NDArray[np.intp] | None:
    """Candidates whose best class could pass beside the background's value; None: all.

    The sum of a softmax holds both, so the class's probability is at most that of the two alone,
    the sigmoid of their difference.
    """
    values = scores.values
    least = lowest_real(threshold * (1 - _SOFT_SLACK), "sigmoid")
    if least == -math.inf:
        return None
    kind: Any = np.float32
    if values.dtype.kind != "f":
        scale = 1.0 if scores.info.scale is None else scores.info.scale
        if not scale > 0:
            return None
        limits = np.iinfo(values.dtype)
        # Real values are rounded to float32, which may move both of them.
        reach = scale * float(max(abs(limits.min), limits.max)) * 2
        least = math.floor(least / scale - reach * np.finfo(np.float32).eps / scale)
        kind = np.int32 if values.dtype.itemsize <= 2 else np.int64
    top = values[:, 1:].max(axis=1).astype(kind)
    return np.flatnonzero(top - values[:, 0].astype(kind) >= least)


@lru_cache(maxsize=64)
def _lowest_raw(
    activation: str, thresholds: tuple[float, ...], info: TensorInfo, dtype: str
) -> NDArray[Any] | None:
    """The lowest raw values that could pass: (1,), or one per class; None: any could."""
    reals = [lowest_real(value, activation) for value in thresholds]
    kind = np.dtype(dtype)
    if kind.kind == "f":
        if all(real == -math.inf for real in reals):
            return None
        # One step down, since rounding to the type may have gone up.
        return np.nextafter(np.asarray(reals, kind), kind.type(-math.inf))
    limits = np.iinfo(kind)
    scale, zero = (1.0, 0) if info.scale is None else (info.scale, info.zero_point or 0)
    if not scale > 0:
        return None
    exact = np.asarray(reals, np.float64) / scale + zero
    codes = np.clip(np.floor(exact), limits.min, limits.max).astype(kind)
    return None if (codes == limits.min).all() else codes

"""A finer map of classes out of a coarse one: scores are interpolated, then the highest is taken.

So do the publishers of nets whose map has a fraction of the input's size (MediaPipe's
``tensors_to_segmentation_calculator``; ``interpolate`` and ``argmax`` in PyTorch's examples). Only
what lies between four cells of different classes is computed: where one column is the highest in
all four, it is the highest in every mean of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
#: Rows of a map (n, columns) as real values.
RealRows = Callable[[NDArray[np.intp]], Float]
#: Scores of interpolated values (n, columns) whose highest is given.
Scored = Callable[[Float, Float], Float]

_MOST_CELLS, _MOST_PARTS = 1 << 21, 16
_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class ClassMap:
    """Classes and scores of a map's cells.

    Attributes:
        numbers: int64 (rows, cols); −1: none.
        scores: float32 (rows, cols).
    """

    numbers: NDArray[np.int64]
    scores: Float


def parts_per_cell(stride: tuple[float, float], cells: int) -> int:
    """Into how many parts a cell is cut along both axes: a power of 2, 1 for cells of a pixel.

    >>> parts_per_cell((8.0, 8.0), 1000), parts_per_cell((15.5, 15.5), 1089)
    (8, 16)
    """
    # 513 pixels by 33 cells are meant as 16 each.
    wanted = min(stride) * 1.07
    parts = 1
    while 2 * parts <= min(wanted, _MOST_PARTS) and cells * 4 * parts * parts <= _MOST_CELLS:
        parts *= 2
    return parts


def finer(coarse: ClassMap, parts: int, real_rows: RealRows, scored: Scored) -> ClassMap:
    """The map with each cell cut into ``parts × parts``.

    Args:
        coarse: the cells.
        parts: an even number.
        real_rows: gives the values of cells, by their place in reading order.
        scored: gives a score.

    Returns:
        (rows · parts, cols · parts). Scores are those of the nearest cell, but computed where
        classes meet.
    """
    rows, cols = coarse.numbers.shape
    # A square lies between four cells' centres; at the edges cells are repeated.
    around = np.pad(np.arange(rows * cols).reshape(rows, cols), 1, mode="edge")
    corners = np.stack(
        [around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]], axis=-1
    )
    classes = coarse.numbers.reshape(-1)[corners]
    meet = (classes != classes[..., :1]).any(axis=-1)
    numbers = _spread(classes[..., 0], parts)
    half = parts // 2
    inner = (slice(half, -half), slice(half, -half))
    scores = np.ascontiguousarray(_spread(np.pad(coarse.scores, 1, mode="edge"), parts)[inner])
    weights = _weights(parts)
    squares, places = corners[meet], np.argwhere(meet)
    step = max(1, _BLOCK_VALUES // (parts * parts * max(1, real_rows(squares[:1, 0]).size)))
    for start in range(0, len(squares), step):
        own = squares[start : start + step]
        values = real_rows(own.reshape(-1)).reshape(len(own), 4, -1)
        mixed = np.matmul(weights, values).reshape(-1, values.shape[-1])
        number = mixed.argmax(axis=1)
        best = np.take_along_axis(mixed, number[:, None], 1)[:, 0]
        number[~np.isfinite(best)] = -1
        at = tuple(places[start : start + step].T)
        _squares(numbers, parts)[at] = number.reshape(-1, parts, parts)
        _squares(scores, parts)[at] = scored(mixed, best).reshape(-1, parts, parts)
    return ClassMap(np.ascontiguousarray(numbers[inner]), np.ascontiguousarray(scores[inner]))


def _weights(parts: int) -> Float:
    """(parts², 4): how much of each corner is in the parts of a square, in reading order."""
    far = (np.arange(parts, dtype=np.float32) + np.float32(0.5)) / np.float32(parts)
    down, across = (item.reshape(-1) for item in np.meshgrid(far, far, indexing="ij"))
    return np.stack(
        [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across],
        axis=1,
    ).astype(np.float32)


def _spread(values: NDArray[Any], parts: int) -> NDArray[Any]:
    """Each value as ``parts × parts``."""
    return np.repeat(np.repeat(values, parts, axis=0), parts, axis=1)


def _squares(values: NDArray[Any], parts: int) -> NDArray[Any]:
    """A view (rows, cols, parts, parts) of a map of squares."""
    rows, cols = values.shape[0] // parts, values.shape[1] // parts
    return values.reshape(rows, parts, cols, parts).transpose(0, 2, 1, 3)

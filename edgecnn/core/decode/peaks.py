"""Cells of a map that no cell around them exceeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below one candidate in so many values, asking each one's window is faster than all windows.
_SPARSE = 50


def peaks(maps: NDArray[Any], reached: NDArray[np.bool_], window: int) -> NDArray[np.intp]:
    """Flat indices, ascending, of the values that are the highest of their window.

    Equal neighbours are all peaks. The window ends at the map's edges; no number exceeds nothing.

    Args:
        maps: (rows, cols, channels), of any real dtype, each channel for itself.
        reached: of the same shape: which values are asked.
        window: cells along each side, odd.
    """
    maps = np.ascontiguousarray(maps)
    reach = window // 2
    if reach and np.count_nonzero(reached) * _SPARSE > maps.size:
        known = maps
        if maps.dtype.kind == "f" and np.isnan(maps).any():
            known = np.where(np.isnan(maps), -np.inf, maps)
        highest = _highest(_highest(known, 0, reach), 1, reach)
        return ((maps >= highest) & reached).ravel().nonzero()[0]
    candidates = reached.ravel().nonzero()[0]
    if not reach or not len(candidates):
        return candidates
    rows, cols, channels = maps.shape
    row, rest = np.divmod(candidates, cols * channels)
    col = rest // channels
    flat = maps.ravel()
    own = flat[candidates]
    good = np.ones(len(candidates), np.bool_)
    for down in range(-reach, reach + 1):
        inside = (row + down >= 0) & (row + down < rows)
        for right in range(-reach, reach + 1):
            here = inside & (col + right >= 0) & (col + right < cols)
            other = candidates + (down * cols + right) * channels
            good &= ~(here & (flat[np.where(here, other, candidates)] > own))
    return candidates[good]


def _highest(maps: NDArray[Any], axis: int, reach: int) -> NDArray[Any]:
    """The highest value within ``reach`` cells along an axis."""
    result = maps.copy()
    size = maps.shape[axis]
    for step in range(1, min(reach, size - 1) + 1):
        low = (slice(None),) * axis + (slice(None, size - step),)
        high = (slice(None),) * axis + (slice(step, None),)
        np.maximum(result[low], maps[high], out=result[low])
        np.maximum(result[high], maps[low], out=result[high])
    return result

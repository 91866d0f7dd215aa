"""Which grids of cells a number of candidates stands for, and whether boxes follow their cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.cells import cell_layout
from edgecnn.core.postprocess import GridLevel

#: Strides of the published heads, the usual ones first.
STRIDES: tuple[tuple[int, ...], ...] = (
    (8, 16, 32), (16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16,), (32,), (8,), (8, 16),
)  # fmt: skip
_PER_CELL = (1, 3)
_DUMMY = (1.0, 1.0)
# Centres of decoded boxes lie within a few cells of their own; of anything else nowhere near.
_FOLLOWS = 0.7
_UNIT = 2.0  # a slope is within this factor of the unit's


@dataclass(frozen=True)
class Grids:
    """Feature maps, finest first, and how many candidates each of their cells has."""

    levels: tuple[GridLevel, ...]
    per_cell: int = 1

    @property
    def candidates(self) -> int:
        """Over all levels."""
        return self.per_cell * sum(level.rows * level.cols for level in self.levels)

    @property
    def text(self) -> str:
        """For the user."""
        count = len(self.levels)
        cells = _listed([f"{level.rows}×{level.cols}" for level in self.levels])
        strides = _listed([f"{level.stride:g}" for level in self.levels])
        many = f", {self.per_cell} candidates each" if self.per_cell > 1 else ""
        return (
            f"{count} level{'s' * (count > 1)} of {cells} cells at"
            f" stride{'s' * (count > 1)} {strides}{many}"
        )


@dataclass(frozen=True)
class CellFollowing:
    """How far box centres follow their cells' centres.

    Attributes:
        correlation: the lower one of x's and y's.
        units: input pixels (x, y) that 1.0 of a coordinate stands for: (1, 1), or the input's
            (width, height).
        normalised: whether it is the latter.
    """

    correlation: float
    units: tuple[float, float]
    normalised: bool

    @property
    def text(self) -> str:
        """For the user."""
        unit = "from 0 to 1" if self.normalised else "in input pixels"
        return (
            f"on a picture, box centres follow the centres of their cells (correlation"
            f" {self.correlation:.2f}) {unit}"
        )


def level_at(size: tuple[int, int], stride: int) -> GridLevel:
    """The cells of a stride; sizes that are no multiple of it are rounded up."""
    width, height = size
    return GridLevel(math.ceil(height / stride), math.ceil(width / stride), float(stride))


def grids_of(size: tuple[int, int], count: int) -> tuple[Grids, ...]:
    """All published grids with so many candidates.

    Args:
        size: width and height of the input.
        count: candidates.

    >>> [found.per_cell for found in grids_of((640, 640), 25200)]
    [3]
    """
    found = []
    if min(size) <= 0:
        return ()
    for strides in STRIDES:
        if strides[-1] > max(size):
            continue
        levels = tuple(level_at(size, stride) for stride in strides)
        for per_cell in _PER_CELL:
            grids = Grids(levels, per_cell)
            if grids.candidates == count:
                found.append(grids)
    return tuple(found)


def follow_cells(
    centres: NDArray[np.floating[Any]], grids: Grids, size: tuple[int, int]
) -> CellFollowing | None:
    """Whether box centres follow their cells, and in what unit; None: they do not.

    Candidates of a cell may lie together, or those of an anchor (as PyTorch lays them out).

    Args:
        centres: (candidates, 2) x, y.
        grids: where the candidates lie.
        size: width and height of the input.
    """
    good: NDArray[np.bool_] = np.isfinite(centres).all(axis=1)
    if good.sum() < max(4, good.size // 2):
        return None
    best: CellFollowing | None = None
    for cells in _orders(grids):
        found = _fitted(centres[good].astype(np.float64), cells[good], size)
        if found is not None and (best is None or found.correlation > best.correlation):
            best = found
    return best


def _orders(grids: Grids) -> list[NDArray[np.float64]]:
    """Centres (candidates, 2) of the cells, in each order that candidates may have."""
    together = tuple(
        replace(level, anchors=(_DUMMY,) * grids.per_cell) if grids.per_cell > 1 else level
        for level in grids.levels
    )
    orders = [cell_layout(together).centre.astype(np.float64)]
    if grids.per_cell > 1:
        parts = [cell_layout((level,)).centre for level in grids.levels]
        tiled = [np.tile(part, (grids.per_cell, 1)) for part in parts]
        orders.append(np.concatenate(tiled).astype(np.float64))
    return orders


def _fitted(
    centres: NDArray[np.float64], cells: NDArray[np.float64], size: tuple[int, int]
) -> CellFollowing | None:
    lowest, slopes = 1.0, []
    for axis in (0, 1):
        mine, theirs = centres[:, axis], cells[:, axis]
        spread = float(mine.std() * theirs.std())
        if not spread > 0:
            return None
        together = float(((mine - mine.mean()) * (theirs - theirs.mean())).mean())
        lowest = min(lowest, together / spread)
        slopes.append(float((mine * theirs).sum() / (theirs * theirs).sum()))
    if lowest < _FOLLOWS:
        return None
    for normalised, units in ((False, (1.0, 1.0)), (True, (float(size[0]), float(size[1])))):
        wanted = [slope * unit for slope, unit in zip(slopes, units, strict=True)]
        if all(1 / _UNIT < value < _UNIT for value in wanted):
            return CellFollowing(lowest, units, normalised)
    return None


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

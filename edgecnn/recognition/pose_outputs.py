"""What tells outputs of pose and centre models apart: grids, names, and the op that made them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgecnn.core.tflite.model import TfOperator
from edgecnn.recognition.facts import Facts, Real

# Ops that change how values are stored, not what they mean.
_PASSIVE = ("RESHAPE", "DEQUANTIZE", "QUANTIZE", "CAST", "SQUEEZE", "TRANSPOSE", "EXPAND_DIMS")
_BOUNDED = ("LOGISTIC", "SOFTMAX")
# What these give has no bounds, even where it lies between 0 and 1 by chance.
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "CONCATENATION")
_FARTHEST = 8
Grid = tuple[int, int]


@dataclass(frozen=True)
class GridMap:
    """An output that has so many channels for each cell of a grid."""

    name: str
    channels: int


@dataclass(frozen=True)
class PlacedMaps:
    """All outputs on one grid, at one stride.

    Attributes:
        grid: rows and columns.
        stride: input pixels per cell.
        maps: the outputs.
        transposed: they are (1, channels, rows, cols).
    """

    grid: Grid
    stride: int
    maps: tuple[GridMap, ...]
    transposed: bool

    def of(self, channels: int) -> list[GridMap]:
        """The outputs with so many channels."""
        return [item for item in self.maps if item.channels == channels]


def grids(facts: Facts, strides: Iterable[int]) -> list[PlacedMaps]:
    """Outputs (1, rows, cols, channels) or (1, channels, rows, cols) by their grid.

    Only grids of at least 2 × 2 cells that lie over the input at one of the strides; of those that
    fit several, the first stride is taken.
    """
    found: dict[tuple[bool, Grid], list[GridMap]] = {}
    for info in facts.outputs:
        if len(info.shape) != 4 or info.shape[0] != 1:
            continue
        first, second, third = info.shape[1:]
        for transposed, grid, channels in (
            (False, (first, second), third),
            (True, (second, third), first),
        ):
            if min(grid) > 1:
                found.setdefault((transposed, grid), []).append(GridMap(info.name, channels))
    steps = tuple(strides)
    return [
        PlacedMaps(grid, step, tuple(maps), transposed)
        for (transposed, grid), maps in found.items()
        if (step := stride(facts, grid, steps))
    ]


def stride(facts: Facts, grid: Grid, allowed: Iterable[int]) -> int:
    """Input pixels per cell, the same along both axes; 0: none of the allowed ones fits.

    Cells may fill the input (cells · stride), or their corners may lie on its edges, with a pixel
    more ((cells − 1) · stride + 1, as TensorFlow's aligned networks have it) or without.
    """
    width, height = facts.size
    rows, cols = grid
    for step in allowed:
        if all(
            (cells - 1) * step <= size <= cells * step
            for cells, size in ((rows, height), (cols, width))
        ):
            return step
    return 0


def hints(facts: Facts, output: str) -> str:
    """An output's names in lower case: its own, its tensor's, and those of the layer behind it."""
    names = [output]
    for op in _line(facts, output):
        names += [_tensor(facts, index) for index in op.outputs]
        names += [_tensor(facts, index) for index in op.inputs if _is_constant(facts, index)]
    return " ".join(names).lower()


def says(facts: Facts, output: str, *words: str) -> bool:
    """Whether an output's names hold one of the words."""
    names = hints(facts, output)
    return any(word in names for word in words)


def is_probability(facts: Facts, output: str) -> bool:
    """Whether values are probabilities as they are: by the op that made them, else by values."""
    line = _line(facts, output)
    if any(op.code in _BOUNDED for op in line):
        return True
    return not (line and line[-1].code in _LAYERS) and _in_range(facts.values(output), 0, 1)


def usual(values: Real | None) -> tuple[float, float] | None:
    """Least and greatest value, NaN and infinity left out; None: there are no values."""
    finite = values[np.isfinite(values)] if values is not None else np.empty(0)
    return (float(finite.min()), float(finite.max())) if finite.size else None


def are_chances(values: Real | None) -> bool:
    """Whether values are probabilities that sum up to 1."""
    if values is None or not values.size:
        return False
    return bool(values.min() >= 0 and abs(float(values.sum()) - 1) < 0.05)


def _in_range(values: Real | None, low: float, high: float) -> bool:
    ends = usual(values)
    return ends is not None and low <= ends[0] and ends[1] <= high


def _line(facts: Facts, output: str) -> list[TfOperator]:
    """The op that made an output and those before it, as long as they only passed values on."""
    if facts.graph is None:
        return []
    makers = {index: op for op in facts.graph.main.operators for index in op.outputs}
    op = facts.producer(output)
    found: list[TfOperator] = []
    while op is not None and len(found) < _FARTHEST:
        found.append(op)
        if op.code not in (*_PASSIVE, *_BOUNDED) or not op.inputs:
            break
        op = makers.get(op.inputs[0])
    return found


def _is_constant(facts: Facts, index: int) -> bool:
    return (
        facts.graph is not None and index >= 0 and facts.graph.main.tensors[index].data is not None
    )


def _tensor(facts: Facts, index: int) -> str:
    return facts.graph.main.tensors[index].name if facts.graph is not None and index >= 0 else ""

"""The integer grid that a range stands for, for whole tables of candidate ranges at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The codes of an activation dtype.

    Attributes:
        low, high: the outermost codes.
        symmetric: the zero point is 0; else it is where the range puts it.
    """

    low: int
    high: int
    symmetric: bool

    @property
    def steps(self) -> int:
        """Between the outermost codes."""
        return self.high - self.low


INT8 = Grid(-128, 127, symmetric=False)
INT16 = Grid(-32767, 32767, symmetric=True)


def steps_of(low: Array, high: Array, grid: Grid) -> tuple[Array, Array, Array]:
    """What :func:`quantization.graph.params.activation_params` makes of ranges.

    Args:
        low: (candidates,) real values, at most 0.
        high: (candidates,) at least 0, and above ``low``.
        grid: the dtype's codes.

    Returns:
        The distance of two neighbours, and the outermost codes with the zero point taken off, so
        that real = distance · code; each (candidates,).
    """
    if grid.symmetric:
        scale = np.maximum(-low, high) / grid.high
        ends = np.ones_like(scale)
        return scale, grid.low * ends, grid.high * ends
    scale = (high - low) / grid.steps
    zero = np.clip(np.rint(grid.low - low / scale), grid.low, grid.high)
    return scale, grid.low - zero, grid.high - zero

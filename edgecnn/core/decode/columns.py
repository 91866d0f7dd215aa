"""What outputs say about each candidate: views of some of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.tensor_info import TensorInfo

Float = NDArray[np.float32]


@dataclass(frozen=True)
class RawColumns:
    """One output's part of each of its candidates.

    Attributes:
        values: raw (candidates, n); a view, in whatever order the memory lies.
        info: the output it comes from.
    """

    values: NDArray[Any]
    info: TensorInfo

    def __len__(self) -> int:
        """How many candidates."""
        return len(self.values)

    def real(self, chosen: NDArray[np.intp]) -> Float:
        """Real values (chosen, n) of some candidates, in row order."""
        return np.ascontiguousarray(self.info.dequantize(self.values[chosen]))

    def per(self, unit: float) -> RawColumns:
        """The same columns, with the real value ``unit`` counting as 1."""
        if unit == 1:
            return self
        if self.info.scale is not None:
            return replace(self, info=replace(self.info, scale=self.info.scale / unit))
        return replace(self, values=self.values.astype(np.float32) / np.float32(unit))


@dataclass(frozen=True)
class Columns:
    """The same columns of all candidates, from one output or from one after the other.

    Attributes:
        parts: in the order of the candidates.
    """

    parts: tuple[RawColumns, ...]

    def real(self, chosen: NDArray[np.intp]) -> Float:
        """Real values (chosen, n) of some candidates, in row order."""
        if len(self.parts) == 1:
            return self.parts[0].real(chosen)
        real = np.empty((len(chosen), self.parts[0].values.shape[1]), np.float32)
        for part, (start, end) in zip(self.parts, pairwise(self.bounds()), strict=True):
            inside = (chosen >= start) & (chosen < end)
            real[inside] = part.real(chosen[inside] - start)
        return real

    def bounds(self) -> list[int]:
        """Where the parts start, and where the last one ends."""
        return list(accumulate((len(part) for part in self.parts), initial=0))

    def between(self, start: int, end: int) -> RawColumns:
        """Candidates that lie within one part."""
        if len(self.parts) == 1 and end - start == len(self.parts[0]):
            return self.parts[0]
        for part, (first, last) in zip(self.parts, pairwise(self.bounds()), strict=True):
            if first <= start and end <= last:
                return RawColumns(part.values[start - first : end - first], part.info)
        raise ValueError(f"candidates {start} to {end} lie in no one output")


def side_by_side(
    first: Columns, second: Columns | None
) -> Iterator[tuple[int, RawColumns, RawColumns | None]]:
    """Both columns of as many candidates at a time as have one output each, and where they start.

    Where both have several parts, they are of the same candidates.
    """
    bounds = first.bounds()
    if second is not None and len(second.parts) > len(first.parts):
        bounds = second.bounds()
    for start, end in pairwise(bounds):
        beside = None if second is None else second.between(start, end)
        yield start, first.between(start, end), beside


def read_columns(
    outputs: Outputs,
    name: str,
    candidates: int,
    start: int,
    width: int,
    *,
    shared: bool = False,
    transposed: bool = False,
    what: str = "",
) -> RawColumns:
    """``width`` values of each candidate, from column ``start`` of an output on.

    Args:
        outputs: the model's.
        name: of the output; its values per candidate lie together, whatever its rank.
        candidates: how many the output has.
        start: the first of each candidate's values that is read.
        width: how many values of each are read.
        shared: whether the output may hold other values as well; one that is read from a later
            column on always may.
        transposed: the output is (1, values, candidates).
        what: what the values are, for the error.

    Raises:
        BundleError: there is no such output, or it has another size.
    """
    raw, info = outputs.raw(name)
    shared = shared or start > 0
    columns = raw.size // candidates
    exact = raw.size == columns * candidates
    if not exact or columns < start + width or (columns > width and not shared):
        wanted = f"{start + width} values or more" if shared else f"{width}{what and ' ' + what}"
        misfit(name, raw, f"{candidates} candidates × {wanted}")
    if transposed:
        return RawColumns(raw.reshape(columns, candidates)[start : start + width].T, info)
    return RawColumns(raw.reshape(candidates, columns)[:, start : start + width], info)

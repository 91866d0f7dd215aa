"""What an output says about each candidate: a view of some of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode.outputs import Outputs, misfit
from edgecnn.core.runtime import TensorInfo

Float = NDArray[np.float32]


@dataclass(frozen=True)
class RawColumns:
    """One output's part of each candidate.

    Attributes:
        values: raw (candidates, n); a view, in whatever order the memory lies.
        info: the output it comes from.
    """

    values: NDArray[Any]
    info: TensorInfo

    def real(self, chosen: NDArray[np.intp]) -> Float:
        """Real values (chosen, n) of some candidates, in row order."""
        return np.ascontiguousarray(self.info.dequantize(self.values[chosen]))


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

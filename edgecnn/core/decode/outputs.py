"""A model's raw outputs by name, as decoders read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import BundleError
from edgecnn.core.runtime import TensorInfo

HINT = "use the postprocess spec that was made for this model"


class Outputs:
    """Raw arrays and what their codes mean.

    Args:
        arrays: name → raw array, batch 1, as a Predictor gives them.
        infos: the model's outputs.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], infos: Sequence[TensorInfo]) -> None:
        self._arrays = arrays
        self._infos = {info.name: info for info in infos}

    def raw(self, name: str) -> tuple[NDArray[Any], TensorInfo]:
        """An output's codes and its info; truth values as 0 and 1.

        Raises:
            BundleError: the model has no such output, or it holds no real numbers.
        """
        if name not in self._arrays or name not in self._infos:
            raise BundleError(
                f"the postprocess spec names the output '{name}', the model has"
                f" {sorted(self._infos)}",
                hint=HINT,
            )
        raw = np.asarray(self._arrays[name])
        if raw.dtype.kind == "b":
            raw = raw.view(np.uint8)
        if raw.dtype.kind not in "iuf":
            raise BundleError(
                f"the output '{name}' holds {raw.dtype.name}, the postprocess spec expects numbers",
                hint=HINT,
            )
        return raw, self._infos[name]

    def real(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An output's real values in a shape; −1 stands for any size, once.

        Raises:
            BundleError: there is no such output, or it does not fill the shape.
        """
        raw, info = self.raw(name)
        fixed = int(np.prod([size for size in shape if size >= 0]))
        if raw.size == 0 or raw.size % fixed or (-1 not in shape and raw.size != fixed):
            misfit(name, raw, " × ".join("any" if size < 0 else str(size) for size in shape))
        return info.dequantize(raw).reshape(shape)


def misfit(name: str, raw: NDArray[Any], expected: str) -> NoReturn:
    """Raises BundleError: the output has another shape than the spec says."""
    raise BundleError(
        f"the output '{name}' is {list(raw.shape)}, the postprocess spec expects {expected}",
        hint=HINT,
    )

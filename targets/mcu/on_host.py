"""The C of a model as a predictor on this machine: what a microcontroller would answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.core.runtime import Predictor, TensorInfo, tensor_infos
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.host_library import HostModel
from targets.base import ModelFile, Target
from targets.mcu.compiled_target import CompiledTarget

Arrays = Mapping[str, NDArray[Any]]


class CPredictor:
    """Implements :class:`edgecnn.core.runtime.Predictor` with the generated C."""

    def __init__(self, model: ModelFile, numerics: str, kernels: str) -> None:
        self._inputs, self._outputs = tensor_infos(model.model)
        compiled = compile_model(model.model, name="model", numerics=numerics, kernels=kernels)
        self._host = HostModel(compiled)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""
        return self._outputs

    def predict(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Runs once, from a fresh state."""
        self._host.reset()
        raw = [np.ascontiguousarray(inputs[info.name]).tobytes() for info in self._inputs]
        return {
            info.name: np.frombuffer(data, info.dtype).reshape(info.shape)
            for info, data in zip(self._outputs, self._host.run(raw), strict=True)
        }


def c_predictor(model: ModelFile, numerics: str, kernels: str = "generic") -> Predictor:
    """The model's C, built for this machine.

    Args:
        model: a .tflite.
        numerics: whose integer arithmetic it follows.
        kernels: made for a kind of core; elsewhere their plain C runs, which gives the same bytes.

    Raises:
        UnsupportedModelError, UnknownNameError: as :func:`compile_model`.
        MissingExtraError, ToolError, TargetError: it cannot be built or loaded.
    """
    return CPredictor(model, numerics, kernels)


def kernels_of(target: Target) -> str:
    """The set of kernels that a microcontroller's C is made of.

    Raises:
        UsageError: the target is no microcontroller.
    """
    if not isinstance(target, CompiledTarget):
        raise UsageError(
            f"'{target.name}' is no microcontroller: there is no C of the model to evaluate",
            hint="leave -t out, or name a core or board (-t cortex-m7)",
        )
    return target.board.kernels

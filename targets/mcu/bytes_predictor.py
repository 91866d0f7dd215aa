"""A predictor made of a function from bytes to bytes: what a model's C takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import TensorInfo, tensor_infos
from firmware_glue.compiler.api import CompiledModel, IoInfo
from targets.base import ModelFile
from targets.mcu.measure import raw_bytes

Run = Callable[[Sequence[bytes]], Sequence[bytes]]


class BytesPredictor:
    """Implements :class:`edgecnn.core.runtime.Predictor`.

    Args:
        model: whose tensors the bytes are.
        compiled: its C, which knows the shapes that the file leaves open (those of
            TFLite_Detection_PostProcess).
        run: one inference from a fresh state: the inputs' bytes in the model's order → the
            outputs' bytes.
    """

    def __init__(self, model: ModelFile, compiled: CompiledModel, run: Run) -> None:
        inputs, outputs = tensor_infos(model.model)
        self._inputs = _with_shapes(inputs, compiled.inputs)
        self._outputs = _with_shapes(outputs, compiled.outputs)
        self._run = run

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""
        return self._outputs

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Runs once, from a fresh state."""
        raw = self._run(raw_bytes({info.name: inputs[info.name] for info in self._inputs}))
        return {
            info.name: np.frombuffer(data, info.dtype).reshape(info.shape)
            for info, data in zip(self._outputs, raw, strict=True)
        }


def _with_shapes(infos: Sequence[TensorInfo], made: Sequence[IoInfo]) -> tuple[TensorInfo, ...]:
    return tuple(replace(info, shape=io.shape) for info, io in zip(infos, made, strict=True))

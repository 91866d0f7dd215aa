"""A Keras model as a :class:`edgecnn.core.runtime.Predictor`: float32, one sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.core.runtime import TensorInfo
from quantization.keras_model import call_flat, input_infos, output_infos
from quantization.tensorflow_import import import_keras, import_tensorflow

Array = NDArray[Any]


class KerasPredictor:
    """Runs a Keras 3 model on one sample through one compiled function.

    ``model.predict`` sets up a data pipeline on each call; here the model is traced once, for
    batch 1, and then only called.

    Args:
        model: functional or Sequential, built.

    Raises:
        QuantizationError: the model has no fixed inputs and outputs.
        MissingExtraError: Keras is not installed.
    """

    def __init__(self, model: Any) -> None:
        self._inputs = input_infos(model)
        self._outputs = output_infos(model)
        self._run = _compiled(model, self._inputs)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Names of the input layers, float32, batch 1."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Names of the output layers, in Keras' order."""
        return self._outputs

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Output name → array (1, …).

        Raises:
            DataError: an input is missing or has the wrong shape.
        """
        return run_named(self._run, self._inputs, self._outputs, inputs)


class FunctionPredictor:
    """A frozen TensorFlow function as a predictor: for SavedModels, which have no Keras model."""

    def __init__(
        self, function: Any, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
    ) -> None:
        flow = import_tensorflow()
        self.inputs = inputs
        self.outputs = outputs
        self._run = lambda arrays: function(*[flow.constant(array) for array in arrays])

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Output name → array (1, …).

        Raises:
            DataError: an input is missing or has the wrong shape.
        """
        return run_named(self._run, self.inputs, self.outputs, inputs)


def run_named(
    run: Callable[[list[Array]], Any],
    inputs: tuple[TensorInfo, ...],
    outputs: tuple[TensorInfo, ...],
    given: Mapping[str, Array],
) -> dict[str, Array]:
    """Checks and orders the inputs, runs, names the outputs.

    Raises:
        DataError: an input is missing or has the wrong shape.
    """
    arrays = []
    for info in inputs:
        array = given.get(info.name)
        if array is None or tuple(array.shape) != info.shape:
            got = "nothing" if array is None else f"shape {tuple(array.shape)}"
            raise DataError(
                f"input '{info.name}': got {got}, expected {info.dtype} {info.shape}",
                hint="give every input of the model, with batch 1",
            )
        arrays.append(np.ascontiguousarray(array, dtype=info.dtype))
    results = run(arrays)
    return {
        info.name: np.asarray(value).astype(info.dtype, copy=False)
        for info, value in zip(outputs, results, strict=True)
    }


def _compiled(model: Any, inputs: tuple[TensorInfo, ...]) -> Callable[[list[Array]], Any]:
    keras = import_keras()
    if keras.backend.backend() != "tensorflow":
        # Compiled by the backend at hand (jax.jit, torch.no_grad), without a data pipeline.
        def run_batch(arrays: list[Array]) -> list[Any]:
            structure = getattr(model, "input", None)
            packed: Any = arrays[0] if len(arrays) == 1 else arrays
            if isinstance(structure, (dict, list, tuple)):
                packed = keras.tree.pack_sequence_as(structure, arrays)
            return list(keras.tree.flatten(model.predict_on_batch(packed)))

        return run_batch
    flow = import_tensorflow()
    specs = [flow.TensorSpec(info.shape, info.dtype) for info in inputs]

    @flow.function(input_signature=specs, autograph=False)
    def forward(*values: Any) -> Any:
        return call_flat(keras, model, values)

    def run(arrays: list[Array]) -> list[Any]:
        return [value.numpy() for value in forward(*[flow.constant(a) for a in arrays])]

    return run

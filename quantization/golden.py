"""Golden vectors: recorded inputs and outputs that every target must reproduce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.bundle import Golden
from edgecnn.core.errors import QuantizationError
from edgecnn.core.reference import best_reference
from quantization.calibration.samples import check_sample
from quantization.types import SampleDict


def make_golden(model: bytes, samples: Sequence[SampleDict]) -> tuple[Golden, tuple[str, ...]]:
    """Runs ``samples`` through a .tflite with LiteRT's reference kernels.

    Args:
        model: the .tflite.
        samples: real values, {input name: float32 (1, …)}; quantized as each input wants.

    Returns:
        The vector, its arrays (n, …) in the tensors' dtypes, and warnings.

    Raises:
        QuantizationError: no samples.
        DataError: a sample does not fit the model.
        ModelError: the model does not run.
    """
    if not samples:
        raise QuantizationError(
            "the golden vector needs at least one sample", hint="give golden inputs"
        )
    predictor, warnings = best_reference(model)
    infos = predictor.inputs
    inputs: dict[str, list[NDArray[Any]]] = {info.name: [] for info in infos}
    outputs: dict[str, list[NDArray[Any]]] = {info.name: [] for info in predictor.outputs}
    for number, sample in enumerate(samples):
        real = {name: np.asarray(value) for name, value in sample.items()}
        check_sample(real, [_as_float(info) for info in infos], number)
        raw = {info.name: info.quantize(real[info.name]) for info in infos}
        for name, array in raw.items():
            inputs[name].append(array)
        for name, array in predictor.predict(raw).items():
            outputs[name].append(array.copy())
    return Golden(_stack(inputs), _stack(outputs)), warnings


def _as_float(info: Any) -> Any:
    return type(info)(info.name, info.shape, "float32")


def _stack(arrays: Mapping[str, list[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    stacked = {name: np.concatenate(items, axis=0) for name, items in arrays.items()}
    for array in stacked.values():
        array.flags.writeable = False
    return stacked

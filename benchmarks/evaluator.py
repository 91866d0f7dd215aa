"""The one evaluator: every .tflite, whoever made it, runs here on the same float32 inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor

Outputs = tuple[NDArray[np.float32], ...]


def outputs_of(model: bytes, inputs: NDArray[np.float32]) -> Outputs:
    """Runs a .tflite of one input with LiteRT's default kernels, sample by sample.

    Args:
        model: the file's bytes; float32 or integer at either end.
        inputs: float32 (n, …) real values; quantized with the model's own input scale.

    Returns:
        Each output's real values, float32 (n, …), in the model's order.
    """
    predictor = LiteRTPredictor(model)
    info = predictor.inputs[0]
    rows: list[list[NDArray[Any]]] = [[] for _ in predictor.outputs]
    for sample in inputs:
        raw = predictor.predict({info.name: info.quantize(sample.reshape(info.shape))})
        for kept, output in zip(rows, predictor.outputs, strict=True):
            kept.append(output.dequantize(raw[output.name])[0])
    return tuple(np.stack(kept) for kept in rows)


def save_outputs(path: Path, outputs: Outputs) -> None:
    """Writes ``output_0`` … as the peers' scripts do."""
    named = {f"output_{index}": array for index, array in enumerate(outputs)}
    np.savez(path, allow_pickle=False, **named)


def load_outputs(path: Path) -> Outputs:
    """Reads what :func:`save_outputs` or a peer's script wrote."""
    with np.load(path) as file:
        return tuple(file[f"output_{index}"] for index in range(len(file.files)))

"""Facts about models that are not there: outputs with given values, or a file built in the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tensor_info import TensorInfo
from edgecnn.core.tflite.file_metadata import FileMetadata, read_file_metadata
from edgecnn.core.tflite.reader import read_model
from edgecnn.recognition.facts import Facts

PHOTO = np.random.default_rng(5).integers(0, 256, (48, 72, 3), dtype=np.uint8)


class GivenPredictor:
    """One float image in, the same arrays out whatever it shows."""

    def __init__(self, outputs: Mapping[str, Any], size: tuple[int, int]) -> None:
        self._arrays = {name: np.asarray(value) for name, value in outputs.items()}
        self.inputs = (TensorInfo("image", (1, size[1], size[0], 3), "float32"),)
        self.outputs = tuple(
            TensorInfo(name, value.shape, str(value.dtype)) for name, value in self._arrays.items()
        )

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The arrays."""
        return dict(self._arrays)


def given(
    outputs: Mapping[str, Any],
    size: tuple[int, int],
    labels: tuple[str, ...] = (),
    metadata: FileMetadata | None = None,
    *,
    seen: bool = True,
) -> Facts:
    """Facts of a model without a file; ``seen``: there is a photo to run it on."""
    predictor = GivenPredictor(outputs, size)
    return Facts(predictor, None, metadata or FileMetadata(), labels, PHOTO if seen else None)


def built(data: bytes, labels: tuple[str, ...] = ()) -> Facts:
    """Facts of a .tflite."""
    graph = read_model(data)
    return Facts(LiteRTPredictor(data), graph, read_file_metadata(data, graph), labels, PHOTO)

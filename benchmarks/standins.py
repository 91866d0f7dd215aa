"""Models of the same layers as MLPerf Tiny's, for those whose files are not at hand.

What a core executes follows from the layers' shapes, and hardly from the weights: their figures
stand beside a peer's figures of the original file, marked as such.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.nets import net
from edgecnn.models.io import load_keras
from quantization.quantize import quantize
from quantization.recipe import get_recipe
from quantization.types import QuantizeRequest

_SEED = 1
_SAMPLES = 64
#: Units of the anomaly detector's fully connected layers.
_UNITS = (128, 128, 128, 128, 8, 128, 128, 128, 128, 640)


def _resnet8() -> Any:
    """The trained net of the quantization benchmark: MLPerf Tiny's image classification model."""
    return load_keras(net("resnet8").file)


def _autoencoder() -> Any:
    """MLPerf Tiny's anomaly detector with random weights."""
    import keras

    keras.utils.set_random_seed(_SEED)
    x = inputs = keras.Input((640,), name="input")
    for number, units in enumerate(_UNITS):
        last = number == len(_UNITS) - 1
        x = keras.layers.Dense(units, None if last else "relu", name=f"dense_{number}")(x)
    return keras.Model(inputs, x, name="autoencoder")


STAND_INS: Mapping[str, Callable[[], Any]] = MappingProxyType({"ic": _resnet8, "ad": _autoencoder})


def stand_in(name: str) -> bytes:
    """The int8 .tflite of a row of :data:`STAND_INS`; the same bytes each time."""
    model = STAND_INS[name]()
    shape = tuple(model.inputs[0].shape[1:])

    def samples() -> Iterator[dict[str, Any]]:
        random = np.random.default_rng(_SEED)
        for _ in range(_SAMPLES):
            yield {model.inputs[0].name: random.uniform(0, 1, (1, *shape)).astype(np.float32)}

    request = QuantizeRequest(model, partial(samples), get_recipe("int8"))
    return quantize(request).model


if __name__ == "__main__":
    for wanted in sys.argv[2:] or STAND_INS:
        Path(sys.argv[1], f"{wanted}.tflite").write_bytes(stand_in(wanted))

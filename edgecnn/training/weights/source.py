"""Reads a file that is to give its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model_file
from edgecnn.training.weights.meaning import tflite_meaning
from edgecnn.training.weights.net import SourceLayer, SourceNet
from edgecnn.training.weights.tflite_layers import tflite_layers


def read_source(text: str) -> SourceNet:
    """The layers of a model file, as float weights, with what a byte of a picture is to it.

    Args:
        text: path of a ``.tflite``.

    Raises:
        ModelError: missing, damaged, or without convolutions.
    """
    path = Path(text).expanduser()
    _, model = read_model_file(path)
    return tflite_source(text, "tflite", model)


def tflite_source(text: str, form: str, model: TfModel) -> SourceNet:
    """The layers of a .tflite that has been read.

    Raises:
        ModelError: it has no convolutions.
    """
    layers, notes = tflite_layers(model, text)
    shape = model.main.tensors[model.main.inputs[0]].shape if model.main.inputs else ()
    pictured = (shape[1], shape[2], shape[3]) if len(shape) == 4 else None
    return SourceNet(
        text,
        form,
        layers,
        pictured,
        tflite_meaning(model),
        (*model.notes, *notes),
        layers_digest(layers),
    )


def layers_digest(layers: tuple[SourceLayer, ...]) -> str:
    """SHA-256 over kernels and biases, in order."""
    digest = hashlib.sha256()
    for layer in layers:
        digest.update(layer.kernel.tobytes())
        digest.update(layer.bias.tobytes())
    return digest.hexdigest()

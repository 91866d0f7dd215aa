"""Reads whatever is to give its weights: a bundle, a Keras file, a .tflite, or ``imagenet``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgecnn.core.bundle import KERAS_MODEL, MANIFEST, Bundle
from edgecnn.core.errors import UsageError
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model_file
from edgecnn.models.io import load_keras
from edgecnn.training.weights.imagenet import IMAGENET, imagenet_source
from edgecnn.training.weights.keras_source import keras_source
from edgecnn.training.weights.meaning import composed, spec_meaning, tflite_meaning
from edgecnn.training.weights.net import SourceNet, layers_digest
from edgecnn.training.weights.tflite_layers import tflite_layers
from quantization.input_evidence import graph_affine
from quantization.keras_file import KERAS_SUFFIXES


def read_source(text: str) -> SourceNet:
    """The layers of a model as float weights, with what a byte of a picture is to it.

    Args:
        text: path of a bundle, a ``.keras``, a ``.h5`` of Keras 2 or 3, or a ``.tflite`` (float
            or quantized); or ``imagenet``.

    Raises:
        UsageError: a folder that is no bundle.
        ModelError, BundleError: missing, damaged, with code in it, or without convolutions.
        QuantizationError: a Keras model that TensorFlow's converter has to read, and does not.
        MissingExtraError: Keras is not installed, and needed.
    """
    if text == IMAGENET:
        return imagenet_source()
    path = Path(text).expanduser()
    if path.is_dir():
        return _bundle_source(text, path)
    if path.name == KERAS_MODEL and (path.parent / MANIFEST).is_file():
        return _bundle_source(text, path.parent)
    if path.suffix.lower() in KERAS_SUFFIXES:
        return keras_source(text, "keras", load_keras(path))
    _, model = read_model_file(path)
    return tflite_source(text, "tflite", model)


def _bundle_source(text: str, path: Path) -> SourceNet:
    """Reads a bundle's trained model, or a quantized one where there is none."""
    if not (path / MANIFEST).is_file():
        raise UsageError(
            f"'{text}' is a folder without a bundle",
            hint="give a bundle, a .keras, .h5 or .tflite file, or imagenet",
        )
    bundle = Bundle.load(path)
    spec = bundle.preprocess if bundle.has("preprocess.json") else None
    if bundle.has(KERAS_MODEL):
        return keras_source(text, "bundle", load_keras(bundle.path(KERAS_MODEL)), spec=spec)
    known = "float32" if "float32" in bundle.variants else None
    _, model = read_model_file(bundle.variant_model(known))
    net = tflite_source(text, "bundle", model)
    if spec is None:
        return net
    own = spec_meaning(spec, f"the preprocess spec of '{text}'")
    return replace(net, meaning=composed(own, graph_affine(model)) or net.meaning)


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

"""A Keras model as a source of weights: each layer with its batch norm folded in, and without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import ModelError
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.training.weights.keras_layers import ModelLayer, is_readable, model_layers, norms
from edgecnn.training.weights.meaning import keras_meaning
from edgecnn.training.weights.net import (
    MAX_LAYERS,
    MAX_PARAMETERS,
    ByteMeaning,
    SourceLayer,
    SourceNet,
    SourceNorm,
    layers_digest,
)
from edgecnn.training.weights.tflite_layers import tflite_layers
from quantization.load import load_float


def keras_source(
    text: str,
    form: str,
    model: Any,
    *,
    spec: PreprocessSpec | None = None,
    meaning: ByteMeaning | None = None,
) -> SourceNet:
    """The layers of a loaded Keras model.

    A model whose weights do not all lie in plain layers (separable convolutions, layers of one's
    own) goes through TensorFlow's converter first.

    Args:
        text: what the user gave.
        form: what it is, for the record.
        model: the Keras model.
        spec: what its pictures become, where that is known.
        meaning: the same, where it is known from elsewhere.

    Raises:
        ModelError: it has no convolutions, or weights that are not finite.
        QuantizationError: the converter does not take it.
    """
    if is_readable(model):
        items = model_layers(model)
        layers = tuple(_source_layer(text, item) for item in items)
        notes = _notes(model, items)
    else:
        layers, notes = tflite_layers(load_float(model).model, text)
    if not layers:
        raise ModelError(
            f"'{text}' has no convolution with weights of its own",
            hint="give a convolutional network",
        )
    count = sum(layer.parameters for layer in layers)
    if len(layers) > MAX_LAYERS or count > MAX_PARAMETERS:
        raise ModelError(
            f"'{text}' has {len(layers):,} layers and {count:,} weights, expected at most"
            f" {MAX_LAYERS:,} and {MAX_PARAMETERS:,}",
            hint="give a smaller network",
        )
    shape = tuple(model.inputs[0].shape[1:])
    fixed = len(shape) == 3 and None not in shape
    return SourceNet(
        text,
        form,
        layers,
        (int(shape[0]), int(shape[1]), int(shape[2])) if fixed else None,
        meaning or keras_meaning(model, spec, text),
        notes,
        layers_digest(layers),
        model,
    )


def _notes(model: Any, items: tuple[ModelLayer, ...]) -> tuple[str, ...]:
    elsewhere = norms(model) - sum(item.norm is not None for item in items)
    if not elsewhere:
        return ()
    return (f"{elsewhere} batch norms do not stand right behind a layer, and stay out",)


def _source_layer(text: str, item: ModelLayer) -> SourceLayer:
    kernel = _values(item.layer.kernel)
    filters = int(np.prod(kernel.shape[2:])) if item.form.kind == "depthwise" else kernel.shape[-1]
    zeros = np.zeros(filters, np.float32)
    bias = _values(item.layer.bias) if item.layer.use_bias else zeros
    norm = None
    if item.norm is not None:
        norm = SourceNorm(
            kernel,
            _values(item.norm.gamma) if item.norm.scale else np.ones(filters, np.float32),
            _values(item.norm.beta) if item.norm.center else zeros,
            _values(item.norm.moving_mean) - bias,
            _values(item.norm.moving_variance),
            float(item.norm.epsilon),
        )
        kernel, bias = _folded(item, norm)
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise ModelError(
            f"'{text}' has weights that are not finite in '{item.form.name}'",
            hint="give a model whose training went well",
        )
    return SourceLayer(item.form, kernel, bias, norm)


def _folded(item: ModelLayer, norm: SourceNorm) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and bias that do what the layer and its batch norm do (Jacob et al. 2018)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = norm.gamma.astype(np.float64) / np.sqrt(norm.variance + norm.epsilon)
        shape = norm.kernel.shape[2:] if item.form.kind == "depthwise" else norm.kernel.shape[-1:]
        kernel = (norm.kernel * factor.reshape(shape)).astype(np.float32)
        bias = (norm.beta - norm.mean * factor).astype(np.float32)
    return kernel, bias


def _values(variable: Any) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.asarray(variable.numpy(), np.float32))

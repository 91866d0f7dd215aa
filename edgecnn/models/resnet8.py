"""ResNet-8: the image classification model of MLPerf Tiny (Banbury et al. 2021)."""

from __future__ import annotations

from typing import Any

from edgecnn.models import blocks
from edgecnn.models.keras_setup import import_keras


def build(
    input_shape: blocks.Shape,
    classes: int,
    *,
    width: float = 1.0,
    dropout: float = 0.0,
    halvings: int | None = None,
) -> Any:
    """Builds the model: a stem and three residual stacks of two convolutions.

    Args:
        input_shape: (height, width, channels); the reference takes 32 × 32 × 3.
        classes: outputs of ``scores``.
        width: factor on the channels 16, 32, 64; each is rounded to a multiple of 8.
        dropout: before the last layer.
        halvings: 0 to 2; None: as many as the input allows.
    """
    width = blocks.width_option(width)
    strides = (1, *blocks.strides_for(input_shape, 2, halvings))
    image = blocks.image_input(input_shape)
    # The reference's convolutions have biases beside the batch norm; both are folded.
    x = _conv(image, blocks.round_channels(16 * width), 3, name="stem")
    x = blocks.norm(x, name="stem", activation="relu")
    for number, (filters, stride) in enumerate(zip((16, 32, 64), strides, strict=True), start=1):
        x = _stack(x, blocks.round_channels(filters * width), stride, name=f"stack{number}")
    return blocks.finish(image, blocks.classifier(x, classes, dropout=dropout), "resnet8")


def _stack(x: Any, filters: int, stride: int, *, name: str) -> Any:
    layers = import_keras().layers
    y = _conv(x, filters, 3, name=f"{name}_conv1", stride=stride)
    y = blocks.norm(y, name=f"{name}_conv1", activation="relu")
    y = _conv(y, filters, 3, name=f"{name}_conv2")
    y = blocks.norm(y, name=f"{name}_conv2", activation="none")
    if stride != 1 or int(x.shape[-1]) != filters:
        x = _conv(x, filters, 1, name=f"{name}_shortcut", stride=stride)
    y = layers.Add(name=f"{name}_add")([x, y])
    return blocks.activate(y, "relu", name=f"{name}_relu")


def _conv(x: Any, filters: int, kernel: int, *, name: str, stride: int = 1) -> Any:
    return import_keras().layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        kernel_initializer="he_normal",
        name=name,
    )(x)

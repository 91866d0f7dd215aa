"""Blocks that the model families share, built from plain Keras layers.

Every layer is named, so that names reach the .tflite and the generated C. Batch norm has momentum
0.9: with 0.99 a few hundred steps leave the moving averages far from the data's.
"""

from __future__ import annotations

from typing import Any, Literal

from edgecnn.core.errors import UsageError
from edgecnn.models.keras_setup import import_keras

BN_MOMENTUM = 0.9
BN_EPSILON = 1e-3
Activation = Literal["relu6", "relu", "hard_swish", "none"]
Shape = tuple[int, int, int]


def image_input(input_shape: Shape) -> Any:
    """The input ``image``: float32 (batch, height, width, channels).

    Raises:
        UsageError: the shape is not three sizes of 1 or more.
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise UsageError(
            f"input shape {tuple(input_shape)}, expected (height, width, channels), each ≥ 1",
            hint="for example 96x96x3",
        )
    return import_keras().Input(tuple(input_shape), name="image")


def conv(
    x: Any,
    filters: int,
    kernel: int,
    *,
    name: str,
    stride: int = 1,
    activation: Activation = "relu6",
    bias: bool = False,
    batch_norm: bool = True,
) -> Any:
    """Convolution, batch norm, activation; SAME padding, which needs no PAD op.

    Without ``batch_norm`` the convolution has a bias in its place, as trained weights have it into
    which the batch norm was folded.
    """
    layers = import_keras().layers
    x = layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=bias or not batch_norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return _follow(x, name=name, activation=activation, batch_norm=batch_norm)


def depthwise(
    x: Any,
    kernel: int,
    *,
    name: str,
    stride: int = 1,
    activation: Activation = "relu6",
    batch_norm: bool = True,
) -> Any:
    """Depthwise convolution, batch norm (or a bias in its place), activation."""
    layers = import_keras().layers
    x = layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=not batch_norm,
        depthwise_initializer="he_normal",
        name=name,
    )(x)
    return _follow(x, name=name, activation=activation, batch_norm=batch_norm)


def _follow(x: Any, *, name: str, activation: Activation, batch_norm: bool) -> Any:
    if batch_norm:
        return norm(x, name=name, activation=activation)
    return activate(x, activation, name=f"{name}_{activation}")


def norm(x: Any, *, name: str, activation: Activation) -> Any:
    """Batch norm (folded into the convolution on conversion) and activation."""
    layers = import_keras().layers
    x = layers.BatchNormalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON, name=f"{name}_bn")(x)
    return activate(x, activation, name=f"{name}_{activation}")


def activate(x: Any, activation: Activation, *, name: str) -> Any:
    """ReLU, ReLU6, hard-swish or nothing."""
    layers = import_keras().layers
    if activation == "none":
        return x
    if activation == "hard_swish":
        return layers.Activation("hard_silu", name=name)(x)
    return layers.ReLU(6.0 if activation == "relu6" else None, name=name)(x)


def separable(x: Any, filters: int, *, name: str, stride: int = 1, batch_norm: bool = True) -> Any:
    """MobileNet v1's block: depthwise 3×3, then 1×1."""
    x = depthwise(x, 3, name=f"{name}_dw", stride=stride, batch_norm=batch_norm)
    return conv(x, filters, 1, name=f"{name}_pw", batch_norm=batch_norm)


def inverted_residual(
    x: Any,
    filters: int,
    *,
    expand: int,
    name: str,
    stride: int = 1,
    kernel: int = 3,
    batch_norm: bool = True,
) -> Any:
    """MobileNet v2's block: 1×1 up by ``expand``, depthwise, linear 1×1 down, and a shortcut."""
    layers = import_keras().layers
    channels = int(x.shape[-1])
    y = x
    if expand != 1:
        y = conv(y, channels * expand, 1, name=f"{name}_expand", batch_norm=batch_norm)
    y = depthwise(y, kernel, name=f"{name}_dw", stride=stride, batch_norm=batch_norm)
    y = conv(y, filters, 1, name=f"{name}_project", activation="none", batch_norm=batch_norm)
    if stride == 1 and channels == filters:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def classifier(x: Any, classes: int, *, dropout: float) -> Any:
    """Global average, dropout, and the output ``scores``: softmax probabilities.

    Raises:
        UsageError: fewer than 2 classes, or a dropout outside [0, 1).
    """
    if classes < 2:
        raise UsageError(f"{classes} classes, expected 2 or more", hint="add a class")
    if not 0 <= dropout < 1:
        raise UsageError(
            f"dropout = {dropout}, expected 0 or more, below 1", hint="0.1 or 0.2 is usual"
        )
    layers = import_keras().layers
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return layers.Dense(classes, activation="softmax", name="scores")(x)


def finish(image: Any, outputs: Any, name: str) -> Any:
    """The functional model."""
    return import_keras().Model(image, outputs, name=name)


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor``, never more than 10 % below; as in MobileNet v2.

    >>> [round_channels(c) for c in (16 * 0.35, 24 * 0.35, 32 * 0.75)]
    [8, 8, 24]
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def strides_for(input_shape: Shape, count: int, keep: int | None = None) -> tuple[int, ...]:
    """The stride of each of a family's ``count`` halvings, for this input.

    A small image cannot be halved five times: the last feature map keeps 3 pixels or more, and the
    first halvings are the ones left out, so that the early layers see all of the image.

    Args:
        input_shape: (height, width, channels).
        count: how many places in the family halve the map.
        keep: use exactly so many of them instead.

    >>> strides_for((224, 224, 3), 5), strides_for((32, 32, 3), 5), strides_for((8, 8, 1), 5)
    ((2, 2, 2, 2, 2), (1, 1, 2, 2, 2), (1, 1, 1, 1, 2))

    Raises:
        UsageError: ``keep`` is not 0 to ``count``.
    """
    if keep is None:
        size, keep = min(input_shape[:2]), 0
        while keep < count and -(-size // 2) >= 3:
            size, keep = -(-size // 2), keep + 1
    if not 0 <= keep <= count:
        raise UsageError(
            f"halvings = {keep}, expected 0 to {count}",
            hint="leave it out: it follows from the input size",
        )
    return (1,) * (count - keep) + (2,) * keep


def width_option(width: float) -> float:
    """Returns ``width``, the factor on every layer's channels.

    Raises:
        UsageError: it is not in (0, 4].
    """
    if not 0 < width <= 4:
        raise UsageError(
            f"width = {width}, expected above 0 and up to 4", hint="0.25, 0.5 and 1.0 are usual"
        )
    return width

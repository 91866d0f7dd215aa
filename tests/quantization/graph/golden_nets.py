"""Keras nets whose quantized files are compared with the stock converter's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.quantization import nets
from tests.quantization.nets import keras, layers

SHAPE = (12, 12, 4)


def _model(build: Callable[[Any], Any], shape: tuple[int, ...] = SHAPE) -> Any:
    keras.utils.set_random_seed(7)
    image = keras.Input(shape, name="image", batch_size=1)
    return keras.Model(image, build(image))


def plain() -> Any:
    """Strides, biases, fused ReLU and ReLU6, both poolings."""

    def build(x: Any) -> Any:
        x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Conv2D(6, 1, activation="relu6")(x)
        x = layers.AveragePooling2D(2)(x)
        return layers.Dense(3)(layers.Flatten()(x))

    return _model(build)


def separable() -> Any:
    """Depthwise with a multiplier, dilation, zero padding."""

    def build(x: Any) -> Any:
        x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)
        x = layers.ZeroPadding2D(1)(x)
        x = layers.SeparableConv2D(6, 3, activation="relu")(x)
        return layers.Conv2D(4, 3, dilation_rate=2)(x)

    return _model(build)


def swish() -> Any:
    """Sigmoid and product, hard swish, squeeze and excite."""

    def build(x: Any) -> Any:
        x = layers.Conv2D(8, 3, activation="swish")(x)
        x = layers.Conv2D(8, 1, activation="hard_silu")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(4, 1, activation="relu")(gate)
        gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
        x = layers.Multiply()([x, gate])
        return layers.Conv2D(3, 1)(x)

    return _model(build)


def residual() -> Any:
    """Sums, differences, products, averages of branches, with and without activation."""

    def build(x: Any) -> Any:
        a = layers.Conv2D(6, 3, padding="same")(x)
        b = layers.Conv2D(6, 1)(x)
        c = layers.ReLU()(layers.Add()([a, b]))
        d = layers.Subtract()([c, b])
        e = layers.Multiply()([d, a])
        return layers.Conv2D(2, 1)(layers.Average()([e, c]))

    return _model(build)


def joined() -> Any:
    """Concatenations, maximum, reshapes and transpositions."""

    def build(x: Any) -> Any:
        a = layers.Conv2D(4, 3, padding="same")(x)
        b = layers.Conv2D(4, 1, activation="relu")(x)
        x = layers.Concatenate()([a, b, layers.Maximum()([a, b])])
        x = layers.Permute((2, 1, 3))(x)
        x = layers.Reshape((12, 144))(x)
        return layers.Dense(5)(x)

    return _model(build)


def leaky() -> Any:
    """Leaky ReLU, PReLU, tanh, softmax inside."""

    def build(x: Any) -> Any:
        x = layers.LeakyReLU(0.1)(layers.Conv2D(5, 3)(x))
        x = layers.PReLU(shared_axes=[1, 2], alpha_initializer="random_uniform")(x)
        x = layers.Activation("tanh")(layers.Conv2D(5, 1)(x))
        x = layers.Softmax()(x)
        return layers.Conv2D(3, 1)(x)

    return _model(build)


def up() -> Any:
    """Both resizes and a transposed convolution."""

    def build(x: Any) -> Any:
        x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
        x = layers.UpSampling2D(2, interpolation="bilinear")(x)
        x = layers.Conv2DTranspose(4, 3, strides=2)(x)
        return layers.Conv2D(3, 1)(x)

    return _model(build)


def signal() -> Any:
    """One dimension: Conv1D, pooling, global maximum."""

    def build(x: Any) -> Any:
        x = layers.Conv1D(8, 5, strides=2, activation="relu")(x)
        x = layers.MaxPooling1D(2)(x)
        x = layers.Conv1D(8, 3, padding="same")(x)
        return layers.Dense(4, activation="softmax")(layers.GlobalMaxPooling1D()(x))

    return _model(build, (64, 3))


def dense() -> Any:
    """Fully connected layers, sigmoid at the end."""

    def build(x: Any) -> Any:
        x = layers.Flatten()(x)
        x = layers.Dense(32, activation="relu")(x)
        x = layers.Dense(16)(x)
        return layers.Dense(3, activation="sigmoid")(x)

    return _model(build, (6, 6, 2))


def attention() -> Any:
    """Products of two computed matrices."""

    def build(x: Any) -> Any:
        x = layers.Reshape((36, 16))(layers.Conv2D(16, 3, strides=2, padding="same")(x))
        a, b, c = (layers.Dense(8)(x) for _ in range(3))
        weights = layers.Softmax()(layers.Dot((2, 2))([a, b]))
        return layers.Dense(4)(layers.Dot((2, 1))([weights, c]))

    return _model(build)


GOLDEN: dict[str, Callable[[], Any]] = {
    "classifier": nets.classifier,
    "plain": plain,
    "separable": separable,
    "swish": swish,
    "residual": residual,
    "joined": joined,
    "leaky": leaky,
    "up": up,
    "signal": signal,
    "dense": dense,
    "attention": attention,
}

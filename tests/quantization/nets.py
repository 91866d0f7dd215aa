"""Small Keras nets for the tests of this room, and what to feed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the [train] extra")

from quantization.tensorflow_import import import_keras_on_tensorflow, import_tensorflow

tensorflow = import_tensorflow()
keras = import_keras_on_tensorflow()
layers = keras.layers
SHAPE = (16, 16, 3)


def samples(count: int = 16, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> list[dict[str, Any]]:
    """Real-valued inputs named ``image``."""
    rng = np.random.default_rng(seed)
    return [{"image": rng.uniform(-1, 1, (1, *shape)).astype(np.float32)} for _ in range(count)]


def calibration(items: list[dict[str, Any]]) -> Callable[[], Iterator[dict[str, Any]]]:
    return lambda: iter(items)


def classifier(**names: str) -> Any:
    """Conv, depthwise, pooling, residual add, dense, softmax; batch norm with real statistics."""
    keras.utils.set_random_seed(1)
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = skip = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="block_1_dw")(x)
    x = layers.BatchNormalization(name="block_1_bn")(x)
    x = layers.ReLU(6.0, name="block_1_relu")(x)
    x = layers.Conv2D(8, 1, name="block_1_pw")(x)
    x = layers.Add(name="block_1_add")([x, skip])
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(5, activation="softmax", name="scores")(x)
    model = keras.Model(image, x, name="tiny")
    randomise_batch_norm(model)
    return model


def detector() -> Any:
    """Two heads from two merged scales: concat, both upsamplings, swish, transposed convolution."""
    keras.utils.set_random_seed(2)
    image = keras.Input(SHAPE, name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(image)
    low = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    near = layers.UpSampling2D(2, interpolation="nearest")(low)
    linear = layers.UpSampling2D(2, interpolation="bilinear")(low)
    back = layers.Conv2DTranspose(8, 3, strides=2, padding="same")(low)
    x = layers.Concatenate()([x, near, linear, back])
    scores = layers.Reshape((-1, 3))(layers.Conv2D(3, 1)(x))
    scores = layers.Activation("sigmoid", name="scores")(scores)
    boxes = layers.Reshape((-1, 4), name="boxes")(layers.Conv2D(4, 1)(x))
    return keras.Model(image, [scores, boxes], name="tiny_detector")


def head(*middle: Any) -> Any:
    """image → the given layers → flatten → dense."""
    keras.utils.set_random_seed(3)
    x = image = keras.Input(SHAPE, name="image")
    for layer in middle:
        x = layer(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(4, name="scores")(x))


def randomise_batch_norm(model: Any, seed: int = 4) -> None:
    """Batch norms that do something, as after training."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, size))
            layer.moving_variance.assign(rng.uniform(0.3, 1.0, size))
            layer.gamma.assign(rng.uniform(0.5, 1.5, size))

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from edgecnn.training.fused_norm import fused_batch_norm  # noqa: E402

pytestmark = pytest.mark.train


def net():
    keras.utils.set_random_seed(3)
    image = keras.Input((6, 5, 3))
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.BatchNormalization(momentum=0.8, epsilon=1e-3, name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model(image, keras.layers.Dense(2)(x))
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    return model


def data():
    rng = np.random.default_rng(1)
    return rng.normal(2, 3, (16, 6, 5, 3)).astype("f"), rng.normal(size=(16, 2)).astype("f")


def test_training_goes_as_with_keras_own_layer():
    plain, fused = net(), net()
    x, y = data()
    for _ in range(5):
        plain.train_on_batch(x, y)
    with fused_batch_norm(fused):
        for _ in range(5):
            fused.train_on_batch(x, y)
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_the_layer_is_left_as_it_was():
    model = net()
    x, _ = data()
    before = np.asarray(model(x))
    with fused_batch_norm(model):
        assert "call" in vars(model.get_layer("norm"))
        np.testing.assert_array_equal(before, np.asarray(model(x)))
    assert "call" not in vars(model.get_layer("norm"))


def test_frozen_layers_keep_their_figures():
    model = net()
    model.get_layer("norm").trainable = False
    model.compile(optimizer="sgd", loss="mse", jit_compile=False)
    moving = [np.array(w) for w in model.get_layer("norm").get_weights()]
    x, y = data()
    with fused_batch_norm(model):
        model.train_on_batch(x, y)
    for a, b in zip(moving, model.get_layer("norm").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

"""What a float model's first layers tell about its input."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.conventions import CONVENTIONS, NAMES
from quantization.input_evidence import InputScaling, admitted, keras_affine, norm_fit

MEAN, SPREAD = np.array([122.0, 118.0, 105.0]), np.array([63.0, 62.0, 66.0])
RNG = np.random.default_rng(8)


@pytest.mark.parametrize(
    ("scale", "offset", "names"),
    [
        ((1 / 255,), (0.0,), {"0..255"}),
        ((1 / 127.5,), (-1.0,), {"0..255"}),
        ((2.0,), (-1.0,), {"0..1"}),
        ((255.0,), (0.0,), {"0..1"}),
        ((1.0,) * 3, (-103.939, -116.779, -123.68), {"0..255"}),
        (tuple(1 / SPREAD), tuple(-MEAN / SPREAD), {"0..255"}),
        (tuple(255 / SPREAD), tuple(-MEAN / SPREAD), {"0..1"}),
        ((0.6,), (0.2,), {"0..1", "-1..1"}),
    ],
)
def test_which_values_a_scaling_makes_sense_of(scale, offset, names):
    affine = InputScaling(scale * (len(offset) // len(scale)), offset)
    assert set(admitted(affine, CONVENTIONS, MEAN, SPREAD)) == names


@pytest.mark.train
@pytest.mark.long
def test_scalings_in_a_keras_model_are_found_wherever_they_are():
    keras = pytest.importorskip("keras")
    layers = keras.layers

    def behind(*first):
        image = keras.Input((8, 8, 3))
        x = image
        for layer in first:
            x = layer(x)
        return keras.Model(image, layers.Conv2D(2, 3)(x))

    nested = keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 127.5, offset=-1)])
    for first, told in (
        ((layers.Rescaling(1 / 255),), "x · 0.003922"),
        ((layers.RandomFlip(), nested), "x · 0.007843 − 1"),
        ((layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3),), "x · 0.01667 − 2"),
        ((layers.ZeroPadding2D(1), lambda x: x / 127.5 - 1.0), "x · 0.007843 − 1"),
    ):
        assert str(keras_affine(behind(*first))) == told
    assert keras_affine(behind()) is None
    inner = behind(layers.Rescaling(1 / 255))
    outer = keras.Sequential([keras.Input((8, 8, 3)), inner, layers.GlobalAveragePooling2D()])
    assert str(keras_affine(outer)) == "x · 0.003922"


@pytest.mark.train
def test_a_batch_normalization_remembers_its_training_data():
    keras = pytest.importorskip("keras")
    pixels = RNG.normal(MEAN, SPREAD, (24, 8, 8, 3)).clip(0, 255)
    batches = {}
    for item in CONVENTIONS:
        scale, offset = item.in_order("rgb")
        batches[item.name] = (pixels * scale + offset).astype(np.float32)
    image = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(6, 3, use_bias=False)(image)
    norm = keras.layers.BatchNormalization()
    backbone = keras.Model(image, norm(hidden))
    outer = keras.Input((8, 8, 3))
    model = keras.Model(outer, keras.layers.GlobalAveragePooling2D()(backbone(outer)))
    assert norm_fit(model, batches) is None, "never trained"
    groups = {name: name for name in NAMES}
    before = keras.Model(image, hidden)
    for name, batch in batches.items():
        seen = np.asarray(keras.ops.convert_to_numpy(before(batch)))
        norm.moving_mean.assign(seen.mean(axis=(0, 1, 2)))
        norm.moving_variance.assign(seen.var(axis=(0, 1, 2)))
        fit = norm_fit(model, batches)
        assert fit is not None and fit.layer == norm.name
        assert fit.clear(groups) == name
    # Data like none of them decide nothing.
    norm.moving_variance.assign(np.full(6, 1e6))
    assert norm_fit(model, batches).clear(groups) is None

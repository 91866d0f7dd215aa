"""The detector's shapes, specs and the ops that it becomes."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import ModelError, UsageError
from edgecnn.models.detector import build
from edgecnn.models.detector_spec import detect_preprocess, detect_spec

pytestmark = pytest.mark.train
pytest.importorskip("keras")
DIGITS = tuple("0123456789")


def test_outputs_and_spec_fit_each_other() -> None:
    model = build((64, 96, 3), 10, width=0.5, depth=1)
    out = model.predict_on_batch(np.zeros((2, 64, 96, 3), np.float32))
    assert out["scores"].shape == (2, 8, 12, 10) and out["boxes"].shape == (2, 8, 12, 4)
    spec = detect_spec(model, DIGITS)
    assert (spec.levels[0].rows, spec.levels[0].cols, spec.levels[0].stride) == (8, 12, 8)
    assert spec.candidates == 96 and spec.labels == DIGITS
    assert model.input.name == "image"
    # Untrained, it says "background" nearly everywhere: no flood of boxes in the first steps.
    assert (1 / (1 + np.exp(-out["scores"]))).mean() < 0.1


def test_default_fits_a_microcontroller() -> None:
    model = build((96, 96, 1), 10)
    assert model.count_params() <= 200_000
    largest = max(int(np.prod(layer.output.shape[1:])) for layer in model.layers)
    assert largest <= 64 * 1024


def test_becomes_few_kinds_of_int8_ops() -> None:
    tf = pytest.importorskip("tensorflow")
    from edgecnn.core.tflite.reader import read_model

    model = build((32, 32, 1), 3, width=0.5, depth=1)
    rng = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [rng.uniform(-1, 1, (1, 32, 32, 1)).astype(np.float32)] for _ in range(4)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    parsed = read_model(converter.convert())
    kinds = {op.code for op in parsed.main.operators}
    assert kinds <= {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD"}


def test_wrong_options_and_models_are_refused() -> None:
    import keras

    for shape, options in (
        ((60, 64, 3), {}),
        ((64, 64, 3), {"depth": 0}),
        ((64, 64, 3), {"expand": 9}),
        ((64, 64, 3), {"width": 0.0}),
    ):
        with pytest.raises(UsageError):
            build(shape, 10, **options)
    with pytest.raises(ModelError, match="3 classes"):
        detect_spec(build((32, 32, 1), 3, depth=1), DIGITS)
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match="expected 'boxes' and 'scores'"):
        detect_spec(plain, DIGITS)


def test_preprocess_follows_the_channels() -> None:
    gray, colour = detect_preprocess((96, 96, 1)).image, detect_preprocess((64, 96, 3)).image
    assert (gray.colour, gray.fit, gray.channels) == ("gray", "letterbox", 1)
    assert (colour.colour, colour.height, colour.width) == ("rgb", 64, 96)

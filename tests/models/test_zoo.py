from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.errors import UnknownNameError, UsageError
from edgecnn.models.blocks import round_channels, strides_for
from edgecnn.models.describe import multiply_accumulates
from edgecnn.models.keras_setup import import_keras, seed_everything
from edgecnn.models.table import all_models, build_model, model_info, model_names
from tests.share import long_but_for

pytestmark = pytest.mark.train
CLASSIFIERS = model_names("classify")


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize("width", long_but_for([0.25, 1.0], 0.25))
def test_mobilenet_v1_has_the_reference_weights(width):
    ours = build_model("mobilenet_v1", input_shape=(128, 128, 3), classes=1000, width=width)
    theirs = import_keras().applications.MobileNet(
        input_shape=(128, 128, 3), alpha=width, weights=None, classes=1000
    )
    assert ours.count_params() == theirs.count_params()
    if width == 1.0:
        assert ours.count_params() == 4_253_864


@pytest.mark.parametrize("width", long_but_for([0.35, 1.0], 0.35))
def test_mobilenet_v2_has_the_reference_weights(width):
    ours = build_model("mobilenet_v2", input_shape=(96, 96, 3), classes=1000, width=width)
    theirs = import_keras().applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=width, weights=None, classes=1000
    )
    assert ours.count_params() == theirs.count_params()
    assert trainable(ours) == trainable(theirs)
    if width == 1.0:
        assert trainable(ours) == 3_504_872


def test_mobilenet_v2_computes_what_the_reference_does():
    # The reference pads by an op of its own and we by SAME: equal for even sizes.
    keras = import_keras()
    theirs = keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), alpha=0.35, weights=None, classes=7
    )
    ours = build_model("mobilenet_v2", input_shape=(64, 64, 3), classes=7, width=0.35, halvings=5)
    seed_everything(5)
    rng = np.random.default_rng(5)
    weights = [rng.uniform(0.1, 0.5, w.shape).astype("float32") for w in theirs.get_weights()]
    theirs.set_weights(weights)
    by_shape = [w.shape for w in ours.get_weights()]
    assert by_shape == [w.shape for w in weights]
    ours.set_weights(weights)
    x = rng.uniform(-1, 1, (2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(ours(x), theirs(x), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("width", long_but_for([0.75, 1.0], 0.75))
def test_mobilenet_v3_small_has_the_reference_weights(width):
    ours = build_model("mobilenet_v3_small", input_shape=(96, 96, 3), classes=1000, width=width)
    theirs = import_keras().applications.MobileNetV3Small(
        input_shape=(96, 96, 3), alpha=width, weights=None, classes=1000, minimalistic=False
    )
    # Theirs classifies by a 1×1 convolution, ours by a dense layer of the same size. Squeezed
    # channels: theirs are a quarter of the block's width rounded to 8, as ours.
    assert trainable(ours) == trainable(theirs)


def test_mobilenet_v3_small_converts_to_hard_swish_ops():
    from collections import Counter

    from edgecnn.core.tflite.reader import read_model
    from quantization.convert import to_float
    from quantization.freeze import load_and_freeze

    model = build_model("mobilenet_v3_small", input_shape=(32, 32, 3), classes=4, width=0.5)
    ops = Counter(op.code for op in read_model(to_float(load_and_freeze(model))).main.operators)
    assert ops["HARD_SWISH"] == 19
    assert ops["DEPTHWISE_CONV_2D"] == 11


def test_published_parameter_counts():
    # MLPerf Tiny's ResNet-8 and EfficientNet-Lite0 as published (trainable).
    assert build_model("resnet8", input_shape=(32, 32, 3), classes=10).count_params() == 78_666
    lite = build_model("efficientnet_lite0", input_shape=(224, 224, 3), classes=1000)
    assert trainable(lite) == 4_652_008


def test_published_multiplications():
    resnet = build_model("resnet8", input_shape=(32, 32, 3), classes=10)
    assert multiply_accumulates(resnet) == 12_501_632
    lite = build_model("mobilenet_v1", input_shape=(224, 224, 3), classes=1000)
    assert multiply_accumulates(lite) == 568_740_352  # "569 million" in the paper


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(
    ("shape", "classes", "options"),
    [
        ((33, 47, 1), 2, {"width": 0.3}),
        pytest.param((5, 70, 4), 3, {"width": 0.1, "halvings": 1}, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_odd_sizes_build_and_run(name, shape, classes, options):
    model = build_model(name, input_shape=shape, classes=classes, **options)
    assert [t.name for t in model.inputs] == ["image"] and model.output_names == ["scores"]
    scores = np.asarray(model(np.zeros((2, *shape), "float32")))
    assert scores.shape == (2, classes)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_batch_norm_follows_short_trainings():
    norms = [
        layer.momentum
        for layer in build_model("resnet8", input_shape=(16, 16, 1), classes=2).layers
        if type(layer).__name__ == "BatchNormalization"
    ]
    assert norms and set(norms) == {0.9}


@pytest.mark.parametrize(
    ("size", "count", "expected"),
    [(224, 5, "22222"), (96, 5, "22222"), (64, 5, "12222"), (32, 5, "11222"), (8, 5, "11112"),
     (3, 5, "11111"), (32, 2, "22"), (28, 5, "11222")],
)  # fmt: skip
def test_small_inputs_are_halved_less_often(size, count, expected):
    assert "".join(map(str, strides_for((size, size * 2, 3), count))) == expected


def test_channels_are_multiples_of_8_and_close():
    for channels in range(8, 2000, 7):
        got = round_channels(channels * 0.35)
        assert got % 8 == 0 and got >= 0.9 * channels * 0.35


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("resnet9", {}, UnknownNameError, "unknown model 'resnet9'"),
        ("resnet8", {"alpha": 1}, UsageError, "no option 'alpha'"),
        ("resnet8", {"width": 0}, UsageError, "width = 0"),
        ("resnet8", {"dropout": 1.0}, UsageError, "dropout = 1.0"),
        ("resnet8", {"halvings": 3}, UsageError, "halvings = 3, expected 0 to 2"),
        ("resnet8", {"classes": 1}, UsageError, "1 classes"),
        ("resnet8", {"input_shape": (0, 8, 1)}, UsageError, "input shape (0, 8, 1)"),
    ],
)
def test_wrong_options_are_said(name, options, error, message):
    arguments = {"input_shape": (16, 16, 1), "classes": 3, **options}
    with pytest.raises(error) as caught:
        build_model(name, **arguments)
    assert message in caught.value.message and caught.value.hint


def test_table_rows():
    assert len({row.name for row in all_models()}) == len(all_models())
    assert model_info("resnet8").input_shape == (32, 32, 3)
    assert set(model_names()) == set(model_names("classify")) | set(model_names("detect"))

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecnn.core.errors import UsageError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.models import mobilenet_v1, mobilenet_v2
from edgecnn.training.weights.graft import graft
from edgecnn.training.weights.keras_layers import model_layers
from edgecnn.training.weights.net import IMAGE, SourceLayer, SourceNet
from edgecnn.training.weights.source import read_source
from tests.run import shared
from tests.training.weights.twins import without_norms

pytestmark = pytest.mark.train


def as_source(model) -> SourceNet:
    """The model's own layers with their weights, as a source."""
    layers = tuple(
        SourceLayer(
            item.form,
            item.layer.kernel.numpy(),
            item.layer.bias.numpy() if item.layer.use_bias else np.zeros(1, np.float32),
        )
        for item in model_layers(model)
    )
    return SourceNet("source.tflite", "tflite", layers, (32, 32, 3), None)


def small(channels=3, classes=4, seed=0, stride=2):
    """Two blocks of MobileNet v2 without batch norms, with random biases."""
    keras.utils.set_random_seed(seed)
    layers, biases = keras.layers, keras.initializers.RandomNormal(seed=seed)
    image = keras.Input((16, 16, channels))
    x = layers.Conv2D(8, 3, stride, "same", bias_initializer=biases, name="stem")(image)
    x = layers.ReLU(6.0)(x)
    for k in range(2):
        y = layers.Conv2D(24, 1, activation="relu6", name=f"{k}_expand")(x)
        y = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name=f"{k}_dw")(y)
        x = layers.Add()([x, layers.Conv2D(8, 1, name=f"{k}_project")(y)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(classes, name="scores")(x), name="small")


@pytest.mark.parametrize(
    ("name", "build", "width", "size"),
    [
        pytest.param(
            "coral/tf2_mobilenet_v2_1.0_224_ptq",
            mobilenet_v2.build,
            1.0,
            224,
            marks=pytest.mark.long,
        ),
        ("coral/mobilenet_v2_1.0_224_quant", mobilenet_v2.build, 1.0, 224),
        ("mlperf_tiny/vww_96_int8", mobilenet_v1.build, 0.25, 96),
    ],
)
def test_a_twin_answers_as_litert_does(name, build, width, size):
    path = shared() / "models" / f"{name}.tflite"
    source = read_source(str(path))
    last = source.layers[-1]
    model = without_norms(build((size, size, 3), last.bias.size, width=width))
    grafted = graft(model, source)
    assert len(grafted.taken) >= 27
    assert set(grafted.left) <= {"scores"}
    scores = model.get_layer("scores")
    scores.set_weights([last.kernel.reshape(scores.kernel.shape), last.bias])
    predictor = LiteRTPredictor(path.read_bytes(), threads=1)
    (fed,), (out,) = predictor.inputs, predictor.outputs
    photos = ["cat_720p.jpg", "parrot.jpg", "grace_hopper.bmp"]
    images = [cv2.imread(str(shared() / "data" / "images" / photo)) for photo in photos]
    pixels = np.stack([cv2.resize(image, (size, size))[..., ::-1] for image in images])
    assert source.meaning is not None
    real = pixels * np.asarray(source.meaning.scale) + np.asarray(source.meaning.offset)
    ours = np.asarray(model(real.astype(np.float32), training=False))
    for mine, image in zip(ours, real, strict=True):
        codes = predictor.predict({fed.name: fed.quantize(image[None])})[out.name]
        theirs = out.dequantize(codes)[0]
        assert mine.argmax() == theirs.argmax()
        assert mine @ theirs / np.linalg.norm(mine) / np.linalg.norm(theirs) >= 0.98


def test_names_and_the_order_of_branches_do_not_matter():
    def branches(swapped: bool):
        image = keras.Input((8, 8, 3))
        stem = keras.layers.Conv2D(4, 3, padding="same", name="s2" if swapped else "s1")(image)
        made = [
            lambda: keras.layers.Conv2D(5, 1, name="wide2" if swapped else "wide1")(stem),
            lambda: keras.layers.DepthwiseConv2D(3, padding="same", name=f"dw{swapped}")(stem),
        ]
        parts = [make() for make in (reversed(made) if swapped else made)]
        parts = parts[::-1] if swapped else parts
        out = keras.layers.Conv2D(2, 1, name=f"out{swapped}")(keras.layers.Concatenate()(parts))
        return keras.Model(image, out)

    giving, taking = branches(False), branches(True)
    grafted = graft(taking, as_source(giving))
    assert len(grafted.taken) == 4
    assert not grafted.left
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype("float32")
    assert np.asarray(taking(x)) == pytest.approx(np.asarray(giving(x)), abs=1e-6)


def test_what_differs_stays_and_is_named():
    model = small(classes=7, seed=1)
    before = model.get_layer("scores").get_weights()
    grafted = graft(model, as_source(small(classes=4)))
    assert grafted.left == ("scores",)
    assert grafted.unused == ("scores",)
    assert all((a == b).all() for a, b in zip(before, model.get_layer("scores").get_weights(),
                                              strict=True))  # fmt: skip


def test_behind_the_first_difference_nothing_is_taken():
    giving = as_source(small())
    layers = list(giving.layers)
    odd = replace(layers[4].form, dilation=(2, 2))
    layers[4] = replace(layers[4], form=odd)
    grafted = graft(small(seed=1), replace(giving, layers=tuple(layers)))
    assert [layer.source for layer in grafted.taken] == [la.form.name for la in giving.layers[:4]]


@pytest.mark.parametrize(("mine", "theirs"), [(1, 3), (3, 1)])
def test_gray_and_colour_agree_on_pictures_without_colour(mine, theirs):
    taking, giving = small(mine, seed=1), small(theirs)
    grafted = graft(taking, as_source(giving))
    assert f"kernels for {theirs} channels became ones for {mine}" in grafted.notes[0]
    gray = np.random.default_rng(2).uniform(-1, 1, (2, 16, 16, 1)).astype("float32")
    x, y = (np.repeat(gray, count, axis=3) for count in (mine, theirs))
    assert np.asarray(taking(x)) == pytest.approx(np.asarray(giving(y)), abs=1e-4)


def test_other_activations_are_said():
    giving = as_source(small())
    layers = tuple(
        replace(la, form=replace(la.form, activation="relu"))
        if la.form.activation == "relu6"
        else la
        for la in giving.layers
    )
    notes = graft(small(), replace(giving, layers=layers)).notes
    assert notes == ("5 layers end in relu6 here, in relu in the source",)


def test_nothing_in_common_names_both_beginnings():
    with pytest.raises(
        UsageError, match=r"stem .conv 3×3, 3 → 8, stride 2., expected stem .*stride 1"
    ) as e:
        graft(small(stride=1), as_source(small()))
    assert "--input-size" in e.value.hint


def test_batch_norms_are_not_invented():
    model = mobilenet_v1.build((32, 32, 3), 4, width=0.25)
    before = model.get_weights()
    with pytest.raises(UsageError, match=r"has its batch norms folded .* has 27 of its own"):
        graft(model, as_source(mobilenet_v1.build((32, 32, 3), 4, width=0.25)))
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_the_model_is_read_with_its_structure():
    layers = model_layers(mobilenet_v1.build((32, 32, 3), 4, width=0.25))
    stem, first = layers[0], layers[1]
    assert (stem.form.reads, stem.form.activation, stem.norm.name) == ((IMAGE,), "relu6", "stem_bn")
    assert (first.form.kind, first.form.reads, first.form.padding) == ("depthwise", (0,), "same")

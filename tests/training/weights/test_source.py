from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("keras")
import h5py
import keras

from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.conventions import parse_convention
from edgecnn.core.errors import BundleError, EdgecnnError, ModelError, UsageError
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.models import blocks
from edgecnn.models.io import save_keras
from edgecnn.training.weights import imagenet
from edgecnn.training.weights.graft import graft
from edgecnn.training.weights.meaning import keras_meaning, natural_pictures
from edgecnn.training.weights.source import read_source
from tests.run import shared
from tests.training.weights.twins import without_norms

pytestmark = pytest.mark.train
SPEC = PreprocessSpec((ImageInput("image", 32, 32, "bgr", scale=(1 / 64,), offset=(-2.0,)),))


def trained(seed=0, classes=4):
    """A small zoo-like model whose batch norms are not those of an untrained one."""
    keras.utils.set_random_seed(seed)
    image = blocks.image_input((32, 32, 3))
    x = blocks.conv(image, 8, 3, name="stem", stride=2)
    x = blocks.inverted_residual(x, 8, expand=2, name="block1")
    model = blocks.finish(image, blocks.classifier(x, classes, dropout=0.1), "small")
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One model as every kind of file that weights can come from, and its features."""
    folder = tmp_path_factory.mktemp("sources")
    model = trained()
    save_keras(folder / "m.keras", model)
    model.save(folder / "m.h5")
    bundle = Bundle.create(folder / "bundle", Manifest("m", "classify", tuple("abcd"), 1))
    with bundle.edit() as edit:
        edit.add("model.keras", folder / "m.keras")
        edit.write_json("preprocess.json", SPEC.to_json())
    (folder / "no bundle").mkdir()
    return folder


def answers(model):
    x = np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    return np.asarray(model(x, training=False))


def renamed(model):
    def clone(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "name": f"my_{config['name']}"})

    def call(layer, inputs, **_):
        return layer(inputs)

    return keras.models.clone_model(model, clone_function=clone, call_function=call)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "bundle"])
def test_any_file_makes_a_twin_without_batch_norms(files, name):
    source = read_source(str(files / name))
    twin = without_norms(trained(seed=5))
    grafted = graft(twin, source)
    assert not grafted.left
    assert answers(twin) == pytest.approx(answers(trained()), abs=1e-4)


def test_batch_norms_come_along_where_both_have_them(files):
    source = read_source(str(files / "m.keras"))
    other = renamed(trained(seed=5))
    for layer in other.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 0.25
    grafted = graft(other, source)
    assert (grafted.way, grafted.left) == ("structure", ())
    assert sum(layer.parameters for layer in grafted.taken) == other.count_params()
    assert answers(other) == pytest.approx(answers(trained()), abs=1e-4)


def test_layers_of_the_same_names_and_shapes_are_copied_as_they_are(files):
    grafted = graft(model := trained(seed=5, classes=7), read_source(str(files / "m.keras")))
    assert (grafted.way, grafted.left, grafted.unused) == ("name", ("scores",), ("scores",))
    assert (
        model.get_layer("stem").kernel.numpy() == trained().get_layer("stem").kernel.numpy()
    ).all()


def test_a_nested_model_and_one_with_layers_of_two_in_one(tmp_path):
    inner = without_norms(trained())
    outer = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(2.0), inner])
    save_keras(tmp_path / "nested.keras", outer)
    twin = without_norms(trained(seed=5))
    source = read_source(str(tmp_path / "nested.keras"))
    assert not graft(twin, source).left
    assert answers(twin) == pytest.approx(answers(inner), abs=1e-4)
    separable = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(4, 3, padding="same")]
    )
    save_keras(tmp_path / "separable.keras", separable)
    kinds = [la.form.kind for la in read_source(str(tmp_path / "separable.keras")).layers]
    assert kinds == ["depthwise", "conv"]


def test_what_a_byte_means_comes_from_the_bundle_or_the_model_itself(files, tmp_path):
    told = read_source(str(files / "bundle")).meaning
    assert (told.scale, told.offset, told.colour) == ((1 / 64,), (-2.0,), "bgr")
    assert read_source(str(files / "m.keras")).meaning is None
    assert str(told) == "bytes 0..255 are -2..1.984, by the preprocess spec of '{}'".format(
        files / "bundle"
    )
    scaled = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 127.5, -1), trained()]
    )
    save_keras(tmp_path / "scaled.keras", scaled)
    meaning = read_source(str(tmp_path / "scaled.keras")).meaning
    assert (meaning.scale, meaning.offset) == (
        pytest.approx((1 / 127.5,) * 3, rel=1e-3), pytest.approx((-1.0,) * 3, abs=1e-3)
    )  # fmt: skip


def test_a_file_of_keras_2_gives_its_weights():
    source = read_source(str(shared() / "models" / "mlperf_tiny" / "vww_96.h5"))
    quantized = read_source(str(shared() / "models" / "mlperf_tiny" / "vww_96_int8.tflite"))
    assert len(source.layers) == len(quantized.layers) == 28
    for ours, theirs in zip(source.layers, quantized.layers, strict=True):
        assert (ours.form.kind, ours.form.shape) == (theirs.form.kind, theirs.form.shape)
        assert ours.form.activation == theirs.form.activation
        # int8 codes, each channel with a scale of its own
        most = np.abs(ours.kernel).max()
        assert np.abs(ours.kernel - theirs.kernel).max() <= most / 127
        assert ours.bias == pytest.approx(theirs.bias, abs=1e-2)
    # The quantized file's codes say what the other one's batch norm remembers.
    assert source.meaning.scale == pytest.approx(quantized.meaning.scale, rel=1e-3)
    assert source.meaning.offset == pytest.approx(quantized.meaning.offset, abs=1e-3)
    assert "saw in training (0..1)" in source.meaning.evidence


@pytest.mark.parametrize("known", ["0..1", "-1..1", "imagenet"])
def test_a_batch_norm_tells_the_range_of_photos_and_of_nothing_else(known):
    image = keras.Input((32, 32, 3))
    conv = keras.layers.Conv2D(8, 3, use_bias=False, name="conv")
    norm = keras.layers.BatchNormalization()
    model = keras.Model(image, norm(conv(image)))
    convention = parse_convention(known)

    def trained_on(pictures):
        values = np.asarray(conv((pictures * convention.scale + convention.offset).astype("f4")))
        spread = values.var((0, 1, 2))
        norm.set_weights([np.ones(8), np.zeros(8), values.mean((0, 1, 2)), spread])
        return keras_meaning(model, None, "test.keras")

    photos = natural_pictures(64, 64, 3)
    told = trained_on(photos * 0.97 + 5)
    assert told.scale == pytest.approx(convention.scale)
    assert told.offset == pytest.approx(convention.offset)
    # Bright and without contrast: in -1..1 that is much like photos in 0..1.
    flat = trained_on((photos - 110) * 0.36 + 182)
    assert flat is None


def test_a_bundles_model_alone_is_read_with_the_bundles_spec(files):
    assert read_source(str(files / "bundle" / "model.keras")).meaning.colour == "bgr"


def test_what_is_no_source_is_refused_in_one_line(files, tmp_path):
    with pytest.raises(UsageError, match="without a bundle"):
        read_source(str(files / "no bundle"))
    with pytest.raises(ModelError):
        read_source(str(tmp_path / "missing.tflite"))
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(ModelError):
        read_source(str(bad))
    shutil.copytree(files / "bundle", tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    manifest["files"]["model.keras"] = "0" * 64
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError):
        read_source(str(tmp_path / "bundle"))


def test_hostile_tflite_files_are_refused_or_read(tmp_path):
    good = bytearray((shared() / "models" / "mlperf_tiny" / "kws_ref_model.tflite").read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "mutant.tflite"
    for _ in range(60):
        data = good.copy()
        for at in rng.integers(0, len(data), 20):
            data[at] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            read_source(str(path))
        except EdgecnnError as error:
            assert error.hint


def test_imagenet_is_looked_for_in_keras_folder_and_compared(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def offline(*_, **__):
        raise Exception(f"URL fetch failure on {imagenet.URL}: None -- [Errno -3] no network")

    monkeypatch.setattr(keras.utils, "get_file", offline)
    with pytest.raises(
        ModelError, match=r"cannot be downloaded \(\[Errno -3\] no network\)"
    ) as missing:
        read_source("imagenet")
    assert str(tmp_path / "models" / imagenet.FILE) in missing.value.message
    assert imagenet.URL in missing.value.hint
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / imagenet.FILE).write_bytes(b"another file")
    with pytest.raises(ModelError, match="has the SHA-256"):
        read_source("imagenet")


def test_imagenet_file_of_the_right_hash_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / imagenet.FILE
    model = keras.applications.MobileNetV2(weights=None, input_shape=(224, 224, 3))
    model.save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(path, "w") as alone:
        weights = whole["model_weights"]
        alone.attrs.update(weights.attrs)
        for name in weights:
            weights.copy(name, alone)
    monkeypatch.setattr(imagenet, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    source = read_source("imagenet")
    assert (len(source.layers), source.meaning.scale) == (53, (1 / 127.5,))
    assert {layer.form.padding for layer in source.layers} == {"same"}

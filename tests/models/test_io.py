from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.errors import ModelError
from edgecnn.models.io import load_keras, save_keras
from edgecnn.models.keras_setup import import_keras
from edgecnn.models.table import build_model

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def model():
    return build_model("resnet8", input_shape=(8, 8, 1), classes=3, width=0.5)


def test_round_trip(tmp_path, model):
    path = tmp_path / "new" / "model.keras"
    save_keras(path, model)
    again = load_keras(path)
    x = np.ones((1, 8, 8, 1), "float32")
    np.testing.assert_array_equal(again(x), model(x))
    assert [p.name for p in path.parent.iterdir()] == ["model.keras"]


def test_a_lambda_is_refused_before_keras_sees_it(tmp_path):
    keras = import_keras()
    path = tmp_path / "m.keras"
    image = keras.Input((4,))
    keras.Model(image, keras.layers.Lambda(lambda x: x + 1, name="evil")(image)).save(path)
    with pytest.raises(ModelError, match="a Lambda layer 'evil'") as caught:
        load_keras(path)
    assert "\n" not in caught.value.message


def test_a_custom_layer_is_named(tmp_path):
    keras = import_keras()

    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    image = keras.Input((4,))
    path = tmp_path / "m.keras"
    keras.Model(image, Mine(name="special")(image)).save(path)
    with pytest.raises(ModelError, match="special"):
        load_keras(path)


def test_a_function_from_another_module_is_refused(tmp_path, model):
    path, evil = tmp_path / "m.keras", tmp_path / "evil.keras"
    save_keras(path, model)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(evil, "w") as bad:
        for item in good.namelist():
            data = good.read(item)
            if item == "config.json":
                config = json.loads(data)
                config["config"]["layers"][1]["config"]["activation"] = {
                    "module": "os", "class_name": "function", "config": "system",
                    "registered_name": "system",
                }  # fmt: skip
                data = json.dumps(config).encode()
            bad.writestr(item, data)
    with pytest.raises(ModelError, match="system of os"):
        load_keras(evil)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "no weights", "other zip"])
def test_damaged_files_are_one_line(tmp_path, model, damage):
    good, path = tmp_path / "good.keras", tmp_path / "m.keras"
    save_keras(good, model)
    raw = good.read_bytes()
    simple = {"garbage": b"garbage" * 50, "truncated": raw[: len(raw) // 2], "empty": b""}
    if damage in simple:
        path.write_bytes(simple[damage])
    else:
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as out:
            keep = ["config.json", "metadata.json"] if damage == "no weights" else []
            for item in keep:
                out.writestr(item, source.read(item))
            out.writestr("readme.txt", "x")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_keras(path)
    assert "\n" not in caught.value.message and len(caught.value.message) < 400


@pytest.mark.parametrize("name", ["model.onnx", "saved_model.pb", "folder"])
def test_other_formats_say_what_to_do(tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"x")
    with pytest.raises(ModelError, match="is not a .keras or .h5 file") as caught:
        load_keras(path)
    assert "model.save('model.keras')" in caught.value.hint


def test_a_zip_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("config.json", "{}")
        with out.open("model.weights.h5", "w") as stream:
            for _ in range(300):
                stream.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="would unpack to 300 MiB"):
        load_keras(tmp_path / "m.keras")


def test_h5_files_load_too(tmp_path, model):
    model.save(tmp_path / "m.h5")
    x = np.ones((1, 8, 8, 1), "float32")
    np.testing.assert_array_equal(load_keras(tmp_path / "m.h5")(x), model(x))


def test_unsafe_lets_code_in(tmp_path):
    keras = import_keras()
    image = keras.Input((4,))
    twice = keras.layers.Lambda(lambda x: x * 2, output_shape=(4,), name="evil")
    keras.Model(image, twice(image)).save(tmp_path / "m.keras")
    model = load_keras(tmp_path / "m.keras", unsafe=True)
    assert float(np.sum(model(np.ones((1, 4), "float32")))) == 8.0


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="is not there"):
        load_keras(tmp_path / "no.keras")

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.naming import rename_tensors, with_signature
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder


@pytest.fixture
def data():
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    z = build.tensor((1, 4), "float32")
    build.op("RELU", [x], [y])
    build.op("NEG", [y], [z])
    return build.build([x], [z, y])


def test_signature_names_the_predictor(data):
    named = with_signature(data, "serve", ["image"], ["my scores", "äöü"])
    model = read_model(named)
    assert model.main == read_model(data).main
    assert [(s.key, s.inputs, s.outputs) for s in model.signatures] == [
        ("serve", (("image", 0),), (("my scores", 2), ("äöü", 1)))
    ]
    values = np.array([[-1, 2, -3, 4]], np.float32)
    out = LiteRTPredictor(named).predict({"image": values})
    np.testing.assert_array_equal(out["my scores"], -np.maximum(values, 0))
    assert list(out) == ["my scores", "äöü"]


def test_litert_itself_sees_the_signature(data):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    named = with_signature(data, "serve", ["image"], ["a", "b"])
    runner = litert.Interpreter(model_content=named).get_signature_runner("serve")
    out = runner(image=np.array([[-1, 2, -3, 4]], np.float32))
    np.testing.assert_array_equal(out["b"], [[0, 2, 0, 4]])


def test_a_second_signature_replaces_the_first_and_metadata_stays(data):
    named = embed(with_signature(data, "a", ["x"], ["y", "z"]), {"note": b"kept"})
    again = read_model(with_signature(named, "b", ["p"], ["q", "r"]))
    assert [s.key for s in again.signatures] == ["b"]
    assert again.metadata["note"] == b"kept"


@pytest.mark.parametrize(
    ("inputs", "outputs"), [([], ["a", "b"]), (["x"], ["a"]), (["x"], ["a", "a"])]
)
def test_wrong_names(data, inputs, outputs):
    with pytest.raises(ModelError, match="names expected"):
        with_signature(data, "serve", inputs, outputs)


def test_rename(data):
    old = read_model(data).main.tensors[1].name
    renamed = rename_tensors(data, {1: "r"[: len(old)]})
    assert len(renamed) == len(data)
    assert read_model(renamed).main.tensors[1].name == "r"
    assert read_model(renamed).main.tensors[2].name == read_model(data).main.tensors[2].name
    assert rename_tensors(data, {1: old + " longer"}) == data
    with pytest.raises(ModelError, match="the model has 3"):
        rename_tensors(data, {7: "x"})


def test_damaged():
    with pytest.raises(ModelError):
        with_signature(b"no model", "serve", [], [])

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError, QuantizationError

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.keras_predictor import KerasPredictor  # noqa: E402


@pytest.mark.parametrize("build", [nets.classifier, nets.detector])
def test_equals_keras(build):
    model = build()
    predictor = KerasPredictor(model)
    batch = nets.samples(3)
    want = model(np.concatenate([s["image"] for s in batch]), training=False)
    want = [np.array(w) for w in (want if isinstance(want, list) else [want])]
    for k, sample in enumerate(batch):
        got = predictor.predict(sample)
        assert list(got) == [info.name for info in predictor.outputs]
        for (name, value), whole in zip(got.items(), want, strict=True):
            assert value.dtype == np.float32, name
            np.testing.assert_allclose(value, whole[k : k + 1], atol=1e-5)


def test_names_and_shapes():
    predictor = KerasPredictor(nets.detector())
    assert [(i.name, i.shape, i.dtype) for i in predictor.inputs] == [
        ("image", (1, 16, 16, 3), "float32")
    ]
    assert [(o.name, o.shape) for o in predictor.outputs] == [
        ("scores", (1, 64, 3)),
        ("boxes", (1, 64, 4)),
    ]


def test_sequential_and_several_inputs():
    keras, layers = nets.keras, nets.layers
    sequential = keras.Sequential([keras.Input((4,), name="values"), layers.Dense(2, name="out")])
    got = KerasPredictor(sequential).predict({"values": np.ones((1, 4), np.float32)})
    assert list(got) == ["out"]
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    for structure in ([b, a], {"b": b, "a": a}):
        both = keras.Model(structure, layers.Concatenate(name="both")([a, b]))
        one, two = np.ones((1, 4), np.float32), np.zeros((1, 2), np.float32)
        got = KerasPredictor(both).predict({"a": one, "b": two})
        np.testing.assert_array_equal(got["both"], [[1, 1, 1, 1, 0, 0]])


def test_errors():
    predictor = KerasPredictor(nets.classifier())
    with pytest.raises(DataError, match="got nothing"):
        predictor.predict({})
    with pytest.raises(DataError, match="expected float32"):
        predictor.predict({"image": np.zeros((2, 16, 16, 3), np.float32)})

    class Own(nets.keras.Model):
        def call(self, x):
            return x

    with pytest.raises(QuantizationError, match="no declared inputs"):
        KerasPredictor(Own())

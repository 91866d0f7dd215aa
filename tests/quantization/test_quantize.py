from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from edgecnn.core.errors import MissingExtraError, QuantizationError
from edgecnn.core.files import dump_json, sha256_bytes
from edgecnn.core.metric import Metric, wilson_interval
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model

pytestmark = pytest.mark.train
nets = pytest.importorskip("tests.quantization.nets")

from quantization.keras_predictor import KerasPredictor  # noqa: E402
from quantization.quantize import QuantizeRequest, quantize  # noqa: E402
from quantization.recipe import get_recipe  # noqa: E402

SPEC = {"edgecnn.preprocess.json": b'{"schema": "x"}'}


@pytest.fixture(scope="module")
def model():
    return nets.classifier()


@pytest.fixture(scope="module")
def metric(model):
    """Agreement with the Keras model on 40 samples."""
    reference = KerasPredictor(model)
    data = nets.samples(40, seed=11)
    labels = [int(np.argmax(reference.predict(s)["scores"])) for s in data]

    def measure(predictor):
        info = predictor.inputs[0]
        hits = []
        for sample, label in zip(data, labels, strict=True):
            out = predictor.predict({"image": info.quantize(sample["image"])})["scores"]
            hits.append(float(np.argmax(out) == label))
        low, high = wilson_interval(sum(hits), len(hits))
        return Metric("accuracy", sum(hits) / len(hits), len(hits), low, high, np.array(hits))

    return measure


def request(model, **changes):
    recipe = replace(get_recipe("int8"), samples=16)
    base = QuantizeRequest(model, nets.calibration(nets.samples(16)), recipe, metadata=SPEC)
    return replace(base, **changes)


def test_everything_is_in_the_result(model, metric):
    golden = nets.samples(2, seed=12)
    result = quantize(request(model, golden_inputs=golden, metric=metric, max_drop=100.0))
    assert result.passed
    assert result.metrics["float"].value == 1.0
    assert result.metrics["float_tflite"].value == 1.0
    assert result.drop_points == pytest.approx(100 * (1 - result.metrics["quantized"].value))
    low, high = result.drop_interval
    assert low <= result.drop_points <= high
    assert result.golden.samples == result.golden_float32.samples == 2
    assert result.golden.inputs["image"].dtype == np.int8
    assert result.golden_float32.inputs["image"].dtype == np.float32
    assert result.layers
    assert result.warnings == ()
    for data in (result.model, result.float32):
        assert (
            read_model(data).metadata["edgecnn.preprocess.json"] == SPEC["edgecnn.preprocess.json"]
        )
    text = dump_json(result.metrics_json())
    assert '"sqnr_db"' in text
    predictor = LiteRTPredictor(result.model, resolver="reference")
    out = predictor.predict({"image": result.golden.inputs["image"][:1]})
    np.testing.assert_array_equal(out["scores"], result.golden.outputs["scores"][:1])


def test_missed_gate_is_no_error(model):
    values = iter([1.0, 1.0, 0.9])
    result = quantize(
        request(model, metric=lambda p: Metric("map50", next(values), 50, 0.8, 1.0), max_drop=5.0)
    )
    assert not result.passed
    assert result.drop_points == pytest.approx(10)
    assert not result.drop.paired


def test_same_sha256_twice_and_from_a_file_in_another_process(model, tmp_path):
    first, second = quantize(request(model)), quantize(request(model))
    digests = [sha256_bytes(r.model) + sha256_bytes(r.float32) for r in (first, second)]
    assert digests[0] == digests[1]
    assert first.golden.to_bytes() == second.golden.to_bytes()
    path = tmp_path / "model.keras"
    model.save(path)
    script = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.quantization import nets\n"
        "from tests.quantization.test_quantize import request\n"
        "from quantization.quantize import quantize\n"
        "from edgecnn.core.files import sha256_bytes\n"
        "r = quantize(request(Path(sys.argv[1])))\n"
        "print(sha256_bytes(r.model) + sha256_bytes(r.float32))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=200
    )
    assert done.stdout.strip() == digests[0], done.stderr


def test_float32_recipe(model, metric):
    result = quantize(request(model, recipe=get_recipe("float32"), metric=metric, max_drop=0.0))
    assert result.model == result.float32
    assert result.layers == ()
    assert result.metrics["quantized"] is result.metrics["float_tflite"]
    assert result.passed


def test_float_island_stops_it():
    bad = nets.head(nets.layers.Conv2D(2, 3), nets.keras.ops.sin)
    with pytest.raises(QuantizationError, match="as the recipe int8 promises") as caught:
        quantize(request(bad))
    assert "SIN 'Sin'" in caught.value.details[0]
    assert "--allow-float" in caught.value.hint


def test_a_float_island_may_be_allowed_and_is_named():
    net = nets.head(nets.layers.Conv2D(2, 3), nets.keras.ops.sin)
    result = quantize(
        request(net, recipe=replace(get_recipe("int8"), samples=16, allow_float=True))
    )
    (suspect,) = [item for item in result.suspects if item.kind == "float-island"]
    assert suspect.layer == "Sin"


@pytest.mark.parametrize(
    ("name", "dtype"), [("int8-per-tensor", "int8"), ("int16x8", "int16"), ("dynamic", "float32"),
                        ("float16", "float32"), ("mixed", "int8")]
)  # fmt: skip
def test_every_recipe_gives_a_file_that_agrees_with_the_float_model(model, metric, name, dtype):
    recipe = get_recipe(name)
    recipe = replace(recipe, samples=16) if recipe.quantized else recipe
    result = quantize(request(model, recipe=recipe, metric=metric, max_drop=20.0))
    assert (
        read_model(result.model).main.tensors[read_model(result.model).main.inputs[0]].dtype.value
        == dtype
    )
    assert result.passed
    assert result.recipe == recipe


def test_auto_gives_the_recipe_that_makes_the_same_bytes(model, metric):
    asked = request(model, metric=metric, max_drop=-0.5, auto=True)
    found = quantize(asked)
    assert {step.name for step in found.steps} >= {"equalize", "correct-bias", "round", "mixed"}
    again = quantize(replace(asked, auto=False, recipe=found.recipe))
    assert again.model == found.model


def test_data_that_do_not_fit_are_a_warning(model):
    bytes_ = [{"image": 127.5 * (s["image"] + 1)} for s in nets.samples(16)]
    spec = PreprocessSpec((ImageInput("image", 16, 16, scale=(1 / 127.5,), offset=(-1.0,)),))
    result = quantize(request(model, calibration=nets.calibration(bytes_), preprocess=spec))
    assert any("255" in line for line in result.warnings), result.warnings


def test_too_few_samples_warn(model):
    result = quantize(request(model, recipe=get_recipe("int8")))
    assert "only 16 calibration samples, the recipe asks for 200" in result.warnings[0]
    assert result.golden.samples == 4


def test_missing_tensorflow_is_one_clear_error(monkeypatch):
    from quantization import tensorflow_import

    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(tensorflow_import, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="quantizing a Keras model needs 'tensorflow'") as e:
        tensorflow_import.import_tensorflow()
    assert "edgecnn[train]" in e.value.hint


def test_other_backend_is_explained(monkeypatch):
    monkeypatch.setattr(nets.keras.backend, "backend", lambda: "jax")
    with pytest.raises(QuantizationError, match="'jax' backend") as caught:
        quantize(request(object()))
    assert "KERAS_BACKEND=tensorflow" in caught.value.hint


def test_room_imports_without_tensorflow():
    script = (
        "import sys\n"
        "for name in ('tensorflow', 'keras'): sys.modules[name] = None\n"
        "import quantization.quantize, quantization.recipe, quantization.audit\n"
        "assert 'cv2' not in sys.modules and 'click' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

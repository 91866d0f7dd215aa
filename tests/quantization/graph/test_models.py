"""Whole models: the zoo, and float files that nobody here made."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from quantization.graph.rules import rule
from quantization.load import load_float
from quantization.recipe import recipe_names
from tests.quantization.graph.helpers import codes, quantized, uniform
from tests.run import shared

# Signal to noise at the outputs, dB; random weights are harder than trained ones.
LEAST = {
    "int8": 12, "int8-per-tensor": 10, "int16x8": 20, "mixed": 12, "dynamic": 15, "float16": 45,
    "float32": 100,
}  # fmt: skip


def signal_to_noise(float_model: bytes, done: bytes, samples: list) -> float:
    one = LiteRTPredictor(float_model, resolver="builtin")
    other = LiteRTPredictor(done, resolver="builtin")
    noise = signal = 0.0
    for sample in samples:
        wanted = one.predict(sample)
        got = other.predict({i.name: i.quantize(sample[i.name]) for i in other.inputs})
        for info in other.outputs:
            real = info.dequantize(got[info.name]).astype(np.float64)
            assert np.isfinite(real).all()
            noise += float(((wanted[info.name] - real) ** 2).sum())
            signal += float(((wanted[info.name] - wanted[info.name].mean()) ** 2).sum())
    return float(10 * np.log10(signal / max(noise, 1e-30)))


def check(data: bytes, samples: list) -> None:
    kept = {op.code for op in read_model(data).main.operators}
    assert all(rule(code) for code in kept - {"SHAPE"}), kept
    for name in recipe_names():
        done, model = quantized(data, samples, name)
        if name not in ("float16", "dynamic", "float32"):
            assert not {"QUANTIZE", "DEQUANTIZE"} & set(codes(model))
        assert signal_to_noise(data, done, samples[:2]) > LEAST[name], name


@pytest.mark.parametrize("name", ["vww_96_float.tflite", "kws_ref_model_float32.tflite"])
def test_files_of_others(name):
    path = shared() / "models" / "mlperf_tiny" / name
    if not path.exists():
        pytest.skip(f"no {name}")
    data = load_float(path).data
    low, high = (0.0, 1.0) if "vww" in name else (-50.0, 50.0)
    check(data, uniform(data, 4, low, high))


def check_zoo(name: str) -> None:
    nets = pytest.importorskip("tests.quantization.nets")
    from edgecnn.models import table
    from quantization.convert import to_float
    from quantization.freeze import freeze_keras

    info = next(item for item in table.all_models() if item.name == name)
    shape = (64, 64, info.channels)
    options = {"width": 0.25} if name.startswith("mobilenet") else {}
    model = table.build_model(name, input_shape=shape, classes=4, **options)
    nets.randomise_batch_norm(model)
    data = to_float(freeze_keras(model))
    check(data, uniform(data, 6, -1.0, 1.0))


@pytest.mark.train
@pytest.mark.parametrize("name", ["resnet8"])
def test_zoo(name):
    check_zoo(name)


@pytest.mark.train
@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_lite0", "detector"]
)
def test_zoo_more(name):
    check_zoo(name)

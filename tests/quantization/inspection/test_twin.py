"""Files with equalized channels are held against a float model scaled alike."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from quantization.inspection.inspect import inspect
from quantization.inspection.twin import rescaled_twin
from quantization.quantize import quantize
from quantization.recipe import get_recipe
from quantization.types import QuantizeRequest
from tests.quantization.inspection.models import float_net, quantized, samples, scaled


def uneven() -> bytes:
    """Channels of very different range in every block."""
    net = float_net()
    for layer in ("stem", "block_1_dw", "block_1_pw", "block_3_dw"):
        for channel in range(16):
            net = scaled(net, layer, 64.0 ** (channel / 15) / 8.0, channel)
    return net


@pytest.mark.parametrize("recipe", ["int8", "int8-per-tensor"])
def test_equalized_layers_are_not_blamed(recipe: str, tmp_path) -> None:
    net = uneven()
    path = tmp_path / "net.tflite"
    path.write_bytes(net)
    made = quantize(QuantizeRequest(path, lambda: iter(samples()), get_recipe(recipe)))
    found = inspect(made.model, net, samples(seed=9))
    assert found.rescaled > 0
    assert [(item.layer, item.kind) for item in found.suspects] == []
    errors = [layer.total.sqnr_db for layer in found.measured.layers if layer.total]
    assert min(errors) > 20


def test_the_twin_computes_what_the_float_model_does(tmp_path) -> None:
    from edgecnn.core.runtime import LiteRTPredictor

    net = uneven()
    path = tmp_path / "net.tflite"
    path.write_bytes(net)
    made = quantize(QuantizeRequest(path, lambda: iter(samples()), get_recipe("int8-per-tensor")))
    twin = rescaled_twin(read_model(net), read_model(made.model))
    for sample in samples(4, seed=3):
        first, second = (LiteRTPredictor(data).predict(sample) for data in (net, twin.data))
        np.testing.assert_allclose(first["scores"], second["scores"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("recipe", ["int8", "int8-per-tensor", "int16x8"])
def test_a_file_that_was_not_scaled_has_no_twin(recipe: str) -> None:
    for net in (float_net(), scaled(float_net(), "block_2_pw", 100.0, 7)):
        model = quantized(net, samples(), recipe)
        assert rescaled_twin(read_model(net), read_model(model)) is None

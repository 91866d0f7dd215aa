"""Two models side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgecnn.core.errors import ModelError
from quantization.inspection.compare import compare
from tests.builders import tiny_classifier
from tests.quantization.inspection.models import float_net, quantized, samples, scaled

litert = pytest.importorskip("ai_edge_litert.interpreter")


def outputs(data: bytes, given: list) -> np.ndarray:
    """Real-valued outputs on LiteRT, without our runtime."""
    runner = litert.Interpreter(
        model_content=data,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner.allocate_tensors()
    before, after = runner.get_input_details()[0], runner.get_output_details()[0]
    found = []
    for sample in given:
        value = sample["image"]
        if before["quantization"][0]:
            scale, zero = before["quantization"]
            value = np.clip(np.rint(value.astype(np.float64) / scale) + zero, -128, 127)
        runner.set_tensor(before["index"], value.astype(before["dtype"]))
        runner.invoke()
        raw = runner.get_tensor(after["index"]).astype(np.float64)
        scale, zero = after["quantization"]
        found.append((raw - zero) * scale if scale else raw)
    return np.stack(found)


def test_outputs_equal_an_independent_computation() -> None:
    net, given = float_net(), samples(6)
    model = quantized(net, given)
    found = compare(net, model, given)
    want, got = outputs(net, given), outputs(model, given)
    away = np.abs(want - got)
    only = found.outputs[0]
    assert (found.samples, found.random) == (6, False)
    assert only.max_abs == pytest.approx(away.max())
    assert only.mean_abs == pytest.approx(away.mean())
    assert only.max_lsb == pytest.approx(away.max() * 256)
    assert only.sqnr_db == pytest.approx(10 * np.log10((want**2).sum() / (away**2).sum()))
    same = (want.reshape(6, -1).argmax(1) == got.reshape(6, -1).argmax(1)).mean()
    assert only.top1 == same


def test_a_model_equals_itself() -> None:
    net = float_net()
    found = compare(net, net)
    assert found.identical and not found.ops and not found.tensors and not found.constants
    assert found.random and found.samples == 8
    assert found.outputs[0].max_abs == 0 and found.outputs[0].top1 == 1
    assert all(layer.sqnr_db == 120 for layer in found.layers)
    assert json.dumps(found.to_json())


def test_what_differs_is_listed() -> None:
    net, given = float_net(), samples()
    one, other = quantized(net, given), quantized(net, given, io="float32")
    found = compare(one, other, given)
    assert [(item.only_a, item.only_b) for item in found.ops] == [
        ((), ("QUANTIZE",)),
        ((), ("DEQUANTIZE",)),
    ]
    assert found.outputs[0].max_lsb == 0
    assert len(found.layers) >= 10
    changed = compare(net, scaled(net, "stem", 2.0))
    assert changed.constants == 2 and not changed.tensors and not changed.ops
    rescaled = compare(one, quantized(net, samples(low=-1)))
    names = {item.name for item in rescaled.tensors}
    assert "image" in names
    line = next(item for item in rescaled.tensors if item.name == "image")
    assert line.a.startswith("int8 scale 0.0039") and line.b.startswith("int8 scale 0.0078")


def test_other_inputs_give_a_clear_line() -> None:
    found = compare(float_net(), tiny_classifier())
    assert found.outputs == () and found.samples == 0
    assert len(found.notes) == 1
    assert "different inputs: image [1, 12, 12, 3]" in found.notes[0]
    assert found.ops


def test_random_inputs_are_the_same_each_time() -> None:
    net = float_net()
    model = quantized(net, samples())
    assert compare(net, model) == compare(net, model)
    # They span what the inputs' codes reach.
    assert compare(model, net).outputs[0].sqnr_db > 20


def test_a_damaged_file_is_refused() -> None:
    net = float_net()
    with pytest.raises(ModelError):
        compare(net, net[: len(net) // 2])

"""The layer table, from files that nobody here made and from small ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.core.tflite.reader import read_model
from quantization.inspection.pairing import match_layers
from quantization.inspection.table import layer_table
from tests.builders import ModelBuilder
from tests.quantization.inspection.models import float_net, quantized, samples
from tests.run import shared


def model(path: str):
    return read_model(Path(shared() / "models" / path).read_bytes())


@pytest.mark.parametrize(
    ("path", "macs", "ops"),
    [
        # Published: 300 M for MobileNetV2 1.0 224, 7.5 M for the person detector, 2.66 M DS-CNN.
        ("coral/mobilenet_v2_1.0_224_quant.tflite", 300_775_552, 66),
        ("mlperf_tiny/vww_96_int8.tflite", 7_489_664, 31),
        ("mlperf_tiny/vww_96_float.tflite", 7_489_664, 31),
        ("mlperf_tiny/kws_ref_model.tflite", 2_656_768, 13),
    ],
)
def test_macs_of_published_models(path: str, macs: int, ops: int) -> None:
    totals = layer_table(model(path)).totals()
    assert (totals["macs"], totals["ops"], totals["float_islands"]) == (macs, ops, 0)


def test_precisions_and_granularity() -> None:
    uint8 = layer_table(model("coral/mobilenet_v2_1.0_224_quant.tflite"))
    assert uint8.precisions == {"uint8": 66}
    assert {row.granularity for row in uint8.rows if row.weight_dtype} == {"per-tensor"}
    assert any(row.weight_zero_point != (0, 0) for row in uint8.rows if row.weight_dtype)
    hybrid = layer_table(model("mlperf_tiny/kws_ref_model_float32.tflite"))
    assert not hybrid.quantized and not hybrid.islands
    assert hybrid.precisions["hybrid"] == 5
    float32 = layer_table(model("mlperf_tiny/vww_96_float.tflite"))
    assert float32.precisions == {"float32": 31}
    first = layer_table(model("mlperf_tiny/vww_96_int8.tflite")).rows[0]
    assert (first.op, first.shape, first.granularity) == ("CONV_2D", (1, 48, 48, 8), "per-channel")
    assert first.weight_bytes == 8 * 27 + 8 * 4
    assert first.weight_scale is not None and first.weight_scale[0] < first.weight_scale[1]


@pytest.mark.parametrize(("recipe", "kind"), [("int8", "int8"), ("int16x8", "int16")])
def test_our_recipes(recipe: str, kind: str) -> None:
    table = layer_table(read_model(quantized(float_net(), samples(), recipe)))
    assert set(table.precisions) == {kind}
    assert not table.islands


def test_an_island_is_flagged_and_crossings_are_not() -> None:
    data = quantized(float_net(middle="SIN"), samples(), allow_float=True)
    table = layer_table(read_model(data))
    assert [row.op for row in table.islands] == ["SIN"]
    assert {"QUANTIZE", "DEQUANTIZE"} <= {row.op for row in table.rows}


def test_shared_constants_count_once() -> None:
    build = ModelBuilder()
    x = build.tensor((1, 4), "float32")
    w = build.tensor((4, 4), "float32", data=0.5)
    y, z = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.op("FULLY_CONNECTED", [x, w, -1], [y])
    build.op("FULLY_CONNECTED", [y, w, -1], [z])
    table = layer_table(read_model(build.build([x], [z])))
    assert [row.weight_bytes for row in table.rows] == [64, 0]
    assert [row.macs for row in table.rows] == [16, 16]


def test_tensors_of_odd_rank_do_not_break_the_table() -> None:
    build = ModelBuilder()
    x = build.tensor((), "float32")
    w = build.tensor((3,), "float32", data=1.0)
    y = build.tensor((), "float32")
    for code in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"):
        y = build.tensor((), "float32")
        build.op(code, [x, w], [y])
    table = layer_table(read_model(build.build([x], [y])))
    assert len(table.rows) == 4


def test_layers_of_foreign_files_are_paired() -> None:
    pairs = match_layers(
        model("mlperf_tiny/vww_96_float.tflite"), model("mlperf_tiny/vww_96_int8.tflite")
    )
    assert [pair.op.index for pair in pairs] == list(range(31))
    # The output has another name in each file: it is found by kind and shape.
    assert (pairs[-1].name, pairs[-1].reference.name) == ("Identity_int8", "Identity")


@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
def test_layers_are_paired_with_float_inputs_and_outputs(recipe: str) -> None:
    net = float_net()
    data = quantized(net, samples(), recipe, io="float32")
    plain = match_layers(read_model(net), read_model(data))
    assert len(plain) == len(read_model(net).main.operators)
    every = match_layers(read_model(net), read_model(data), floats=True, crossings=True)
    codes = [pair.op.code for pair in every]
    assert codes[0] == "QUANTIZE" and codes[-1] == "DEQUANTIZE"
    assert (every[0].reference.name, every[-1].reference.name) == ("image", "scores")

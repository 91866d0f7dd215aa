"""Planted faults are named with layer and cause; what is sound is left alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.core.tflite.model import TfModel
from quantization.audit import cure_for
from quantization.inspection.inspect import inspect
from quantization.inspection.suspects import suspects
from quantization.recipe import LayerOverride
from quantization.types import Suspect
from quantization.work import Range
from tests.builders import ModelBuilder
from tests.quantization.inspection.models import (
    float_net,
    output_of,
    quantized,
    samples,
    scaled,
)
from tests.run import shared

RECIPES = ("int8", "int8-per-tensor", "int16x8")


def told(float_model: bytes | None, model: bytes, given: list) -> list[Suspect]:
    found = suspects(float_model, model, given)
    assert [item.rank for item in found] == list(range(1, len(found) + 1))
    for item in found:
        assert item.cause and item.cure and item.layer and item.op
        assert "\n" not in item.cause + item.cure
        assert all(isinstance(value, float) for value in item.evidence.values())
    return list(found)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
def test_sound_nets_raise_nothing(activation: str, recipe: str) -> None:
    net = float_net(activation)
    assert told(net, quantized(net, samples(), recipe), samples(seed=9)) == []


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(("layer", "channel"), [("block_2_pw", 7), ("stem", 0), ("block_3_dw", 11)])
def test_an_outlier_channel_is_named(layer: str, channel: int, recipe: str) -> None:
    net = scaled(float_net(), layer, 100.0, channel)
    found = told(net, quantized(net, samples(), recipe), samples())
    assert (found[0].layer, found[0].kind) == (layer, "outlier-channel")
    assert found[0].evidence["channel"] == channel
    assert f"outlier channel {channel}: " in found[0].cause
    # What follows from it is not blamed on the layers behind.
    assert [item.layer for item in found if item.kind == "outlier-channel"] == [layer]


def test_an_outlier_channel_of_a_dense_layer_is_seen_in_its_weights() -> None:
    net = scaled(float_net(), "dense", 100.0, 3)
    found = told(net, quantized(net, samples()), samples())
    assert [(item.layer, item.kind) for item in found] == [("dense", "outlier-channel")]
    assert found[0].evidence["channel"] == 3


def test_an_outlier_that_int16_absorbs_is_called_harmless() -> None:
    net = scaled(float_net(), "block_2_pw", 100.0, 7)
    found = told(net, quantized(net, samples(), "int16x8"), samples())
    assert "harmless with a scale per channel" in found[0].cause


def test_wide_channels_under_one_scale() -> None:
    net = float_net("RELU6")
    # Ranges from 1 to 256, no gap: per channel it is nothing, per tensor it ruins the layer.
    for channel in range(16):
        net = scaled(net, "block_1_dw", 256.0 ** (channel / 15) / 256.0, channel)
    assert told(net, quantized(net, samples()), samples()) == []
    found = told(net, quantized(net, samples(), "int8-per-tensor"), samples())
    assert (found[0].layer, found[0].kind) == ("block_1_dw", "narrow-channels")
    assert "per channel" in found[0].cure


@pytest.mark.parametrize("layer", ["block_2_dw", "stem", "add"])
def test_a_clipped_activation_is_named(layer: str) -> None:
    def clip(model: TfModel, ranges: dict[int, Range]) -> None:
        index = output_of(model, layer)
        ranges[index] = Range(ranges[index].low / 6, ranges[index].high / 6)

    net = float_net()
    found = told(net, quantized(net, samples(), change=clip), samples())
    assert (found[0].layer, found[0].kind) == (layer, "saturated")
    assert found[0].evidence["clipped"] > 0.01
    assert [item.layer for item in found] == [layer]


def test_a_range_that_is_far_too_wide_is_named() -> None:
    def widen(model: TfModel, ranges: dict[int, Range]) -> None:
        index = output_of(model, "block_2_pw")
        ranges[index] = Range(ranges[index].low * 60, ranges[index].high * 60)

    net = float_net()
    found = told(net, quantized(net, samples(), change=widen), samples())
    assert found[0].layer == "block_2_pw"
    assert found[0].kind in ("few-levels", "heavy-tail")


def test_a_layer_without_signal_is_named() -> None:
    net = scaled(float_net(), "block_3_pw", 1e-9)
    found = told(net, quantized(net, samples()), samples())
    assert ("block_3_pw", "dead") in [(item.layer, item.kind) for item in found]


@pytest.mark.parametrize(("given", "name"), [((0, 255), "0..255"), ((-1, 1), "-1..1")])
def test_data_of_another_range_are_named(given: tuple[float, float], name: str) -> None:
    net = float_net()
    found = told(net, quantized(net, samples()), samples(low=given[0], high=given[1]))
    assert (found[0].layer, found[0].op, found[0].kind) == ("image", "input", "input-range")
    assert f"these are {name} data for a 0..1 model" in found[0].cure
    # Layers are not blamed for what the data did.
    assert len(found) == 1


@pytest.mark.parametrize(("wrong", "name"), [((0, 255), "0..255"), ((-1, 1), "-1..1")])
def test_a_model_calibrated_on_another_range_is_named(
    wrong: tuple[float, float], name: str
) -> None:
    net = float_net()
    model = quantized(net, samples(low=wrong[0], high=wrong[1]))
    found = told(net, model, samples())
    assert (found[0].layer, found[0].kind) == ("image", "input-range")
    assert f"0..1 data for a {name} model" in found[0].cure


def test_data_a_little_beyond_the_range_are_clipped() -> None:
    net = float_net()
    found = told(net, quantized(net, samples()), samples(low=-0.15, high=1.1))
    assert (found[0].layer, found[0].kind) == ("image", "clipped-input")


def test_dark_pictures_are_no_fault() -> None:
    net = float_net()
    assert told(net, quantized(net, samples()), samples(low=0.05, high=0.45)) == []


def test_a_layer_that_stays_float_is_named() -> None:
    net = float_net(middle="SIN")
    model = quantized(net, samples(), allow_float=True)
    found = told(net, model, samples())
    assert [(item.layer, item.op, item.kind) for item in found] == [
        ("middle", "SIN", "float-island")
    ]
    assert "no integer kernel" in found[0].cause
    assert found[0].cure == cure_for("SIN")
    # The file alone shows it too.
    assert [item.kind for item in told(None, model, [])] == ["float-island"]


def test_a_layer_that_was_kept_float_is_named() -> None:
    net = float_net()
    keep = (LayerOverride("block_2_*", "float32"),)
    found = told(net, quantized(net, samples(), overrides=keep, allow_float=True), samples())
    assert [(item.layer, item.kind) for item in found] == [("block_2_dw", "float-island")]
    assert found[0].evidence["ops"] == 2
    assert "although it has an integer kernel" in found[0].cause


def test_a_float_model_has_no_islands() -> None:
    assert told(None, float_net(middle="SIN"), []) == []
    dynamic = quantized(float_net(), samples(), "dynamic")
    assert told(None, dynamic, []) == []


def test_two_faults_are_both_named() -> None:
    def clip(model: TfModel, ranges: dict[int, Range]) -> None:
        index = output_of(model, "block_1_dw")
        ranges[index] = Range(ranges[index].low / 8, ranges[index].high / 8)

    net = scaled(float_net(), "block_3_pw", 100.0, 4)
    found = told(net, quantized(net, samples(), change=clip), samples())
    assert {(item.layer, item.kind) for item in found} >= {
        ("block_1_dw", "saturated"),
        ("block_3_pw", "outlier-channel"),
    }


def colour_net() -> bytes:
    """Two classes by the first colour alone, red if images are RGB."""
    build = ModelBuilder()
    image = build.tensor((1, 12, 12, 3), "float32", name="image")
    axes = build.tensor((2,), "int32", data=[1, 2])
    mean = build.tensor((1, 3), "float32", name="mean")
    build.op("MEAN", [image, axes], [mean])
    weights = build.tensor((2, 3), "float32", data=[[20, 0, 0], [-20, 0, 0]], name="w")
    bias = build.tensor((2,), "float32", data=[-10, 10], name="b")
    logits = build.tensor((1, 2), "float32", name="logits")
    build.op("FULLY_CONNECTED", [mean, weights, bias], [logits])
    scores = build.tensor((1, 2), "float32", name="scores")
    build.op("SOFTMAX", [logits], [scores])
    return build.build([image], [scores])


def test_swapped_channels_are_named() -> None:
    net, rng = colour_net(), np.random.default_rng(0)
    given = []
    for k in range(32):
        image = rng.uniform(0.4, 0.6, (1, 12, 12, 3))
        image[..., 0] = np.clip(image[..., 0] + (0.4 if k % 2 else -0.4), 0, 1)
        given.append({"image": image.astype(np.float32)})
    swapped = [{"image": np.ascontiguousarray(item["image"][..., ::-1])} for item in given]
    assert told(net, quantized(net, given), given) == []
    found = told(net, quantized(net, swapped), swapped)
    assert (found[0].layer, found[0].op, found[0].kind) == ("image", "input", "swapped-channels")
    assert "red and blue exchanged" in found[0].cause
    # The float file alone shows it too, before anything is quantized.
    assert [item.kind for item in told(None, net, swapped)] == ["swapped-channels"]


def photos(size: int, scale: float, offset: float, name: str) -> list[dict]:
    found = []
    for path in sorted((shared() / "data/images").iterdir()):
        image = cv2.imread(str(path))
        if image is not None:
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)[..., ::-1]
            found.append({name: (image.astype(np.float32) * scale + offset)[None]})
    return found


def read(path: str) -> bytes:
    return Path(shared() / "models" / path).read_bytes()


def test_foreign_nets_that_work_raise_nothing() -> None:
    vww = read("mlperf_tiny/vww_96_float.tflite"), read("mlperf_tiny/vww_96_int8.tflite")
    given = photos(96, 1 / 255, 0.0, "input_1")
    assert told(*vww, given) == []
    # Our own int8 of the same float model.
    assert told(vww[0], quantized(vww[0], given), given) == []
    for name in ("mobilenet_v2_1.0_224_quant.tflite", "tf2_mobilenet_v2_1.0_224_ptq.tflite"):
        assert told(None, read(f"coral/{name}"), photos(224, 1 / 127.5, -1.0, "input")[:2]) == []


def test_files_trained_for_quantization_are_not_blamed_for_their_weights() -> None:
    for path in sorted((shared() / "models/edgetpu_pairs").rglob("*.tflite")):
        found = told(None, path.read_bytes(), [])
        # Posenet's decoder is a custom op in float.
        assert {item.kind for item in found} <= (
            {"float-island"} if "posenet" in path.name else set()
        )


def test_an_outlier_is_seen_in_the_file_alone() -> None:
    net = scaled(float_net(), "block_2_pw", 100.0, 7)
    for data in (net, quantized(net, samples()), quantized(net, samples(), "int8-per-tensor")):
        found = told(None, data, [])
        assert [(item.layer, item.kind) for item in found] == [("block_2_pw", "outlier-channel")]
        assert found[0].evidence["channel"] == 7


def test_a_foreign_net_with_the_wrong_data_is_told_so() -> None:
    vww = read("mlperf_tiny/vww_96_float.tflite"), read("mlperf_tiny/vww_96_int8.tflite")
    found = told(*vww, photos(96, 1.0, 0.0, "input_1"))
    assert [(item.op, item.kind) for item in found] == [("input", "input-range")]
    keyword = (
        read("mlperf_tiny/kws_ref_model_float32.tflite"),
        read("mlperf_tiny/kws_ref_model.tflite"),
    )
    rng = np.random.default_rng(0)
    given = [{"input_1": rng.uniform(-1, 1, (1, 49, 10, 1)).astype(np.float32)} for _ in range(8)]
    assert [(item.op, item.kind) for item in told(*keyword, given)] == [("input", "input-range")]


def test_the_same_samples_give_the_same_inspection() -> None:
    net = scaled(float_net(), "stem", 100.0, 2)
    model = quantized(net, samples())
    first, again = (inspect(model, net, samples()) for _ in range(2))
    assert first.suspects == again.suspects
    assert first.measured == again.measured

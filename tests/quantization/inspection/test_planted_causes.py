"""Faults planted into values and weights of a sound net are named for what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.inspection.suspects import suspects
from quantization.work import Range
from tests.quantization.inspection.models import (
    float_net,
    output_of,
    quantized,
    samples,
    scaled,
)


def reaching(layer: str, factor: float) -> Callable[[TfModel, dict[int, Range]], None]:
    """As if one sample of many had reached ``factor`` times as far at a layer's output."""

    def change(model: TfModel, ranges: dict[int, Range]) -> None:
        index = output_of(model, layer)
        ranges[index] = Range(ranges[index].low, ranges[index].high * factor)

    return change


def changed(net: bytes, function: Any) -> bytes:
    """The net with its constants replaced by ``function(tensor name, data)``."""
    model = read_model(net)
    tensors = tuple(
        tensor
        if tensor.data is None
        else replace(tensor, data=function(tensor.name, tensor.data).astype(tensor.data.dtype))
        for tensor in model.main.tensors
    )
    return write_model(replace(model, subgraphs=(replace(model.main, tensors=tensors),)))


def test_rare_large_values_are_a_heavy_tail() -> None:
    net = float_net()
    given = samples()
    found = suspects(net, quantized(net, given, change=reaching("block_2_dw", 40.0)), given)
    tail = next(item for item in found if item.kind == "heavy-tail")
    assert tail.layer == "block_2_dw"
    assert "99.9 %" in tail.cause
    assert "--calibrator percentile" in tail.cure


def test_swish_with_few_codes_for_its_negative_part_is_named() -> None:
    net = scaled(float_net("NONE", "HARD_SWISH"), "block_1_pw", 4.0)
    given = samples()
    found = suspects(net, quantized(net, given, change=reaching("middle", 30.0)), given)
    swish = next(item for item in found if item.cause.startswith("swish: "))
    assert (swish.layer, swish.kind) == ("middle", "heavy-tail")
    assert swish.evidence["codes"] < 4


def test_a_shifted_bias_is_named() -> None:
    net = float_net()

    def shift(name: str, data: Any) -> Any:
        return data + np.abs(data).max() * 2 if name.startswith("block_2_pw/b") else data

    broken = changed(quantized(net, samples()), shift)
    found = suspects(net, broken, samples())
    assert (found[0].layer, found[0].kind) == ("block_2_pw", "biased")
    assert "--step correct-bias" in found[0].cure


def test_weights_of_few_levels_are_noise_without_a_name() -> None:
    net = float_net()

    def coarse(name: str, data: Any) -> Any:
        if name != "block_3_pw/w":
            return data
        rng = np.random.default_rng(3)
        return np.clip(data.astype(int) + rng.integers(-60, 61, data.shape), -127, 127)

    broken = changed(quantized(net, samples()), coarse)
    found = suspects(net, broken, samples())
    assert (found[0].layer, found[0].kind) == ("block_3_pw", "noisy")
    assert "--step round" in found[0].cure

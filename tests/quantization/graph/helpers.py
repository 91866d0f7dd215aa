"""Calibrating and running the small models of these tests, without the room's calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.core.runtime import LiteRTPredictor, Resolver
from edgecnn.core.tflite.model import TfModel, TfTensor
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.graph.emit import emit
from quantization.graph.taps import calibrated_tensors, with_outputs
from quantization.recipe import Recipe, get_recipe
from quantization.work import Plan, Range
from tests.builders import ModelBuilder

Sample = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


def ranges(model: TfModel, samples: Sequence[Sample]) -> dict[int, Range]:
    """Smallest and largest value of each tensor that emit asks for."""
    wanted = calibrated_tensors(model)
    if not wanted:
        return {}
    runner = LiteRTPredictor(write_model(with_outputs(model, wanted)), resolver="builtin")
    found: dict[int, Range] = {}
    for sample in samples:
        for index, value in zip(wanted, runner.predict(sample).values(), strict=True):
            old = found.get(index, Range(np.inf, -np.inf))
            found[index] = Range(
                min(old.low, float(value.min())), max(old.high, float(value.max()))
            )
    return found


def quantized(
    data: bytes, samples: Sequence[Sample], recipe: Recipe | str, **plan: Any
) -> tuple[bytes, TfModel]:
    """The quantized file, and what the reader makes of it."""
    model = read_model(data)
    recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
    done = write_model(emit(model, Plan(recipe, ranges(model, samples), **plan)))
    return done, read_model(done)


def worst(
    float_model: bytes, done: bytes, samples: Sequence[Sample], resolver: Resolver = "builtin"
) -> float:
    """Largest difference of an output, in steps of its scale (float outputs: of their peak)."""
    one = LiteRTPredictor(float_model, resolver="builtin")
    other = LiteRTPredictor(done, resolver=resolver)
    largest = 0.0
    for sample in samples:
        wanted = one.predict(sample)
        got = other.predict({i.name: i.quantize(sample[i.name]) for i in other.inputs})
        for info in other.outputs:
            real = wanted[info.name]
            if info.dtype in ("bool", "int32", "int64"):
                difference = float((real != got[info.name]).mean())
            else:
                step = info.scale or float(np.abs(real).max()) or 1.0
                difference = float(np.abs(info.dequantize(got[info.name]) - real).max()) / step
            largest = max(largest, difference)
    return largest


def codes(model: TfModel) -> list[str]:
    return [op.code for op in model.main.operators]


def tensor(model: TfModel, name: str) -> TfTensor:
    (found,) = (item for item in model.main.tensors if item.name == name)
    return found


def recipe(name: str = "int8", **changes: Any) -> Recipe:
    return replace(get_recipe(name), **changes)


def uniform(
    data: bytes, count: int = 6, low: float = -2.0, high: float = 3.0, seed: int = 0
) -> list[dict[str, Any]]:
    """Random real inputs for a float model."""
    rng = np.random.default_rng(seed)
    infos = LiteRTPredictor(data, resolver="builtin").inputs
    return [
        {info.name: rng.uniform(low, high, info.shape).astype(np.float32) for info in infos}
        for _ in range(count)
    ]


class Net:
    """Layers with the names that reports print; weights drawn from a fixed seed."""

    def __init__(self, *, signature: bool = True) -> None:
        self.rng = np.random.default_rng(5)
        self.build = ModelBuilder()
        self.signature = signature
        self.image = self.build.tensor((1, 8, 8, 4), "float32", name="image")

    def conv(
        self, x: int, name: str, channels: int = 4, activation: str = "NONE", **options
    ) -> int:
        weights = self.rng.normal(0, 0.12, (channels, 3, 3, 4))
        w = self.build.tensor(weights.shape, "float32", data=weights, name=f"{name}/w")
        bias = self.rng.normal(0, 0.2, channels)
        b = self.build.tensor((channels,), "float32", data=bias, name=f"{name}/b")
        y = self.build.tensor((1, 8, 8, channels), "float32", name=name)
        self.build.op(
            "CONV_2D", [x, w, b], [y], padding="SAME", fused_activation_function=activation
        )
        return y

    def op(self, code: str, inputs: list[int], name: str, shape=(1, 8, 8, 4), **options) -> int:
        y = self.build.tensor(shape, "float32", name=name)
        self.build.op(code, inputs, [y], **options)
        return y

    def finish(self, *outputs: int) -> bytes:
        if self.signature:
            names = {f"out{k}": index for k, index in enumerate(outputs)}
            self.build.signature("serve", {"picture": self.image}, names)
        return self.build.build([self.image], list(outputs))


def chain_model() -> bytes:
    """stem, two reshapes, middle, last, scores."""
    net = Net()
    x = net.conv(net.image, "stem", activation="RELU6")
    x = net.op("RESHAPE", [x], "flat", (1, 256), new_shape=[1, 256])
    x = net.op("RESHAPE", [x], "back", new_shape=[1, 8, 8, 4])
    x = net.conv(x, "middle", activation="RELU")
    x = net.conv(x, "last")
    return net.finish(net.op("LOGISTIC", [x], "scores"))

"""Small float nets built without TensorFlow, and what plants faults into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from edgecnn.core.progress import SilentProgress
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization.calibration.run import calibrate
from quantization.graph.emit import emit
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe
from quantization.work import Plan, Range
from tests.builders import ModelBuilder

SIDE, CHANNELS = 12, 16
INPUT = "image"


def samples(count: int = 8, low: float = 0.0, high: float = 1.0, seed: int = 1) -> list[Any]:
    """Smooth pictures: real values between ``low`` and ``high``, ends included."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rough = rng.uniform(0, 1, (1, 4, 4, 3))
        image = np.repeat(np.repeat(rough, 3, axis=1), 3, axis=2)
        image = (image - image.min()) / (image.max() - image.min())
        found.append({INPUT: (low + (high - low) * image).astype(np.float32)})
    return found


def float_net(activation: str = "RELU", middle: str | None = None, seed: int = 2) -> bytes:
    """stem → (depthwise → pointwise) × 3 with a residual add → mean → dense → softmax.

    ``middle``: code of an op put behind the first block, such as ``ELU``.
    """
    rng = np.random.default_rng(seed)
    build = ModelBuilder()
    x = image = build.tensor((1, SIDE, SIDE, 3), "float32", name=INPUT)
    x = _conv(build, rng, x, 3, CHANNELS, "stem", activation, size=3)
    for block in (1, 2, 3):
        skip = x
        x = _depthwise(build, rng, x, f"block_{block}_dw", activation)
        x = _conv(build, rng, x, CHANNELS, CHANNELS, f"block_{block}_pw", activation)
        if block == 1 and middle is not None:
            y = build.tensor((1, SIDE, SIDE, CHANNELS), "float32", name="middle")
            build.op(middle, [x], [y])
            x = y
        if block == 2:
            y = build.tensor((1, SIDE, SIDE, CHANNELS), "float32", name="add")
            build.op("ADD", [x, skip], [y])
            x = y
    axes = build.tensor((2,), "int32", data=[1, 2], name="axes")
    mean = build.tensor((1, CHANNELS), "float32", name="mean")
    build.op("MEAN", [x, axes], [mean])
    weights = build.tensor((5, CHANNELS), "float32", data=rng.normal(0, 0.5, (5, CHANNELS)),
                           name="dense/w")  # fmt: skip
    bias = build.tensor((5,), "float32", data=rng.normal(0, 0.1, 5), name="dense/b")
    logits = build.tensor((1, 5), "float32", name="dense")
    build.op("FULLY_CONNECTED", [mean, weights, bias], [logits])
    scores = build.tensor((1, 5), "float32", name="scores")
    build.op("SOFTMAX", [logits], [scores])
    return build.build([image], [scores])


def _conv(
    build: ModelBuilder, rng: Any, x: int, cin: int, cout: int, name: str, act: str, size: int = 1
) -> int:
    spread = np.sqrt(2 / (cin * size * size))
    w = build.tensor((cout, size, size, cin), "float32", name=f"{name}/w",
                     data=rng.normal(0, spread, (cout, size, size, cin)))  # fmt: skip
    b = build.tensor((cout,), "float32", data=rng.normal(0, 0.1, cout), name=f"{name}/b")
    y = build.tensor((1, SIDE, SIDE, cout), "float32", name=name)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME", fused_activation_function=act)
    return y


def _depthwise(build: ModelBuilder, rng: Any, x: int, name: str, act: str) -> int:
    w = build.tensor((1, 3, 3, CHANNELS), "float32", name=f"{name}/w",
                     data=rng.normal(0.1, 0.4, (1, 3, 3, CHANNELS)))  # fmt: skip
    b = build.tensor((CHANNELS,), "float32", data=rng.normal(0, 0.1, CHANNELS), name=f"{name}/b")
    y = build.tensor((1, SIDE, SIDE, CHANNELS), "float32", name=name)
    build.op("DEPTHWISE_CONV_2D", [x, w, b], [y], padding="SAME", fused_activation_function=act)
    return y


def quantized(
    data: bytes,
    given: list[Any],
    recipe: str = "int8",
    change: Callable[[TfModel, dict[int, Range]], None] | None = None,
    **fields: Any,
) -> bytes:
    """The quantized file; ``change`` may falsify the calibrated ranges."""
    model = read_model(data)
    chosen = replace(get_recipe(recipe), **fields)
    ranges = dict(calibrate(model, given, chosen, SerialExecutor(), SilentProgress()))
    if change is not None:
        change(model, ranges)
    return write_model(emit(model, Plan(chosen, ranges)))


def scaled(data: bytes, layer: str, factor: Any, channel: int | None = None) -> bytes:
    """The same net with filter and bias of a layer (or one output channel) multiplied."""
    model = read_model(data)
    graph = model.main
    tensors = list(graph.tensors)
    for index, tensor in enumerate(tensors):
        if tensor.name not in (f"{layer}/w", f"{layer}/b") or tensor.data is None:
            continue
        values = tensor.data.copy()
        axis = -1 if tensor.data.ndim == 1 or tensor.shape[0] == 1 else 0
        view = np.moveaxis(values, axis, 0)
        view[slice(None) if channel is None else channel] *= factor
        tensors[index] = replace(tensor, data=values)
    main = replace(graph, tensors=tuple(tensors))
    return write_model(replace(model, subgraphs=(main, *model.subgraphs[1:])))


def output_of(model: TfModel, layer: str) -> int:
    """Tensor index of a layer's output."""
    return next(tensor.index for tensor in model.main.tensors if tensor.name == layer)

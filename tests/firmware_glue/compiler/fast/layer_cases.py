"""Random int8 layers for all sets of kernels: many in one model, so that one build tests them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.builders import ModelBuilder

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
Rng = np.random.Generator


@dataclass
class Layers:
    """Layers of one model, each with an input and an output of its own."""

    rng: Rng
    build: ModelBuilder = field(default_factory=ModelBuilder)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def pick(self, *values: object) -> object:
        return values[int(self.rng.integers(len(values)))]

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def zero(self) -> int:
        return int(self.pick(-128, -128, 0, 127, self.number(-128, 127)))

    def data(self, shape: Sequence[int]) -> tuple[int, float]:
        """An input and its scale."""
        scale = float(np.float32(self.rng.uniform(0.005, 0.1)))
        tensor = self.build.tensor(shape, "int8", scale, self.zero())
        self.inputs.append(tensor)
        return tensor, scale

    def weights(self, shape: Sequence[int], axis: int, in_scale: float) -> tuple[int, int, float]:
        """Filters, bias and the product of scales of a typical channel."""
        rng, count = self.rng, shape[axis]
        scales = rng.uniform(0.002, 0.02, 1 if rng.random() < 0.3 else count)
        kind = rng.random()
        values = rng.integers(-127, 128, shape)
        if kind < 0.1:
            values = np.full(shape, -128)
        elif kind < 0.2:
            values = values * (rng.random(shape) < 0.1)
        if rng.random() < 0.3:
            # A channel that gives the same for every input.
            np.moveaxis(values, axis, 0)[rng.integers(count)] = 0
        reach = int(self.pick(300, 20_000, 20_000, 3_000_000))
        bias = rng.integers(-reach, reach + 1, count)
        single = scales.tolist() if scales.size > 1 else float(scales[0])
        filters = self.build.tensor(shape, "int8", single, data=values, axis=axis)
        products = (np.asarray(single) * in_scale).tolist()
        bias_id = self.build.tensor((count,), "int32", products, data=bias)
        return filters, bias_id, float(np.median(scales)) * in_scale

    def output(self, shape: Sequence[int], product: float, depth: int) -> int:
        """An output whose scale fits sums of ``depth`` products."""
        scale = product * 74 * 74 * np.sqrt(max(depth, 1)) / 60 * 2.0 ** self.rng.uniform(-1.5, 1.5)
        tensor = self.build.tensor(shape, "int8", float(np.float32(scale)), self.zero())
        self.outputs.append(tensor)
        return tensor

    def model(self) -> bytes:
        return self.build.build(self.inputs, self.outputs)


def fitted(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Output positions along an axis."""
    span = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == "SAME" else (size - span) // stride + 1


def convolution(layers: Layers, *, batches: int = 1) -> None:
    """A random one: pointwise ones, first layers, ugly shapes."""
    pick, number = layers.pick, layers.number
    pointwise = layers.rng.random() < 0.3
    kernel = (1, 1) if pointwise else (number(1, 5), number(1, 4))
    stride = (1, 1) if pointwise else (number(1, 3), number(1, 3))
    dilation = (number(1, 2), number(1, 3)) if stride == (1, 1) and not pointwise else (1, 1)
    padding = str(pick("SAME", "VALID"))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(number(1, 9), span if padding == "VALID" else 1) for span in spans]
    in_c = int(pick(1, 3, number(1, 40), 8, 16))
    out_c = int(pick(8, 4, number(1, 20)))
    out = [
        fitted(n, k, s, d, padding)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    x, scale = layers.data((batches, *size, in_c))
    filters, bias, product = layers.weights((out_c, *kernel, in_c), 0, scale)
    y = layers.output((batches, *out, out_c), product, in_c * kernel[0] * kernel[1])
    layers.build.op(
        "CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        fused_activation_function=pick(*ACTIVATIONS),
    )  # fmt: skip


def dense(layers: Layers) -> None:
    """A random fully connected layer."""
    rows, depth, units = layers.number(1, 3), layers.number(1, 150), layers.number(1, 17)
    x, scale = layers.data((rows, depth))
    filters, bias, product = layers.weights((units, depth), 0, scale)
    y = layers.output((rows, units), product, depth)
    activation = layers.pick(*ACTIVATIONS)
    layers.build.op(
        "FULLY_CONNECTED", [x, filters, bias], [y], fused_activation_function=activation
    )


def depthwise(
    layers: Layers, size: tuple[int, int], channels: int, kernel: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1), dilation: tuple[int, int] = (1, 1), *,
    padding: str = "SAME", multiplier: int = 1, batches: int = 1, activation: object = "RELU",
) -> None:  # fmt: skip
    """Adds a layer with an input and an output of its own."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = (max(size[0], spans[0]), max(size[1], spans[1])) if padding == "VALID" else size
    out = [
        fitted(n, k, s, d, padding)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    x, scale = layers.data((batches, *size, channels))
    count = channels * multiplier
    filters, bias, product = layers.weights((1, *kernel, count), 3, scale)
    y = layers.output((batches, *out, count), product, kernel[0] * kernel[1])
    layers.build.op(
        "DEPTHWISE_CONV_2D", [x, filters, bias], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        depth_multiplier=multiplier, fused_activation_function=activation,
    )  # fmt: skip


def any_depthwise(layers: Layers) -> None:
    """A random one: half of them 3×3 of stride 1 or 2."""
    pick, number = layers.pick, layers.number
    usual = layers.rng.random() < 0.5
    kernel = (3, 3) if usual else (number(1, 5), number(1, 5))
    same = int(pick(1, 1, 2))
    stride = (same, same) if usual or layers.rng.random() < 0.5 else (number(1, 3), number(1, 3))
    dilated = stride == (1, 1) and not usual and layers.rng.random() < 0.4
    dilation = (number(1, 3), number(1, 3)) if dilated else (1, 1)
    depthwise(
        layers, (number(1, 19), number(1, 19)), int(pick(4, 8, 16, number(4, 21))), kernel, stride,
        dilation, padding=str(pick("SAME", "VALID")), multiplier=int(pick(1, 1, 1, 2, 3)),
        batches=int(pick(1, 1, 1, 2)), activation=pick(*ACTIVATIONS),
    )  # fmt: skip


def ugly_depthwise(layers: Layers) -> None:
    """Sizes at the ends of what the kernels over planes do."""
    for size in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (5, 25), (25, 5), (19, 20)):
        for stride in ((1, 1), (2, 2)):
            for padding in ("SAME", "VALID"):
                depthwise(layers, size, 5, stride=stride, padding=padding)
    depthwise(layers, (9, 9), 300, activation="NONE")
    depthwise(layers, (20, 18), 1, (10, 8), (2, 2), multiplier=8)
    depthwise(layers, (7, 66), 64, stride=(2, 2))
    depthwise(layers, (7, 66), 64, activation="NONE")


def lively_weights(
    layers: Layers, shape: tuple[int, ...], axis: int, in_scale: float
) -> tuple[int, int, float]:
    """Weights without constant channels."""
    scales = layers.rng.uniform(0.004, 0.008, shape[axis])
    values = layers.rng.integers(-127, 128, shape)
    filters = layers.build.tensor(shape, "int8", scales.tolist(), data=values, axis=axis)
    bias = layers.build.tensor(
        (shape[axis],), "int32", (scales * in_scale).tolist(), data=np.zeros(shape[axis])
    )
    return filters, bias, float(np.median(scales)) * in_scale


def model_of(make: Callable[[Layers], None], seed: object, count: int = 1) -> bytes:
    """A model of random layers."""
    layers = Layers(np.random.default_rng(seed))
    for _ in range(count):
        make(layers)
    return layers.model()


def products(seed: int, count: int) -> bytes:
    """A model of random matrix products: convolutions, some of two images, and dense layers."""
    layers = Layers(np.random.default_rng(seed))
    for number in range(count):
        convolution(layers, batches=1 + (number % 5 == 0))
        if number % 4 == 0:
            dense(layers)
    return layers.model()


def pointwise(pixels: int, depth: int, units: int) -> bytes:
    """A usual layer, without constant channels."""
    build, rng = ModelBuilder(), np.random.default_rng(0)
    x = build.tensor((1, pixels, 4, depth), "int8", 0.02, -128)
    w = build.tensor(
        (units, 1, 1, depth), "int8", rng.uniform(0.002, 0.006, units).tolist(), axis=0,
        data=rng.integers(-127, 128, (units, 1, 1, depth)),
    )  # fmt: skip
    b = build.tensor((units,), "int32", 0.0001, data=rng.integers(-9000, 9000, units))
    y = build.tensor((1, pixels, 4, units), "int8", 0.05, -128)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME", fused_activation_function="RELU")
    return build.build([x], [y])

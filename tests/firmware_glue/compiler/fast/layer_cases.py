"""Random int8 layers for all sets of kernels: many in one model, so that one build tests them."""

from __future__ import annotations

from collections.abc import Sequence
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

"""Random nets of ops that work row by row, and random groupings of a program's ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from firmware_glue.compiler.fast.choose import Lower
from firmware_glue.compiler.ir import VIEW
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Region
from firmware_glue.compiler.planner.regions import plan_memory
from firmware_glue.compiler.stream.build import Group, Net, net_of, programs
from firmware_glue.compiler.stream.options import Kernels
from firmware_glue.compiler.stream.stages import find_stages
from tests.builders import ModelBuilder, conv_weights
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Rng, pick

_SCALE, _ZERO = 0.05, {"int8": -3, "uint8": 120, "int16": 0, "float32": 0}


class _Net:
    """A model of one image that grows by one op after the other."""

    def __init__(self, rng: Rng, dtype: str) -> None:
        self.rng, self.dtype, self.build = rng, dtype, ModelBuilder()
        height, width, channels = (int(v) for v in rng.integers((6, 1, 1), (24, 9, 7)))
        self.input = self.act((1, height, width, channels))
        self.made = [self.input]

    def act(self, shape: Sequence[int]) -> int:
        if self.dtype == "float32":
            return self.build.tensor(shape, "float32")
        return self.build.tensor(shape, self.dtype, _SCALE, _ZERO[self.dtype])

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.build.tensors[tensor].shape

    def _weights(self, shape: tuple[int, ...], axis: int) -> list[int]:
        channels = shape[axis]
        if self.dtype == "float32":
            data = self.rng.normal(0, 0.4, shape)
            bias = self.rng.normal(0, 1, channels)
            return [
                self.build.tensor(shape, "float32", data=data),
                self.build.tensor((channels,), "float32", data=bias),
            ]
        scale = 2.0 / np.sqrt(np.prod(shape) / channels) / 74
        low, kind, zero = (0, "uint8", 128) if self.dtype == "uint8" else (-127, "int8", 0)
        filters = self.rng.integers(low, low + 255, shape)
        wide = "int64" if self.dtype == "int16" else "int32"
        bias = self.rng.integers(-900, 900, channels)
        return [
            self.build.tensor(shape, kind, scale, zero, data=filters),
            self.build.tensor((channels,), wide, scale * _SCALE, data=bias),
        ]

    def _window(
        self, x: int, *, dilates: bool
    ) -> tuple[tuple[int, int], tuple[int, int], dict[str, object]]:
        """(kernel, output size, options) of a window that fits."""
        _, height, width, _ = self.shape(x)
        kernel = (int(pick(self.rng, 1, 1, 3, 3, 5)), int(pick(self.rng, 1, 3)))
        stride = (int(pick(self.rng, 1, 1, 1, 2, 3)), int(pick(self.rng, 1, 1, 2)))
        dilation = (int(pick(self.rng, 1, 1, 2)), 1) if dilates and stride == (1, 1) else (1, 1)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        same = self.rng.random() < 0.6 or spans[0] > height or spans[1] > width
        size = [
            -(-n // s) if same else (n - span) // s + 1
            for n, s, span in zip((height, width), stride, spans, strict=True)
        ]
        options: dict[str, object] = {
            "padding": "SAME" if same else "VALID", "stride_h": stride[0], "stride_w": stride[1],
            "fused_activation_function": str(pick(self.rng, *ACTIVATIONS)),
        }  # fmt: skip
        if dilates:
            options |= {"dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]}
        return kernel, (size[0], size[1]), options

    def conv(self, x: int) -> int:
        kernel, size, options = self._window(x, dilates=True)
        out_c = int(self.rng.integers(1, 10))
        weights = self._weights((out_c, *kernel, self.shape(x)[3]), 0)
        y = self.act((1, *size, out_c))
        self.build.op("CONV_2D", [x, *weights], [y], **options)
        return y

    def depthwise(self, x: int) -> int:
        kernel, size, options = self._window(x, dilates=True)
        times = int(pick(self.rng, 1, 1, 2))
        channels = self.shape(x)[3] * times
        weights = self._weights((1, *kernel, channels), 3)
        y = self.act((1, *size, channels))
        self.build.op("DEPTHWISE_CONV_2D", [x, *weights], [y], depth_multiplier=times, **options)
        return y

    def pool(self, x: int) -> int:
        kernel, size, options = self._window(x, dilates=False)
        y = self.act((1, *size, self.shape(x)[3]))
        code = str(pick(self.rng, "MAX_POOL_2D", "AVERAGE_POOL_2D"))
        options |= {"filter_height": kernel[0], "filter_width": kernel[1]}
        self.build.op(code, [x], [y], **options)
        return y

    def relu(self, x: int) -> int:
        y = self.act(self.shape(x))
        self.build.op("RELU", [x], [y])
        return y

    def add(self, x: int) -> int:
        """To a tensor of its shape, or to a constant."""
        same = [t for t in self.made if self.shape(t) == self.shape(x)]
        other = int(self.rng.choice(same))
        if self.rng.random() < 0.2 and self.dtype in ("int8", "float32"):
            data = self.rng.integers(-100, 100, (1, 1, 1, self.shape(x)[3]))
            quantized = () if self.dtype == "float32" else (_SCALE, _ZERO[self.dtype])
            other = self.build.tensor(data.shape, self.dtype, *quantized, data=data)
        y = self.act(self.shape(x))
        operands = [x, other] if self.rng.random() < 0.5 else [other, x]
        self.build.op("ADD", operands, [y])
        return y

    def concat(self, x: int) -> int:
        shape = self.shape(x)
        same = [t for t in self.made if self.shape(t)[:3] == shape[:3]]
        other = int(self.rng.choice(same))
        y = self.act((*shape[:3], shape[3] + self.shape(other)[3]))
        self.build.op("CONCATENATION", [x, other], [y], axis=3)
        return y

    def grow(self) -> None:
        x = self.made[-1] if self.rng.random() < 0.8 else int(self.rng.choice(self.made))
        kinds = [self.conv, self.conv, self.depthwise, self.depthwise, self.pool, self.add]
        if self.dtype != "int16":
            kinds += [self.relu, self.concat]
        self.made.append(kinds[int(self.rng.integers(len(kinds)))](x))


def random_net(rng: Rng, dtype: str = "int8") -> bytes:
    """3 to 9 ops over one image; old tensors are used again, some are outputs."""
    net = _Net(rng, dtype)
    for _ in range(int(rng.integers(3, 10))):
        net.grow()
    outputs = [net.made[-1]]
    others = net.made[1:-1]
    if others and rng.random() < 0.4:
        outputs.append(int(rng.choice(others)))
    return net.build.build([net.input], outputs)


@dataclass(frozen=True)
class _Layers:
    """Convolutions of a model that is made."""

    rng: Rng
    build: ModelBuilder

    def image(self, size: int, channels: int) -> int:
        return self.build.tensor((1, size, size, channels), "int8", _SCALE, -128)

    def conv(
        self, x: int, out_c: int, kernel: int = 1, stride: int = 1, *, own: bool = False
    ) -> int:
        build = self.build
        _, h, w, c = build.tensors[x].shape
        shape = (1, kernel, kernel, c) if own else (out_c, kernel, kernel, c)
        axis = 3 if own else 0
        scale = 1 / (40 * np.sqrt(np.prod(shape) / shape[axis]))
        f = build.tensor(shape, "int8", scale, data=conv_weights(self.rng, shape))
        bias = self.rng.integers(0, 4000, shape[axis])
        b = build.tensor((shape[axis],), "int32", scale * _SCALE, data=bias)
        y = build.tensor((1, -(-h // stride), -(-w // stride), out_c), "int8", _SCALE, -128)
        options = {"padding": "SAME", "stride_h": stride, "stride_w": stride}
        build.op("DEPTHWISE_CONV_2D" if own else "CONV_2D", [x, f, b], [y], **options)
        return y


def mobile_net(seed: int = 0, size: int = 20) -> bytes:
    """Inverted residual blocks: expansion, depthwise, projection, sum."""
    layers = _Layers(np.random.default_rng(seed), ModelBuilder())
    build, conv = layers.build, layers.conv
    x = first = layers.image(size, 8)
    for stride in (1, 2, 1):
        wide = conv(x, 40)
        y = conv(conv(wide, 40, 3, stride, own=True), 8)
        if stride == 1:
            total = build.tensor(build.tensors[y].shape, "int8", _SCALE, -128)
            build.op("ADD", [x, y], [total])
            y = total
        x = y
    return build.build([first], [x])


def separable_net(seed: int = 0) -> bytes:
    """A strided first layer, then depthwise and pointwise ones, all of one size."""
    layers = _Layers(np.random.default_rng(seed), ModelBuilder())
    first = layers.image(20, 8)
    x = layers.conv(layers.conv(first, 48, 3), 40, 3, 2)
    for _ in range(2):
        x = layers.conv(layers.conv(x, 40, 3, own=True), 40)
    return layers.build.build([first], [x])


def deep_net(seed: int = 0, size: int = 10) -> bytes:
    """Convolutions of many products: what kernels gather for them is larger than a row."""
    layers = _Layers(np.random.default_rng(seed), ModelBuilder())
    first = layers.image(size, 8)
    wide = layers.conv(layers.conv(first, 32, 3), 32, 3)
    last = layers.conv(layers.conv(wide, 24, 1), 40, 3, 2)
    return layers.build.build([first], [last])


def net(program: Program, lower: Lower) -> Net:
    graph = program.graph
    lowered = [None if op.code == VIEW else lower(graph, op) for op in graph.ops]
    return net_of(graph, lowered, find_stages(graph, lowered, lower))


def random_groups(known: Net, rng: Rng, longest: int = 12) -> list[Group]:
    """Runs of ops that can be stages, cut at random, with random bands."""
    groups: list[Group] = []
    at = 0
    while at < len(known.stages):
        room = 0
        while at + room < len(known.stages) and known.stages[at + room] is not None:
            room += 1
        if room and rng.random() < 0.9:
            length = int(rng.integers(1, min(room, longest) + 1))
            if rng.random() < 0.5:
                length = min(room, longest)
            bands = tuple(int(pick(rng, 1, 1, 2, 3, 4, 7, 30)) for _ in range(length))
            groups.append(Group(at, at + length, bands))
            at += length
        else:
            at += 1
    return groups


@dataclass(frozen=True)
class Grouping:
    """Stands in for ``stream.fit.planned``: groups at random instead of as few as are needed.

    Kernels too: any of those that an op may run on.
    """

    seed: tuple[int, ...]

    def __call__(
        self, program: Program, kernels: Sequence[Kernels], pairs: object, max_ram: int | None,
        regions: Sequence[Region],
    ) -> tuple[Program, MemoryPlan]:  # fmt: skip
        rng = np.random.default_rng(self.seed)
        nets = [net(program, each.lower) for each in kernels]
        picked = [nets[k] for k in rng.integers(len(nets), size=len(program.graph.ops))]
        known = replace(
            nets[0],
            lowered=tuple(one.lowered[at] for at, one in enumerate(picked)),
            stages=tuple(one.stages[at] for at, one in enumerate(picked)),
        )
        made = programs(known, random_groups(known, rng))
        chosen = made[int(rng.integers(len(made)))]
        return chosen, plan_memory(chosen, regions)

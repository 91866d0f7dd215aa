"""Random int8 models in which many channels give the same output for every input."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Rng, pick

IN_SCALE, W_SCALE = 0.05, 0.004
HUGE = 1 << 29
"""Of biases: what training leaves of channels whose weights are gone."""


class Net:
    """A model under way: ``x`` is the tensor that the next layer reads."""

    def __init__(self, rng: Rng, shape: tuple[int, ...], dtype: str) -> None:
        self.rng, self.build, self.dtype = rng, ModelBuilder(), dtype
        self.shift = 0 if dtype == "int8" else 128
        self.input = self.x = self.build.tensor(shape, dtype, IN_SCALE, self.shift)
        self.made: list[int] = []

    @property
    def shape(self) -> tuple[int, ...]:
        return self.build.tensors[self.x].shape

    def out(self, shape: tuple[int, ...], *, like: int | None = None) -> int:
        """A new activation; one in two has its lowest value as zero point, as behind RELU."""
        if like is None:
            zero = -128 if self.rng.random() < 0.5 else int(self.rng.integers(-100, 40))
            scale = float(self.rng.choice([IN_SCALE, 0.02, 0.11]))
        else:
            source = self.build.tensors[like]
            zero, scale = source.zero_point[0] - self.shift, source.scale[0]
        return self.build.tensor(shape, self.dtype, scale, zero + self.shift)

    def weights(self, shape: tuple[int, ...], axis: int) -> tuple[int, int]:
        """Filters and bias: some channels are dead, some saturate, some inputs have no weights."""
        rng, count = self.rng, shape[axis]
        data = np.moveaxis(rng.integers(-127, 128, shape), axis, 0).copy()
        bias = rng.integers(-3000, 3000, count)
        dead = rng.random(count) < rng.choice([0.0, 0.0, 0.25, 0.5])
        if rng.random() < 0.95:
            dead[rng.integers(count)] = False
        data[dead] = np.where(rng.random() < 0.6, 0, rng.integers(-1, 2, data[dead].shape))
        size = rng.choice([3000, 200_000, HUGE, 2 * HUGE], count)
        bias = np.where(dead, rng.choice([-1, 1], count) * size - rng.integers(0, 2, count), bias)
        if data.ndim > 1 and rng.random() < 0.3:
            unread = rng.random(data.shape[-1]) < 0.3
            unread[rng.integers(len(unread))] = False
            data[..., unread] = 0
        per_channel = self.dtype == "int8" and rng.random() < 0.7
        scales = W_SCALE * rng.uniform(0.2, 1.5, count) if per_channel else W_SCALE
        data = np.moveaxis(data, 0, axis) + self.shift
        filters = self.build.tensor(shape, self.dtype, scales, self.shift, data, axis=axis)
        scale = np.multiply(scales, self.build.tensors[self.x].scale[0])
        if len(shape) == 2 and rng.random() < 0.2 and not dead.any():
            return filters, -1
        return filters, self.build.tensor((count,), "int32", scale, data=bias)

    def conv(self) -> None:
        n, h, w, c = self.shape
        kernel = (int(self.rng.integers(1, 4)), int(self.rng.integers(1, 4)))
        if self.rng.random() < 0.5:
            kernel = (1, 1)
        out_c = int(self.rng.integers(1, 9))
        f, b = self.weights((out_c, *kernel, c), 0)
        self._windowed("CONV_2D", f, b, kernel, out_c)

    def depthwise(self) -> None:
        n, h, w, c = self.shape
        multiplier = int(pick(self.rng, 1, 1, 1, 2))
        kernel = (int(self.rng.integers(1, 4)), int(self.rng.integers(1, 4)))
        f, b = self.weights((1, *kernel, c * multiplier), 3)
        self._windowed(
            "DEPTHWISE_CONV_2D", f, b, kernel, c * multiplier, depth_multiplier=multiplier
        )

    def _windowed(
        self, code: str, f: int, b: int, kernel: tuple[int, int], out_c: int, **options: int
    ) -> None:
        n, h, w, _ = self.shape
        same = bool(h < kernel[0] or w < kernel[1] or self.rng.random() < 0.6)
        strides = [int(pick(self.rng, 1, 1, 2)) for _ in range(2)]
        size = [
            -(-n // s) if same else (n - k + s) // s
            for n, k, s in zip((h, w), kernel, strides, strict=True)
        ]
        y = self.out((n, *size, out_c))
        self.build.op(
            code, [self.x, f, b], [y], padding="SAME" if same else "VALID", stride_h=strides[0],
            stride_w=strides[1], fused_activation_function=str(pick(self.rng, *ACTIVATIONS)),
            **options,
        )  # fmt: skip
        self.then(y)

    def then(self, y: int) -> None:
        self.made.append(y)
        self.x = y

    def pool(self) -> None:
        n, h, w, c = self.shape
        y = self.out((n, -(-h // 2), -(-w // 2), c), like=self.x)
        code = str(pick(self.rng, "MAX_POOL_2D", "AVERAGE_POOL_2D"))
        self.build.op(code, [self.x], [y], padding="SAME", stride_h=2, stride_w=2, filter_height=3,
                      filter_width=2)  # fmt: skip
        self.then(y)

    def unary(self) -> None:
        code = str(pick(self.rng, "RELU", "RELU6", "HARD_SWISH", "QUANTIZE", "LEAKY_RELU"))
        y = self.out(self.shape)
        self.build.op(code, [self.x], [y], **({"alpha": 0.1} if code == "LEAKY_RELU" else {}))
        self.then(y)

    def binary(self) -> None:
        shape = self.shape
        same = [t for t in self.made if self.build.tensors[t].shape == shape]
        other = int(self.rng.choice(same)) if same else self.x
        kind = self.rng.random()
        if kind < 0.4:
            size = pick(self.rng, (shape[-1],), (1,), (), shape)
            data = self.rng.integers(-128, 128, size)
            zero, data = 3 + self.shift, data + self.shift
            other = self.build.tensor(size, self.dtype, IN_SCALE, zero, data)
        y = self.out(shape)
        code = str(pick(self.rng, "ADD", "ADD", "SUB", "MUL"))
        self.build.op(code, [self.x, other], [y])
        self.then(y)

    def pad(self) -> None:
        n, h, w, c = self.shape
        y = self.out((n, h + 2, w + 1, c), like=self.x)
        p = self.build.tensor((4, 2), "int32", data=[[0, 0], [1, 1], [0, 1], [0, 0]])
        self.build.op("PAD", [self.x, p], [y])
        self.then(y)

    def resize(self) -> None:
        n, h, w, c = self.shape
        y = self.out((n, h + 1, 2 * w, c), like=self.x)
        size = self.build.tensor((2,), "int32", data=[h + 1, 2 * w])
        code = str(pick(self.rng, "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"))
        self.build.op(code, [self.x, size], [y])
        self.then(y)

    def concat(self) -> None:
        shape = self.shape
        same = [t for t in self.made if self._like(t) == self._like(self.x)]
        other = int(self.rng.choice(same)) if same else self.x
        axis = int(pick(self.rng, 3, 3, 1))
        joined = list(shape)
        joined[axis] *= 2
        y = self.out(tuple(joined), like=self.x)
        self.build.op("CONCATENATION", [self.x, other], [y], axis=axis)
        self.then(y)

    def _like(self, tensor_id: int) -> tuple[object, ...]:
        tensor = self.build.tensors[tensor_id]
        return tensor.shape, *tensor.scale, *tensor.zero_point

    def head(self) -> None:
        """Flattened or averaged, then fully connected."""
        n, h, w, c = self.shape
        if self.rng.random() < 0.5:
            y = self.out((n, c) if self.rng.random() < 0.5 else (n, 1, 1, c))
            axes = self.build.tensor((2,), "int32", data=[1, 2])
            keep = len(self.build.tensors[y].shape) == 4
            self.build.op("MEAN", [self.x, axes], [y], keep_dims=keep)
        else:
            y = self.out((n, h * w * c), like=self.x)
            s = self.build.tensor((2,), "int32", data=[n, h * w * c])
            self.build.op("RESHAPE", [self.x, s], [y], new_shape=[n, h * w * c])
        self.then(y)
        for units in (6, 3):
            f, b = self.weights((units, int(np.prod(self.shape[1:]))), 0)
            y = self.out((n, units))
            activation = str(pick(self.rng, "NONE", "RELU"))
            self.build.op(
                "FULLY_CONNECTED", [self.x, f, b], [y], fused_activation_function=activation
            )
            self.then(y)


def random_net(rng: Rng) -> bytes:
    """A chain of 3 to 10 ops, now and then with a branch, with or without a head."""
    shape = (1, *(int(n) for n in rng.integers(1, (9, 9, 6))))
    net = Net(rng, shape, "uint8" if rng.random() < 0.25 else "int8")
    kinds = ["conv"] * 4 + ["depthwise"] * 3 + ["pool", "unary", "binary", "binary", "pad"]
    kinds += ["resize", "concat"]
    for _ in range(int(rng.integers(3, 11))):
        kind = str(rng.choice(kinds))
        if np.prod(net.shape) > 4000 and kind in ("resize", "concat", "pad"):
            kind = "pool"
        getattr(net, kind)()
    if rng.random() < 0.6:
        net.head()
    outputs = [net.x]
    if rng.random() < 0.3:
        outputs.append(int(rng.choice(net.made)))
    return net.build.build([net.input], list(dict.fromkeys(outputs)))

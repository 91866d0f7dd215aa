"""Random convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale, zero

LIMITS = {"int8": (-128, 128), "uint8": (0, 256), "int16": (-(1 << 15), 1 << 15)}
_FILTERS = {"int8": "int8", "uint8": "uint8", "int16": "int8"}


def point(rng: Rng, dtype: str) -> int:
    """A zero point that LiteRT takes."""
    return {"int8": zero(rng), "uint8": zero(rng) + 128, "int16": 0}[dtype]


def activations(build: ModelBuilder, rng: Rng, shape: Sequence[int], dtype: str, s: float) -> int:
    if dtype == "float32":
        return build.tensor(shape, dtype)
    return build.tensor(shape, dtype, s, point(rng, dtype))


@dataclass(frozen=True)
class Weights:
    """Filters and bias, and an output scale that fits them; filters may be an input."""

    filters: int
    bias: int
    out_scale: float
    constant: bool
    narrow: bool = False

    def operands(self, *before: int) -> list[int]:
        """Tensors of the op; an absent bias is left out, as LiteRT wants it."""
        return [*before] + ([] if self.bias < 0 else [self.bias])

    def declared(self) -> dict[str, object]:
        """The option that int16 activations need for an int32 bias."""
        return {"quantized_bias_type": "INT32"} if self.narrow else {}

    def inputs(self, x: int) -> list[int]:
        """The model's inputs."""
        return [x] if self.constant else [x, self.filters]


def _scales(rng: Rng, channels: int, *, single: bool) -> np.ndarray:
    """One scale, or one per channel; sometimes powers of two, sometimes dead channels."""
    count = 1 if single or channels == 1 or rng.random() < 0.4 else channels
    scales = rng.uniform(0.001, 0.05, count)
    if rng.random() < 0.25:
        scales = 2.0 ** rng.integers(-9, -4, count)
    if count > 1 and rng.random() < 0.4:
        scales[rng.integers(count)] = float(pick(rng, 1e-14, 0.0))
    return scales


def _out_scale(rng: Rng, product: float, depth: int, dtype: str) -> float:
    """So that outputs fill their range; sometimes left shifts, sometimes ties."""
    out = product * 74 * 74 * np.sqrt(max(depth, 1)) / 60 * 2.0 ** rng.uniform(-1.5, 1.5)
    if rng.random() < 0.1:
        out = product / (5 if dtype != "int16" else 1 / 3)  # left shifts
    if rng.random() < 0.2:
        out = 2.0 ** np.round(np.log2(out))
    return float(np.float32(out))


def weights(
    build: ModelBuilder, rng: Rng, shape: tuple[int, ...], axis: int, depth: int, in_scale: float,
    dtype: str, *, optional: bool = True, narrow: bool = False,
) -> Weights:  # fmt: skip
    """``optional``: LiteRT runs the op without a bias; ``narrow``: with an int32 one for int16."""
    channels, absent = shape[axis], optional and rng.random() < 0.2
    constant = bool(rng.random() < 0.9)
    if dtype == "float32":
        real = rng.normal(0, 1, shape) if constant else None
        filters = build.tensor(shape, dtype, data=real)
        bias = -1 if absent else build.tensor((channels,), dtype, data=rng.normal(0, 3, channels))
        return Weights(filters, bias, 0.0, constant)
    scales = _scales(rng, channels, single=dtype == "uint8")
    low, high = LIMITS[_FILTERS[dtype]]
    data = rng.integers(low, high, shape) if constant else None
    middle = point(rng, dtype) if dtype == "uint8" else 0
    single = scales if scales.size > 1 else float(scales[0])
    filters = build.tensor(shape, _FILTERS[dtype], single, middle, data=data, axis=axis)
    bias_type = "int32"
    if dtype == "int16":
        bias_type = str(pick(rng, "int32", "int64")) if narrow else "int64"
    reach = 1 << 40 if bias_type == "int64" and rng.random() < 0.2 else 20000
    if bias_type == "int32" and rng.random() < 0.1:
        reach = 1 << 31
    bias = -1
    if not absent:
        values = rng.integers(-reach, reach, channels)
        bias = build.tensor((channels,), bias_type, np.asarray(single) * in_scale, data=values)
    out = _out_scale(rng, float(np.median(scales)) * in_scale, depth, dtype)
    return Weights(filters, bias, out, constant, dtype == "int16" and bias_type == "int32")


@dataclass(frozen=True)
class Window:
    """Sizes of a random window that fits its input."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    out: tuple[int, ...]


def random_window(rng: Rng, axes: int = 2, top: int = 10, *, dilates: bool = True) -> Window:
    size, kernel = (tuple(int(v) for v in rng.integers(1, n, axes)) for n in (top, 5))
    if rng.random() < 0.3:
        kernel = (1,) * axes
    ones = (1,) * axes
    stride, dilation = ones, ones
    if dilates and rng.random() < 0.4:
        dilation = tuple(int(v) for v in rng.integers(1, 4, axes))
    if dilation == ones or rng.random() < 0.3:
        stride = tuple(int(v) for v in rng.integers(1, 4, axes))
    padding = str(pick(rng, "SAME", "VALID"))
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "VALID":
        size = tuple(map(max, size, spans))
    out = tuple(
        -(-n // step) if padding == "SAME" else (n - span) // step + 1
        for n, step, span in zip(size, stride, spans, strict=True)
    )
    return Window(size, kernel, stride, dilation, padding, out)


def _options(rng: Rng, w: Window, letters: str = "hw") -> dict[str, object]:
    pairs = zip(letters, w.stride, w.dilation, strict=True)
    options: dict[str, object] = {"padding": w.padding}
    for letter, stride, dilation in pairs:
        options |= {f"stride_{letter}": stride, f"dilation_{letter}_factor": dilation}
    return options | {"fused_activation_function": pick(rng, *ACTIVATIONS)}


def conv(rng: Rng, dtype: str) -> bytes:
    build, w = ModelBuilder(), random_window(rng)
    groups = int(rng.integers(2, 4)) if rng.random() < 0.3 else 1
    n, depth, per = (int(v) for v in rng.integers(1, (3, 7, 8)))
    s = float(np.float32(scale(rng)))
    x = activations(build, rng, (n, *w.size, depth * groups), dtype, s)
    shape = (per * groups, *w.kernel, depth)
    count = depth * w.kernel[0] * w.kernel[1]
    found = weights(build, rng, shape, 0, count, s, dtype, optional=False, narrow=True)
    y = activations(build, rng, (n, *w.out, per * groups), dtype, found.out_scale)
    options = _options(rng, w) | found.declared()
    build.op("CONV_2D", found.operands(x, found.filters), [y], **options)
    return build.build(found.inputs(x), [y])


def depthwise(rng: Rng, dtype: str) -> bytes:
    build, w = ModelBuilder(), random_window(rng)
    n, c, multiplier = (int(v) for v in rng.integers(1, (3, 11, 4)))
    if rng.random() < 0.5:
        multiplier = 1
    s = float(np.float32(scale(rng)))
    x = activations(build, rng, (n, *w.size, c), dtype, s)
    shape = (1, *w.kernel, c * multiplier)
    found = weights(build, rng, shape, 3, w.kernel[0] * w.kernel[1], s, dtype)
    y = activations(build, rng, (n, *w.out, c * multiplier), dtype, found.out_scale)
    build.op(
        "DEPTHWISE_CONV_2D", found.operands(x, found.filters), [y], depth_multiplier=multiplier,
        **_options(rng, w),
    )  # fmt: skip
    return build.build(found.inputs(x), [y])


def transpose_conv(rng: Rng, dtype: str) -> bytes:
    build = ModelBuilder()
    # The window of the convolution from the output to the input.
    w = random_window(rng, dilates=False)
    n, depth, channels = (int(v) for v in rng.integers(1, (3, 7, 9)))
    s = float(np.float32(scale(rng)))
    shape = build.tensor((4,), "int32", data=[n, *w.size, channels])
    x = activations(build, rng, (n, *w.out, depth), dtype, s)
    count = depth * w.kernel[0] * w.kernel[1]
    filters = (channels, *w.kernel, depth)
    found = weights(build, rng, filters, 0, count, s, dtype, narrow=True)
    y = activations(build, rng, (n, *w.size, channels), dtype, found.out_scale)
    build.op(
        "TRANSPOSE_CONV", found.operands(shape, found.filters, x), [y], padding=w.padding,
        stride_h=w.stride[0], stride_w=w.stride[1],
        fused_activation_function=pick(rng, *ACTIVATIONS), **found.declared(),
    )  # fmt: skip
    return build.build(found.inputs(x), [y])


def conv_3d(rng: Rng) -> bytes:
    build, w = ModelBuilder(), random_window(rng, 3, 6)
    n, depth, channels = (int(v) for v in rng.integers(1, (3, 5, 6)))
    x = build.tensor((n, *w.size, depth), "float32")
    found = weights(build, rng, (*w.kernel, depth, channels), 4, 1, 1.0, "float32")
    y = build.tensor((n, *w.out, channels), "float32")
    build.op("CONV_3D", found.operands(x, found.filters), [y], **_options(rng, w, "dhw"))
    return build.build(found.inputs(x), [y])


_DTYPES = ("int8", "int16", "uint8", "float32")
_MAKERS: dict[str, Callable[..., bytes]] = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transpose_conv,
}
CASES: dict[str, Maker] = {
    **{
        f"{code}:{dtype}": partial(make, dtype=dtype)
        for code, make in _MAKERS.items()
        for dtype in _DTYPES
    },
    "CONV_3D:float32": conv_3d,
}

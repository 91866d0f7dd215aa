"""Random convolutions."""

from __future__ import annotations

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale, zero


def weights_into(
    build: ModelBuilder, rng: Rng, shape: tuple[int, ...], axis: int, depth: int, in_scale: float
) -> tuple[int, int, float]:
    """Filters, optional bias (−1) and a fitting output scale."""
    channels = shape[axis]
    per_channel = rng.random() < 0.6 and channels > 1
    scales = rng.uniform(0.001, 0.05, channels if per_channel else 1)
    if rng.random() < 0.25:
        scales = 2.0 ** rng.integers(-9, -4, scales.size)
    if per_channel and rng.random() < 0.4:
        scales[rng.integers(channels)] = 1e-14  # a dead channel
    data = rng.integers(-128, 128, shape, dtype=np.int8)
    single = scales if per_channel else float(scales[0])
    w = build.tensor(shape, "int8", single, data=data, axis=axis)
    b = -1
    # LiteRT's int8 convolutions insist on a bias; fully connected layers do not.
    if len(shape) == 4 or rng.random() < 0.7:
        bias = rng.integers(-20000, 20000, channels)
        b = build.tensor((channels,), "int32", np.asarray(single) * in_scale, data=bias)
    spread = float(np.median(scales)) * in_scale * 74 * 74 * np.sqrt(max(depth, 1)) / 60
    out = float(np.float32(spread * 2.0 ** rng.uniform(-1.5, 1.5)))
    if rng.random() < 0.1:
        out = float(np.median(scales)) * in_scale / 5  # left shifts
    if rng.random() < 0.2:
        out = float(2.0 ** round(np.log2(out)))
    return w, b, out


def conv(rng: Rng) -> bytes:
    build = ModelBuilder()
    n, h, w, groups = int(rng.integers(1, 3)), *(int(v) for v in rng.integers(1, 10, 2)), 1
    if rng.random() < 0.3:
        groups = int(rng.integers(2, 4))
    depth, per = int(rng.integers(1, 7)), int(rng.integers(1, 8))
    kh, kw = (int(v) for v in rng.integers(1, 5, 2))
    if rng.random() < 0.3:
        kh = kw = 1
    dilation = (1, 1) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(1, 4, 2))
    stride = (1, 1) if dilation != (1, 1) else tuple(int(v) for v in rng.integers(1, 4, 2))
    padding = pick(rng, "SAME", "VALID")
    spans = ((kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1)
    if padding == "VALID":
        h, w = max(h, spans[0]), max(w, spans[1])
    s = scale(rng)
    x = build.tensor((n, h, w, depth * groups), "int8", s, zero(rng))
    shape = (per * groups, kh, kw, depth)
    f, b, out_scale = weights_into(build, rng, shape, 0, kh * kw * depth, s)
    out = [
        -(-size // st) if padding == "SAME" else (size - span) // st + 1
        for size, st, span in zip((h, w), stride, spans, strict=True)
    ]
    y = build.tensor((n, *out, per * groups), "int8", out_scale, zero(rng))
    build.op(
        "CONV_2D", [x, f, b], [y], padding=padding, stride_h=stride[0], stride_w=stride[1],
        dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x], [y])


def depthwise(rng: Rng) -> bytes:
    build = ModelBuilder()
    n, c, multiplier = int(rng.integers(1, 3)), int(rng.integers(1, 11)), int(rng.integers(1, 4))
    if rng.random() < 0.5:
        multiplier = 1
    h, w = (int(v) for v in rng.integers(1, 10, 2))
    kh, kw = (int(v) for v in rng.integers(1, 5, 2))
    dilation = (1, 1) if rng.random() < 0.6 else tuple(int(v) for v in rng.integers(1, 4, 2))
    stride = (1, 1) if dilation != (1, 1) else tuple(int(v) for v in rng.integers(1, 4, 2))
    padding = pick(rng, "SAME", "VALID")
    spans = ((kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1)
    if padding == "VALID":
        h, w = max(h, spans[0]), max(w, spans[1])
    s = scale(rng)
    x = build.tensor((n, h, w, c), "int8", s, zero(rng))
    shape = (1, kh, kw, c * multiplier)
    f, b, out_scale = weights_into(build, rng, shape, 3, kh * kw, s)
    out = [
        -(-size // st) if padding == "SAME" else (size - span) // st + 1
        for size, st, span in zip((h, w), stride, spans, strict=True)
    ]
    y = build.tensor((n, *out, c * multiplier), "int8", out_scale, zero(rng))
    build.op(
        "DEPTHWISE_CONV_2D", [x, f, b], [y], padding=padding, stride_h=stride[0],
        stride_w=stride[1], dilation_h_factor=dilation[0], dilation_w_factor=dilation[1],
        depth_multiplier=multiplier, fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x], [y])


CASES: dict[str, Maker] = {
    "CONV_2D:int8": conv,
    "DEPTHWISE_CONV_2D:int8": depthwise,
}

"""Random single-op models for the property tests: one generator per op, seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.builders import ModelBuilder

Rng = np.random.Generator
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def scale(rng: Rng) -> float:
    """Spread over decades; sometimes a power of two, which provokes ties."""
    if rng.random() < 0.3:
        return float(2.0 ** rng.integers(-10, 1))
    return float(np.float32(10 ** rng.uniform(-3, 0.3)))


def zero(rng: Rng) -> int:
    return int(rng.choice([-128, 0, 127, rng.integers(-128, 128)]))


def pick(rng: Rng, *options: object) -> object:
    return options[int(rng.integers(len(options)))]


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


def fully_connected(rng: Rng) -> bytes:
    build = ModelBuilder()
    units, depth, rows = int(rng.integers(1, 12)), int(rng.integers(1, 40)), int(rng.integers(1, 4))
    keep = bool(rng.random() < 0.4)
    s = scale(rng)
    shape = (
        pick(rng, (rows, depth), (rows, 1, depth), (1, rows, 2, depth))
        if keep
        else pick(rng, (rows, depth), (rows, 1, 1, depth), (depth,))
    )
    x = build.tensor(shape, "int8", s, zero(rng))
    f, b, out_scale = weights_into(build, rng, (units, depth), 0, depth, s)
    out = (*shape[:-1], units) if keep else (int(np.prod(shape)) // depth, units)
    y = build.tensor(out, "int8", out_scale, zero(rng))
    build.op(
        "FULLY_CONNECTED", [x, f, b], [y], keep_num_dims=keep,
        fused_activation_function=pick(rng, *ACTIVATIONS),
    )  # fmt: skip
    return build.build([x], [y])


def pool(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        n, c = int(rng.integers(1, 3)), int(rng.integers(1, 6))
        h, w = (int(v) for v in rng.integers(1, 9, 2))
        kh, kw = (int(v) for v in rng.integers(1, 5, 2))
        sh, sw = (int(v) for v in rng.integers(1, 4, 2))
        padding = pick(rng, "SAME", "VALID")
        if padding == "VALID":
            h, w = max(h, kh), max(w, kw)
        s, z = scale(rng), zero(rng)
        x = build.tensor((n, h, w, c), "int8", s, z)
        oh, ow = (
            -(-size // st) if padding == "SAME" else (size - k) // st + 1
            for size, st, k in ((h, sh, kh), (w, sw, kw))
        )
        y = build.tensor((n, oh, ow, c), "int8", s, z)
        build.op(
            code, [x], [y], padding=padding, stride_h=sh, stride_w=sw, filter_height=kh,
            filter_width=kw, fused_activation_function=pick(rng, *ACTIVATIONS),
        )  # fmt: skip
        return build.build([x], [y])

    return make


def shape_of(rng: Rng, low: int = 1, high: int = 5, top: int = 6) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(1, top, int(rng.integers(low, high))))


def binary(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng)
        other = list(shape)
        if rng.random() < 0.6:
            other = [1 if rng.random() < 0.5 else size for size in shape]
            if rng.random() < 0.3:
                other = other[int(rng.integers(len(other))) :]
        shapes = [shape, tuple(other)]
        if rng.random() < 0.3:
            shapes.reverse()
        s, z = scale(rng), zero(rng)
        same = code in ("MAXIMUM", "MINIMUM")
        tensors, inputs = [], []
        for i, one in enumerate(shapes):
            s1, z1 = (s, z) if same else (float(np.float32(s * rng.uniform(0.2, 4))), zero(rng))
            data = None
            if i == 1 and rng.random() < 0.3:
                data = rng.integers(-128, 128, one)
            tensors.append(build.tensor(one, "int8", s1, z1, data=data))
            inputs += [tensors[-1]] if data is None else []
        out = np.broadcast_shapes(*shapes)
        s_out = s if same else float(np.float32(s * rng.uniform(0.3, 3)))
        if code == "MUL":
            s_out = float(np.float32(s * s * 100 * rng.uniform(0.05, 2)))
        y = build.tensor(out, "int8", s_out, z if same else zero(rng))
        options = {} if same else {"fused_activation_function": pick(rng, *ACTIVATIONS)}
        build.op(code, tensors, [y], **options)
        return build.build(inputs, [y])

    return make


def reduce(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 6, 7)
        if rng.random() < 0.4:
            shape = tuple(int(v) for v in rng.integers(1, 8, 4))
        count = int(rng.integers(1, len(shape) + 1))
        axes = sorted(int(v) for v in rng.permutation(len(shape))[:count])
        if len(shape) == 4 and rng.random() < 0.5:
            axes = [1, 2]
        keep = bool(rng.random() < 0.5)
        s, z = scale(rng), zero(rng)
        picks = code.startswith("REDUCE")
        x = build.tensor(shape, "int8", s, z)
        given = [a - len(shape) if rng.random() < 0.3 else a for a in axes]
        a = build.tensor((len(axes),), "int32", data=given)
        out = [1 if i in axes else v for i, v in enumerate(shape) if keep or i not in axes]
        s_out = s if picks else float(np.float32(s * rng.uniform(0.3, 2)))
        y = build.tensor(out, "int8", s_out, z if picks else zero(rng))
        build.op(code, [x, a], [y], keep_dims=keep)
        return build.build([x], [y])

    return make


def unary(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        s_in = scale(rng)
        x = build.tensor((1, 16, 16), "int8", s_in, zero(rng))
        fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
        s, z = fixed.get(code, (scale(rng), zero(rng)))
        if code == "HARD_SWISH":
            s = max(s, s_in / 64)
        y = build.tensor((1, 16, 16), "int8", s, z)
        options = {"alpha": float(rng.uniform(-0.5, 1))} if code == "LEAKY_RELU" else {}
        build.op(code, [x], [y], **options)
        return build.build([x], [y])

    return make


def softmax(rng: Rng) -> bytes:
    build = ModelBuilder()
    shape = shape_of(rng, 1, 5, 12)
    x = build.tensor(shape, "int8", scale(rng), zero(rng))
    y = build.tensor(shape, "int8", 1 / 256, -128)
    build.op("SOFTMAX", [x], [y], beta=float(pick(rng, 1.0, 1.0, 0.5, 2.0)))
    return build.build([x], [y])


def quantize(rng: Rng) -> bytes:
    build = ModelBuilder()
    source, target = pick(
        rng, ("int8", "int8"), ("uint8", "int8"), ("int8", "uint8"), ("float32", "int8"),
        ("float32", "uint8"), ("uint8", "uint8"),
    )  # fmt: skip
    s = scale(rng)

    def quantized(dtype: str, real: float) -> int:
        point = zero(rng) + (128 if dtype == "uint8" else 0)
        return build.tensor((4, 64), dtype, real, point)

    x = build.tensor((4, 64), "float32") if source == "float32" else quantized(source, s)
    y = quantized(target, float(pick(rng, s, float(np.float32(s * rng.uniform(0.3, 3))))))
    build.op("QUANTIZE", [x], [y])
    return build.build([x], [y])


def dequantize(rng: Rng) -> bytes:
    build = ModelBuilder()
    dtype = str(pick(rng, "int8", "uint8"))
    point = zero(rng) + (128 if dtype == "uint8" else 0)
    x = build.tensor((4, 64), dtype, scale(rng), point)
    y = build.tensor((4, 64), "float32")
    build.op("DEQUANTIZE", [x], [y])
    return build.build([x], [y])


def resize(rng: Rng) -> bytes:
    build = ModelBuilder()
    n, h, w, c = (int(v) for v in rng.integers(1, 6, 4))
    oh, ow = (int(v) for v in rng.integers(1, 14, 2))
    corners, half = pick(rng, (False, False), (True, False), (False, True))
    x = build.tensor((n, h, w, c), "int8", 0.1, 3)
    size = build.tensor((2,), "int32", data=[oh, ow])
    y = build.tensor((n, oh, ow, c), "int8", 0.1, 3)
    build.op(
        "RESIZE_NEAREST_NEIGHBOR", [x, size], [y], align_corners=corners, half_pixel_centers=half
    )
    return build.build([x], [y])


CASES: dict[str, Callable[[Rng], bytes]] = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "SOFTMAX": softmax,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
    "RESIZE_NEAREST_NEIGHBOR": resize,
    **{code: pool(code) for code in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
    **{code: binary(code) for code in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")},
    **{code: reduce(code) for code in ("MEAN", "REDUCE_MAX", "REDUCE_MIN")},
    **{
        code: unary(code)
        for code in (
            "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "LEAKY_RELU",
            "HARD_SWISH",
        )
    },
}  # fmt: skip

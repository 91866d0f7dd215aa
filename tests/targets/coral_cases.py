"""Single ops and their shapes for the Edge TPU rules: each rejected case beside a valid twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.builders import ModelBuilder

Q = {"scale": 0.1, "zero_point": 3}


def single(
    code: str,
    shape: tuple[int, ...],
    output: tuple[int, ...],
    *,
    constants: tuple[tuple[str, Any], ...] = (),
    dtype: str = "int8",
    output_dtype: str | None = None,
    constants_first: bool = False,
    **options: Any,
) -> bytes:
    """A model of one op: input, then constants (dtype, values) in order, to one output."""
    build = ModelBuilder()
    quantized = dtype in ("int8", "uint8", "int16")
    x = build.tensor(shape, dtype, **(Q if quantized else {}), name="x")
    rest = []
    for kind, values in constants:
        array = np.asarray(values)
        scale = {"scale": 0.1} if kind in ("int8", "uint8", "int32_bias") else {}
        rest.append(build.tensor(array.shape, kind.partition("_")[0], data=array, **scale))
    out = output_dtype or dtype
    y = build.tensor(output, out, **(Q if out in ("int8", "uint8", "int16") else {}), name="y")
    build.op(code, [*rest, x] if constants_first else [x, *rest], [y], **options)
    return build.build([x], [y])


def conv(
    kernel: tuple[int, int] = (3, 3),
    *,
    code: str = "CONV_2D",
    batch: int = 1,
    dtype: str = "int8",
    constant: bool = True,
    **options: Any,
) -> bytes:
    """A convolution of 8×8×4 to 8×8×8 channels (depthwise: 4)."""
    build = ModelBuilder()
    depthwise = code == "DEPTHWISE_CONV_2D"
    channels = 4 if depthwise else 8
    shape = (1, *kernel, 4) if depthwise else (8, *kernel, 4)
    q = Q if dtype == "int8" else {}
    x = build.tensor((batch, 8, 8, 4), dtype, **q)
    weights = {"data": np.ones(shape)} if constant else {}
    w = build.tensor(shape, dtype, **({"scale": 0.1} if q else {}), **weights)
    bias_type = "int32" if q else "float32"
    b = build.tensor((channels,), bias_type, data=np.zeros(channels), scale=0.01 if q else None)
    y = build.tensor((batch, 8, 8, channels), dtype, **q)
    build.op(code, [x, w, b], [y], padding="SAME", **options)
    return build.build([x] if constant else [x, w], [y])


def dense(batch: int = 1, *, outputs: int = 5, inputs: int = 16, **options: Any) -> bytes:
    """A dense layer."""
    weights = np.ones((outputs, inputs))
    return single(
        "FULLY_CONNECTED",
        (batch, inputs),
        (batch, outputs),
        constants=(("int8", weights), ("int32_bias", np.zeros(outputs))),
        **options,
    )


def binary(
    code: str, other: Any, *, shape: tuple[int, ...] = (1, 4, 4, 2), **options: Any
) -> bytes:
    """An op of one input and one constant (an array of int8 values), same shape out."""
    return single(code, shape, shape, constants=(("int8", other),), **options)


def concat(*, constant: int | None = None, parts: int = 2, **options: Any) -> bytes:
    """``parts`` inputs of 1×4×4×2 joined; with ``constant`` the last is filled with that value."""
    build = ModelBuilder()
    tensors = [build.tensor((1, 4, 4, 2), "int8", **Q) for _ in range(parts)]
    if constant is not None:
        tensors[-1] = build.tensor((1, 4, 4, 2), "int8", **Q, data=np.full((1, 4, 4, 2), constant))
    y = build.tensor((1, 4, 4, 2 * parts), "int8", **Q)
    build.op("CONCATENATION", tensors, [y], axis=3, **options)
    return build.build(tensors[: parts - (constant is not None)], [y])


def pack(axis: int, output: tuple[int, ...]) -> bytes:
    """Two 1×4×2 tensors stacked."""
    build = ModelBuilder()
    parts = [build.tensor((1, 4, 2), "int8", **Q) for _ in range(2)]
    y = build.tensor(output, "int8", **Q)
    build.op("PACK", parts, [y], axis=axis, values_count=2)
    return build.build(parts, [y])


def reduce(axes: list[int], *, code: str = "MEAN", shape: tuple[int, ...] = (1, 4, 4, 8)) -> bytes:
    """A reduction that keeps its dimensions."""
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return single(code, shape, kept, constants=(("int32", axes),), keep_dims=True)


def pad(amounts: list[list[int]]) -> bytes:
    """1×4×4×2 with zeros around it."""
    out = tuple(n + sum(a) for n, a in zip((1, 4, 4, 2), amounts, strict=True))
    return single("PAD", (1, 4, 4, 2), out, constants=(("int32", amounts),))


def strided(strides: list[int], **masks: int) -> bytes:
    """A slice of 1×8×8×2 with these strides."""
    out = tuple(-(-n // s) for n, s in zip((1, 8, 8, 2), strides, strict=True))
    ends = (("int32", [0, 0, 0, 0]), ("int32", [1, 8, 8, 2]), ("int32", strides))
    return single("STRIDED_SLICE", (1, 8, 8, 2), out, constants=ends, **masks)


def resize(
    before: tuple[int, int], after: tuple[int, int], *, code: str = "RESIZE_BILINEAR", channels=8
) -> bytes:
    """A resize with aligned corners."""
    return single(
        code,
        (1, *before, channels),
        (1, *after, channels),
        constants=(("int32", list(after)),),
        align_corners=True,
    )


def pool(code: str, **options: Any) -> bytes:
    """A 2×2 pooling of 1×8×8×4."""
    return single(
        code,
        (1, 8, 8, 4),
        (1, 4, 4, 4),
        padding="VALID",
        stride_w=2,
        stride_h=2,
        filter_width=2,
        filter_height=2,
        **options,
    )


def squeeze(shape: tuple[int, ...], dims: list[int]) -> bytes:
    """A squeeze of these dimensions."""
    out = tuple(n for axis, n in enumerate(shape) if axis not in dims)
    return single("SQUEEZE", shape, out, squeeze_dims=dims)

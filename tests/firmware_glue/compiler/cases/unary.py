"""Random functions of one value, and changes of dtype."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, scale, shape_of, zero

_SHAPE = (1, 16, 16)
_FIXED_OUTPUT = {
    "LOGISTIC": {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)},
    "TANH": {"int8": (1 / 128, 0), "uint8": (1 / 128, 128), "int16": (1 / 32768, 0)},
}
_ROOTS = ("SQRT", "RSQRT")


def _quantized(rng: Rng, dtype: str) -> tuple[Any, ...]:
    """(dtype, scale, zero point)."""
    if dtype == "int16":
        return dtype, float(np.float32(10 ** rng.uniform(-5, -2.5))), 0
    return dtype, scale(rng), zero(rng) + (128 if dtype == "uint8" else 0)


def _options(code: str, rng: Rng) -> dict[str, Any]:
    if code == "LEAKY_RELU":
        return {"alpha": float(rng.uniform(-0.5, 1.5))}
    if code == "GELU":
        return {"approximate": bool(rng.random() < 0.5)}
    if code == "FAKE_QUANT":
        low, high = sorted(float(np.float32(v)) for v in rng.uniform(-4, 4, 2))
        return {"min": low, "max": high + 0.1, "num_bits": int(rng.integers(2, 17))}
    return {}


def quantized(code: str, dtype: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        source, target = _quantized(rng, dtype), _quantized(rng, dtype)
        if dtype in _FIXED_OUTPUT.get(code, {}):
            target = (dtype, *_FIXED_OUTPUT[code][dtype])
            if dtype == "int16":
                exact = float(2.0 ** rng.integers(-14, -9))
                source = (dtype, float(pick(rng, exact, 10 ** rng.uniform(-5, 0.4))), 0)
        elif code == "HARD_SWISH":
            target = (dtype, max(target[1], source[1] / 64), target[2])
        elif code in _ROOTS and dtype == "int8":
            source = (dtype, source[1], -128)
        elif rng.random() < 0.2:
            target = (dtype, source[1], target[2])
        if code == "NEG" or (code == "ABS" and dtype == "int16" and rng.random() < 0.3):
            source = target = (dtype,)
        x, y = build.tensor(_SHAPE, *source), build.tensor(_SHAPE, *target)
        given = x
        if code in _ROOTS and dtype == "int16":  # LiteRT stops at negative values
            given = build.tensor(_SHAPE, *source)
            build.op("ABS", [x], [given])
        build.op(code, [given], [y], **_options(code, rng))
        return build.build([x], [y])

    return make


def plain(code: str, dtype: str) -> Callable[[Rng], bytes]:
    """Elements without a scale."""

    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 5, 8)
        x, y = build.tensor(shape, dtype), build.tensor(shape, dtype)
        build.op(code, [x], [y], **_options(code, rng))
        return build.build([x], [y])

    return make


_QUANTIZE_TO: dict[str, Sequence[str]] = {
    "float32": ("int8", "uint8", "int16"),
    "int8": ("int8", "uint8", "int16"),
    "uint8": ("int8", "uint8", "int16"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}


def quantize(source: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        target = str(pick(rng, *_QUANTIZE_TO[source]))
        # Scales of one size, so that values neither vanish nor all saturate.
        size = {"int8": 1.0, "uint8": 1.0, "int16": 2.0**-8, "int32": 2.0**-13, "float32": 1.0}
        real = scale(rng)

        def tensor(dtype: str) -> int:
            if dtype == "float32":
                return build.tensor((4, 64), dtype)
            point = 0 if dtype == "int16" else zero(rng) + (128 if dtype == "uint8" else 0)
            factor = pick(rng, 1.0, float(rng.uniform(0.3, 3)), float(10 ** rng.uniform(-4, 4)))
            exact = float(np.float32(real * size[dtype] * factor))
            return build.tensor((4, 64), dtype, exact, point)

        x, y = tensor(source), tensor(target)
        build.op("QUANTIZE", [x], [y])
        return build.build([x], [y])

    return make


def dequantize(dtype: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 4, 12)
        if dtype != "int16" and rng.random() < 0.2:
            return _dequantized_weights(build, rng, shape, dtype)
        x, y = build.tensor(shape, *_quantized(rng, dtype)), build.tensor(shape, "float32")
        build.op("DEQUANTIZE", [x], [y])
        return build.build([x], [y])

    return make


def _dequantized_weights(
    build: ModelBuilder, rng: Rng, shape: tuple[int, ...], dtype: str
) -> bytes:
    """A constant with a scale per channel, added to a float32 input."""
    axis = int(rng.integers(len(shape)))
    scales = [float(np.float32(rng.uniform(0.01, 1))) for _ in range(shape[axis])]
    values = rng.integers(0, 256, shape).astype(np.uint8).view(dtype)
    weights = build.tensor(shape, dtype, scales, 0, data=values, axis=axis)
    whole, x, y = (build.tensor(shape, "float32") for _ in range(3))
    build.op("DEQUANTIZE", [weights], [whole])
    build.op("ADD", [x, whole], [y])
    return build.build([x], [y])


def dequantize_half(rng: Rng) -> bytes:
    """A float16 constant, added to a float32 input."""
    build = ModelBuilder()
    shape = shape_of(rng)
    half = build.tensor(shape, "float16", data=rng.normal(0, 100, shape))
    whole, x, y = (build.tensor(shape, "float32") for _ in range(3))
    build.op("DEQUANTIZE", [half], [whole])
    build.op("ADD", [x, whole], [y])
    return build.build([x], [y])


CAST_DTYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "bool")


def cast(source: str) -> Callable[[Rng], bytes]:
    """float32 goes through exactly rounded functions first: NaN, and values beyond the range."""

    def make(rng: Rng) -> bytes:
        build = ModelBuilder()
        shape = shape_of(rng, 1, 4, 12)
        target = str(pick(rng, *CAST_DTYPES))
        x, y = build.tensor(shape, source), build.tensor(shape, target)
        given = x
        if source == "float32" and rng.random() < 0.6:
            for _ in range(int(rng.integers(1, 6))):
                more = build.tensor(shape, source)
                build.op(
                    str(pick(rng, "SQUARE", "SQUARE", "NEG", "SQRT", "RSQRT")), [given], [more]
                )
                given = more
        build.op("CAST", [given], [y], in_data_type=source.upper(), out_data_type=target.upper())
        return build.build([x], [y])

    return make


_ALL = ("int8", "uint8", "int16")
_QUANTIZED: dict[str, Sequence[str]] = {
    **dict.fromkeys(("LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "GELU"), _ALL),
    **dict.fromkeys(("RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH"), ("int8", "uint8")),
    **dict.fromkeys(("EXP", "LOG", "SQRT", "RSQRT", "ABS", "NEG"), ("int8", "int16")),
    "ELU": ("int8",),
}
_PLAIN: dict[str, Sequence[str]] = {
    **dict.fromkeys((*_QUANTIZED, "SQUARE", "SIN", "COS", "FLOOR", "CEIL"), ("float32",)),
    **dict.fromkeys(("ROUND", "FAKE_QUANT"), ("float32",)),
    "ABS": ("float32", "int32"),
    "NEG": ("float32", "int32", "int64"),
    "SIGN": ("float32", "int32"),
    "ZEROS_LIKE": ("float32", "int32", "int64"),
    "LOGICAL_NOT": ("bool",),
}
CASES: dict[str, Maker] = {
    **{f"{code}:{d}": quantized(code, d) for code, dtypes in _QUANTIZED.items() for d in dtypes},
    **{f"{code}:{d}": plain(code, d) for code, dtypes in _PLAIN.items() for d in dtypes},
    **{f"QUANTIZE:{dtype}": quantize(dtype) for dtype in _QUANTIZE_TO},
    **{f"DEQUANTIZE:{dtype}": dequantize(dtype) for dtype in _ALL},
    "DEQUANTIZE:float16": dequantize_half,
    **{f"CAST:{dtype}": cast(dtype) for dtype in CAST_DTYPES},
}

"""Random ops of two operands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.firmware_glue.compiler.cases.common import ACTIVATIONS, Maker, Rng, pick, scale
from tests.firmware_glue.compiler.cases.operands import (
    QUANTIZED,
    Operands,
    pair_of_shapes,
    quantized,
    random_data,
)

_SUMS = ("ADD", "SUB")
_DIVIDES = ("DIV", "FLOOR_DIV", "FLOOR_MOD")


def _options(code: str, rng: Rng) -> dict[str, object]:
    if code not in ("ADD", "SUB", "MUL", "DIV"):
        return {}
    options: dict[str, object] = {"fused_activation_function": pick(rng, *ACTIVATIONS)}
    return options | ({"pot_scale_int16": bool(rng.random() < 0.5)} if code in _SUMS else {})


def _output_scale(code: str, rng: Rng, dtype: str, s1: float, s2: float) -> float:
    top = 100.0 * (256 if dtype == "int16" else 1)
    if code == "MUL":
        real = s1 * s2 * top * rng.uniform(0.05, 2)
        return real / 2.0 ** rng.integers(0, 20) if rng.random() < 0.1 else real
    if code == "DIV":
        return s1 / s2 / 2 ** rng.uniform(-4, 13)
    if code == "SQUARED_DIFFERENCE":
        return max(s1, s2) ** 2 * top * rng.uniform(0.1, 3)
    return max(s1, s2) * rng.uniform(0.3, 3)


def arithmetic(code: str, dtype: str) -> Callable[[Rng], bytes]:
    """Quantized arithmetic; its divisors are constants, as TFLite stops at zeros."""

    def make(rng: Rng) -> bytes:
        operands, shapes = Operands(), pair_of_shapes(rng)
        first = quantized(rng, dtype)
        second = quantized(rng, dtype, first[0])
        operands.add(shapes[0], dtype, first)
        data = None
        if code == "DIV" or rng.random() < 0.3:
            data = random_data(rng, dtype, shapes[1])
            data = np.where(data == second[1], second[1] ^ 1, data) if code == "DIV" else data
        operands.add(shapes[1], dtype, second, data)
        real = _output_scale(code, rng, dtype, first[0], second[0])
        # A tiny scale makes TFLite refuse the range of an activation.
        out = (float(np.float32(max(real, 1e-7))), quantized(rng, dtype)[1])
        y = operands.build.tensor(np.broadcast_shapes(*shapes), dtype, *out)
        return operands.finish(code, [y], **_options(code, rng))

    return make


def int16_sum(code: str) -> Callable[[Rng], bytes]:
    """int16 with scales that are powers of two, or not, or without any scale (ADD)."""

    def make(rng: Rng) -> bytes:
        kind = rng.random()
        if kind < 0.5:
            return arithmetic(code, "int16")(rng)
        if kind < 0.6 and code == "ADD":
            return plain(code, "int16")(rng)
        shapes = pair_of_shapes(rng)
        if code == "ADD":
            shapes[1] = shapes[0]
        operands, scales = Operands(), [2.0 ** -int(rng.integers(3, 15))] * 3
        finer = int(rng.integers(2))
        scales[finer] /= 2.0 ** int(rng.integers(0, 6))
        for shape, real in zip(shapes, scales, strict=False):
            operands.add(shape, "int16", (real, 0))
        y = operands.build.tensor(np.broadcast_shapes(*shapes), "int16", scales[2], 0)
        activation = pick(rng, *ACTIVATIONS)
        return operands.finish(
            code, [y], fused_activation_function=activation, pot_scale_int16=True
        )

    return make


def _second(code: str, rng: Rng, dtype: str, shape: tuple[int, ...]) -> object:
    data = random_data(rng, dtype, shape)
    if code in _DIVIDES:
        return np.where(data == 0, 3, data)
    if code == "POW" and dtype == "int32":
        return rng.integers(0, 9, shape)
    if code == "RIGHT_SHIFT" and rng.random() < 0.5:
        return rng.integers(0, 9, shape)
    return data if rng.random() < 0.3 else None


def plain(code: str, dtype: str) -> Callable[[Rng], bytes]:
    """Numbers without scales; sometimes with one that TFLite ignores."""

    def make(rng: Rng) -> bytes:
        operands, shapes = Operands(), pair_of_shapes(rng)
        scaled = code in ("MAXIMUM", "MINIMUM") and dtype in QUANTIZED
        given = [quantized(rng, dtype) if scaled else () for _ in range(3)]
        operands.add(shapes[0], dtype, given[0])
        operands.add(shapes[1], dtype, given[1], _second(code, rng, dtype, shapes[1]))
        y = operands.build.tensor(np.broadcast_shapes(*shapes), dtype, *given[2])
        options = _options(code, rng)
        return operands.finish(code, [y], **options)

    return make


def run_time_divisor(rng: Rng) -> bytes:
    """DIV by a tensor that is clamped away from 0 while the model runs."""
    operands, shape = Operands(), (3, 4)
    s, z = scale(rng), 0
    top = operands.add(shape, "int8", quantized(rng, "int8"))
    raw = operands.add(shape, "int8", (s, z))
    build = operands.build
    one = build.tensor((), "int8", s, z, data=np.array(1))
    divisor = build.tensor(shape, "int8", s, z)
    build.op("MAXIMUM", [raw, one], [divisor])
    y = build.tensor(shape, "int8", 0.5, 3)
    build.op("DIV", [top, divisor], [y])
    return build.build([top, raw], [y])


def _div_int8(rng: Rng) -> bytes:
    return run_time_divisor(rng) if rng.random() < 0.2 else arithmetic("DIV", "int8")(rng)


_INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
_PLAIN = {
    "ADD": ("int32", "int64", "float32"),
    "SUB": ("int32", "int64", "float32"),
    "MUL": ("int32", "int64", "float32"),
    "DIV": ("int32", "float32"),
    "SQUARED_DIFFERENCE": ("int32", "float32"),
    "MAXIMUM": (*_INTEGERS, "float32"),
    "MINIMUM": (*_INTEGERS, "float32"),
    "FLOOR_DIV": ("int8", "int16", "int32", "float32"),
    "FLOOR_MOD": ("int8", "int16", "int32", "int64", "float32"),
    "POW": ("int32", "float32"),
    "BITWISE_XOR": ("int8", "uint8", "int16", "int32"),
    "RIGHT_SHIFT": ("int8", "uint8", "int16", "int32"),
}
CASES: dict[str, Maker] = {
    **{
        f"{code}:{dtype}": arithmetic(code, dtype)
        for code in ("ADD", "SUB", "MUL", "DIV")
        for dtype in QUANTIZED
    },
    **{f"{code}:int16": int16_sum(code) for code in _SUMS},
    "DIV:int8": _div_int8,
    "SQUARED_DIFFERENCE:int8": arithmetic("SQUARED_DIFFERENCE", "int8"),
    **{
        f"{code}:{dtype}": plain(code, dtype) for code, dtypes in _PLAIN.items() for dtype in dtypes
    },
}

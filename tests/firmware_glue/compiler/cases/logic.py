"""Random comparisons, logical ops and selections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.firmware_glue.compiler.cases.common import Maker, Rng, pick, shape_of
from tests.firmware_glue.compiler.cases.operands import (
    QUANTIZED,
    Operands,
    pair_of_shapes,
    quantized,
    random_data,
)

_COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
_NUMBERS = ("int8", "uint8", "int16", "int32", "int64", "float32")


def compare(code: str, dtype: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        operands, shapes = Operands(), pair_of_shapes(rng)
        # TFLite's result is undefined from scale 1 on.
        one = quantized(rng, dtype)
        one = (min(one[0], 0.4), one[1])
        two = pick(rng, one, (min(quantized(rng, dtype, one[0])[0], 0.9), one[1]))
        if dtype == "int16" and code != "NOT_EQUAL" and rng.random() < 0.3:
            one = two = ()
        for position, (shape, given) in enumerate(zip(shapes, (one, two), strict=True)):
            data = None
            if position == 1 and rng.random() < 0.4:
                # Few values, so that some are equal.
                few = rng.integers(0, 2, shape) if dtype == "bool" else rng.integers(0, 9, shape)
                data = few if rng.random() < 0.5 else random_data(rng, dtype, shape)
            operands.add(shape, dtype, given if dtype in QUANTIZED else (), data)
        y = operands.build.tensor(np.broadcast_shapes(*shapes), "bool")
        return operands.finish(code, [y])

    return make


def logical(code: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        operands, shapes = Operands(), pair_of_shapes(rng)
        operands.add(shapes[0], "bool")
        operands.add(
            shapes[1], "bool", (), rng.random(shapes[1]) < 0.5 if rng.random() < 0.3 else None
        )
        y = operands.build.tensor(np.broadcast_shapes(*shapes), "bool")
        return operands.finish(code, [y])

    return make


def select(code: str, dtype: str) -> Callable[[Rng], bytes]:
    """SELECT: one shape, or a vector of rows; SELECT_V2: three shapes that broadcast."""

    def make(rng: Rng) -> bytes:
        operands, shape = Operands(), shape_of(rng)
        given = quantized(rng, dtype) if dtype in QUANTIZED else ()
        shapes = [shape, shape, shape]
        if code == "SELECT":
            shapes[0] = pick(rng, shape, shape[:1], ())
        elif rng.random() < 0.7:
            shapes = [
                tuple(1 if rng.random() < 0.4 else size for size in shape)[
                    int(rng.integers(len(shape) + 1)) if rng.random() < 0.2 else 0 :
                ]
                for _ in shapes
            ]
        operands.add(shapes[0], "bool")
        for one in shapes[1:]:
            data = random_data(rng, dtype, one) if rng.random() < 0.3 else None
            operands.add(one, dtype, given, data)
        y = operands.build.tensor(
            np.broadcast_shapes(*shapes[-2:], shapes[0] if code != "SELECT" else ()), dtype, *given
        )
        return operands.finish(code, [y])

    return make


def prelu(dtype: str) -> Callable[[Rng], bytes]:
    slope_dtype = "int8" if dtype == "int16" else dtype

    def make(rng: Rng) -> bytes:
        operands, shape = Operands(), shape_of(rng, 1, 5)
        alpha = tuple(1 if rng.random() < 0.4 else size for size in shape)
        if rng.random() < 0.3:
            alpha = alpha[int(rng.integers(len(alpha))) :]
        given: list[tuple[float, int] | tuple[()]] = [(), (), ()]
        if dtype in QUANTIZED:
            x, slope = quantized(rng, dtype), quantized(rng, slope_dtype, 0.02)
            given = [x, slope, quantized(rng, dtype, x[0])]
        operands.add(shape, dtype, given[0])
        data = random_data(rng, slope_dtype, alpha) if rng.random() < 0.7 else None
        operands.add(alpha, slope_dtype, given[1], data)
        return operands.finish("PRELU", [operands.build.tensor(shape, dtype, *given[2])])

    return make


def add_n(dtype: str) -> Callable[[Rng], bytes]:
    def make(rng: Rng) -> bytes:
        operands, shape = Operands(), shape_of(rng)
        for position in range(int(rng.integers(2, 6))):
            data = random_data(rng, dtype, shape) if position and rng.random() < 0.3 else None
            operands.add(shape, dtype, (), data)
        if rng.random() < 0.3:
            operands.tensors.append(operands.tensors[0])
        return operands.finish("ADD_N", [operands.build.tensor(shape, dtype)])

    return make


CASES: dict[str, Maker] = {
    **{f"{code}:{dtype}": compare(code, dtype) for code in _COMPARISONS for dtype in _NUMBERS},
    **{f"{code}:bool": compare(code, "bool") for code in ("EQUAL", "NOT_EQUAL")},
    **{f"{code}:bool": logical(code) for code in ("LOGICAL_AND", "LOGICAL_OR")},
    **{
        f"{code}:{dtype}": select(code, dtype)
        for code in ("SELECT", "SELECT_V2")
        for dtype in (*_NUMBERS, "bool")
    },
    **{f"PRELU:{dtype}": prelu(dtype) for dtype in (*QUANTIZED, "float32")},
    **{f"ADD_N:{dtype}": add_n(dtype) for dtype in ("int32", "float32")},
}

"""Arithmetic of two operands without scales: integers that wrap around, and float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Numerics, Op
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.spec import Array, Variant

Function = Callable[[Array, Array], Array]
"""Two arrays of one shape and dtype → the result in that dtype; nothing is raised or warned of."""
_TOP = 1 << 31


def _wrap(function: Function) -> Function:
    def run(a: Array, b: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.asarray(function(a, b), a.dtype)

    return run


def _truncated(a: Array, b: Array) -> Array:
    """A / b towards 0; 0 where b is 0."""
    wide, divisor = a.astype(np.int64), np.where(b == 0, 1, b).astype(np.int64)
    quotient = np.abs(wide) // np.abs(divisor) * np.sign(wide) * np.sign(divisor)
    return np.where(b == 0, 0, quotient).astype(a.dtype)


def _quotient(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    return _truncated(a, b)


def _floor_mod(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        rest = np.fmod(a, b)
        return np.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest).astype(a.dtype)
    divisor = np.where(b == 0, 1, b)
    return np.where(b == 0, 0, np.mod(a, divisor)).astype(a.dtype)


def _floor_div(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.floor(a.astype(np.float64) / b.astype(np.float64)).astype(a.dtype)
    divisor = np.where(b == 0, 1, b)
    return np.where(b == 0, 0, np.floor_divide(a, divisor)).astype(a.dtype)


def _integer_power(a: Array, b: Array) -> Array:
    """Exact where it fits int32, else INT32_MIN; 0 for negative exponents."""
    exponent = np.clip(b, 0, 64).astype(np.float64)
    # Beyond 64 only the sign of ±1 still depends on the exponent.
    exponent = np.where(b > 64, 64 + (b & 1), exponent)
    real = np.power(a.astype(np.float64), exponent)
    fits = (real >= -_TOP) & (real < _TOP)
    result = np.where(fits, real, -_TOP).astype(np.int64)
    return np.where(b < 0, 0, result).astype(a.dtype)


def _wrapping_power(a: Array, b: Array) -> Array:
    """Modulo 2^32; 0 for negative exponents."""
    result, factor = np.ones(a.shape, np.uint32), a.astype(np.uint32)
    for bit in range(31):
        result = np.where(b >> bit & 1, result * factor, result)
        factor = factor * factor
    return np.where(b < 0, 0, result.astype(np.int32)).astype(a.dtype)


def _power(a: Array, b: Array) -> Array:
    return np.power(a, b) if a.dtype.kind == "f" else _integer_power(a, b)


def _right_shift(a: Array, b: Array) -> Array:
    top = a.dtype.itemsize * 8 - 1
    return np.right_shift(a, np.clip(b, 0, top).astype(a.dtype))


FUNCTIONS: dict[str, Function] = {
    "add": _wrap(np.add),
    "sub": _wrap(np.subtract),
    "mul": _wrap(np.multiply),
    "squared_difference": _wrap(lambda a, b: (a - b) * (a - b)),
    "div": _quotient,
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
    "floor_div": _floor_div,
    "floor_mod": _floor_mod,
    "pow": _power,
    "pow_wrapping": _wrapping_power,
    "bitwise_xor": np.bitwise_xor,
    "right_shift": _right_shift,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
}
"""Kernel name without suffix → the arithmetic."""
_ACTIVATED = ("add", "sub", "mul", "div")
"""Those that take a fused activation."""


def _bounds(graph: Graph, op: Op) -> tuple[int, int, int]:
    """(how many ends of the range are closed, lowest, highest) of the fused activation."""
    # TFLite Micro ignores the activation here.
    ignored = graph.numerics is Numerics.TFLM and op.code == "ADD"
    low, high = fixed_point.ACTIVATIONS["NONE" if ignored else op.options.activation]
    closed = 0 if low is None else 1 if high is None else 2
    return closed, int(low or 0), int(high or 0)


def _no_fields(graph: Graph, op: Op) -> broadcast.Fields:
    return (("bounds", 0), ("act_min", 0), ("act_max", 0))


def _integer_fields(graph: Graph, op: Op) -> broadcast.Fields:
    closed, low, high = _bounds(graph, op)
    return (("bounds", closed), ("act_min", low), ("act_max", high))


def _float_fields(graph: Graph, op: Op) -> broadcast.Fields:
    activation = "NONE" if op.options is None else op.options.activation
    low, high = fixed_point.float_range(activation)
    return (("act_min", low), ("act_max", high))


def _activated(graph: Graph, op: Op, values: Array) -> Array:
    if values.dtype.kind == "f":
        low, high = fixed_point.float_range(op.options.activation)
        return np.clip(values, np.float32(low), np.float32(high))
    closed, lowest, highest = _bounds(graph, op)
    if closed:
        values = np.maximum(values, values.dtype.type(lowest))
    return np.minimum(values, values.dtype.type(highest)) if closed == 2 else values


def variant(name: str, dtype: str, kernel: str | None = None) -> Variant:
    """An op of ``FUNCTIONS`` on one dtype; ``kernel`` where it is not called name_suffix."""
    function, activated = FUNCTIONS[name], name in _ACTIVATED
    kernel = kernel or f"{name}_{broadcast.SUFFIXES[dtype]}"

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        with np.errstate(all="ignore"):
            result = function(*np.broadcast_arrays(values[0], values[1]))
        return (_activated(graph, op, result) if activated else result,)

    if dtype == DType.FLOAT32.value:
        header, struct, fields = "_float", "ec_elementwise_float_params", _float_fields
    else:
        header, struct = "", "ec_elementwise_params"
        fields = _integer_fields if activated else _no_fields
    lower = broadcast.lowered(kernel, f"edgecnn_elementwise{header}.h", struct, fields)
    whole = dtype != DType.FLOAT32.value and name in ("div", "floor_div", "floor_mod")
    return Variant(kernel, reference, lower, note=broadcast.NO_DIVISION if whole else "")

"""Functions of one float32, and of integers that have no scale: C kernels of ``edgecnn_unary.h``.

The numpy side is computed in double and rounded once; within a few ulp of the C side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import lut
from firmware_glue.compiler.ops.rescale import SUFFIX
from firmware_glue.compiler.ops.spec import Array, Lowered, Params, Rule, Variant

Doubles = NDArray[np.float64]
Limits = Callable[[Any], tuple[float, ...]]
"""The op's options → the parameters a, b, … of its kernel."""


def _none(options: Any) -> tuple[float, ...]:
    return ()


def variant(
    kernel: str,
    function: Callable[..., Array],
    parameters: Limits = _none,
    rules: tuple[Rule, ...] = (lut.same_dtypes,),
) -> Variant:
    """A variant of ``ec_<kernel>``; ``function`` gets the values and the parameters."""

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        x = values[0]
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64) if x.dtype == np.float32 else x
            return (np.asarray(function(wide, *parameters(op.options))).astype(x.dtype),)

    def lower(graph: Graph, op: Op) -> Lowered:
        a, b, step = (*parameters(op.options), 0.0, 0.0, 0.0)[:3]
        fields = (("count", graph.input(op, 0).elements), ("a", a), ("b", b), ("step", step))
        return lut.in_place(kernel, "edgecnn_unary.h", Params("ec_unary_params", fields), op)

    return Variant(kernel, reference, lower, rules)


def per_dtype(kernel: str, function: Callable[..., Array], *dtypes: str) -> dict[str, Variant]:
    """Variants ``<kernel>_<suffix>`` of integers that ignore scales."""
    suffixes = {dtype.value: suffix for dtype, suffix in SUFFIX.items()}
    return {dtype: variant(f"{kernel}_{suffixes[dtype]}", function) for dtype in dtypes}


def erf(x: Doubles) -> Doubles:
    """The error function, element by element."""
    return np.array([math.erf(v) for v in np.ravel(x)], np.float64).reshape(np.shape(x))


def erfc(x: Doubles) -> Doubles:
    """1 − erf(x) without cancellation."""
    return np.array([math.erfc(v) for v in np.ravel(x)], np.float64).reshape(np.shape(x))


def clip(x: Doubles, low: float, high: float) -> Doubles:
    """NaN stays NaN."""
    return np.where(x < low, low, np.where(x > high, high, x))


def leaky_relu(x: Doubles, alpha: float) -> Doubles:
    """The product is one of float32 values."""
    return np.where(x > 0, x, x * np.float64(np.float32(alpha)))


def hard_swish(x: Doubles) -> Doubles:
    """Swish by a hard gate: x · relu6(x + 3) / 6."""
    return x * clip(x + 3, 0.0, 6.0) / 6


def gelu(x: Doubles) -> Doubles:
    """Exact GELU: x · Φ(x)."""
    return 0.5 * x * erfc(x * -math.sqrt(0.5))


def gelu_tanh(x: Doubles) -> Doubles:
    """GELU's approximation by tanh."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


def logistic(x: Doubles) -> Doubles:
    """1 / (1 + exp(−x)), and exp(x) below −9 as in TFLite."""
    return np.where(x < -9, np.exp(x), 1 / (1 + np.exp(-x)))


def round_even(x: Doubles) -> Doubles:
    """To nearest, ties to even; never −0."""
    return np.rint(x) + 0.0


def nudged_range(low: float, high: float, bits: int) -> tuple[float, float, float]:
    """FAKE_QUANT's range moved so that 0 is one of its values: (low, high, step), in float32."""
    last = np.float32((1 << bits) - 1)
    step = (np.float32(high) - np.float32(low)) / last
    zero = np.clip(fixed_point.round_half_away(-np.float32(low) / step), np.float32(0), last)
    return float(-zero * step), float((last - zero) * step), float(step)


def fake_quant(x: Doubles, low: float, high: float, step: float) -> Doubles:
    """To the nearest value of the nudged range, in float32."""
    inside = clip(x, low, high).astype(np.float32)
    inverse = np.float32(1) / np.float32(step)
    steps = fixed_point.round_half_away((inside - np.float32(low)) * inverse)
    return (steps * np.float32(step) + np.float32(low)).astype(np.float64)

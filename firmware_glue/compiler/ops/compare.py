"""Comparisons with broadcasting. A new op is one row.

int8 and uint8 operands are brought to one scale as TFLite does. LiteRT does so for int16 in EQUAL
(where it has scales) and NOT_EQUAL, and compares the raw numbers of int16 in the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT, dtypes
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, no_options, rule

Comparison = Callable[[Array, Array], Array]
_LEFT_SHIFT = 8
_HEADER = "edgecnn_compare.h"


def _multiplier(graph: Graph, op: Op, position: int) -> tuple[int, int]:
    return fixed_point.quantize_multiplier(graph.input(op, position).scale)


def _scaled_fields(graph: Graph, op: Op) -> broadcast.Fields:
    (m1, s1), (m2, s2) = _multiplier(graph, op, 0), _multiplier(graph, op, 1)
    return (
        ("offset1", -graph.input(op, 0).zero_point), ("offset2", -graph.input(op, 1).zero_point),
        ("left_shift", _LEFT_SHIFT), ("multiplier1", m1), ("shift1", s1), ("multiplier2", m2),
        ("shift2", s2),
    )  # fmt: skip


def _no_fields(graph: Graph, op: Op) -> broadcast.Fields:
    return ()


@rule("one scale below 1 per input", QUANTIZE_HINT)
def scales_below_one(graph: Graph, op: Op) -> str | None:
    """Compared activations must have one scale each, below 1 (TFLite's result is undefined)."""
    for position in (0, 1):
        tensor = graph.input(op, position)
        quantization = tensor.quantization
        if quantization is None or not quantization.per_tensor:
            return f"'{tensor.name}' has no scale, or several"
        low, high = fixed_point.limits(tensor.dtype)
        if not 0 < tensor.scale < 1 or fixed_point.quantize_multiplier(tensor.scale)[1] > 0:
            return f"'{tensor.name}' has scale {tensor.scale:g}"
        if not low <= tensor.zero_point <= high:
            return f"'{tensor.name}' has zero point {tensor.zero_point}"
    return None


def _scaled(name: str, compare: Comparison, kernel: str) -> Variant:
    def rescaled(graph: Graph, op: Op, values: tuple[Array, ...], position: int) -> Array:
        offset = values[position].astype(np.int64) - graph.input(op, position).zero_point
        multiply = fixed_point.multiply(graph.numerics)
        return multiply(offset << _LEFT_SHIFT, *_multiplier(graph, op, position))

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        return (compare(*(rescaled(graph, op, values, position) for position in (0, 1))),)

    lower = broadcast.lowered(kernel, _HEADER, "ec_compare_scaled_params", _scaled_fields)
    return Variant(kernel, reference, lower, (scales_below_one,))


def _raw(name: str, compare: Comparison, dtype: str) -> Variant:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        return (compare(values[0], values[1]),)

    kernel = f"{name}_{broadcast.SUFFIXES[dtype]}"
    lower = broadcast.lowered(kernel, _HEADER, "ec_compare_params", _no_fields)
    return Variant(kernel, reference, lower)


def _has_scale(graph: Graph, op: Op) -> bool:
    return any(graph.input(op, position).quantization is not None for position in (0, 1))


def _int16(name: str, compare: Comparison) -> Variant:
    raw = _raw(name, compare, "int16")
    if name == "not_equal":
        return _scaled(name, compare, "not_equal_scaled_s16")
    if name == "equal":
        return broadcast.choose(raw, _scaled(name, compare, "equal_scaled_s16"), _has_scale)
    return raw


def _row(name: str, compare: Comparison) -> OpSpec:
    equality = name in ("equal", "not_equal")
    bytes_ = {"int8": "s8", "uint8": "u8"}
    variants = {
        **{dtype: _scaled(name, compare, f"{name}_{suffix}") for dtype, suffix in bytes_.items()},
        "int16": _int16(name, compare),
        **{dtype: _raw(name, compare, dtype) for dtype in ("int32", "int64", "float32")},
        **({"bool": _raw(name, compare, "bool")} if equality else {}),
    }
    rules = (*broadcast.RANKS, broadcast.one_input_dtype, dtypes(0, DType.BOOL, output=True))
    return OpSpec(no_options, broadcast.infer, variants, rules)


SPECS = {
    "EQUAL": _row("equal", np.equal),
    "NOT_EQUAL": _row("not_equal", np.not_equal),
    "LESS": _row("less", np.less),
    "LESS_EQUAL": _row("less_equal", np.less_equal),
    "GREATER": _row("greater", np.greater),
    "GREATER_EQUAL": _row("greater_equal", np.greater_equal),
}

"""The binary family with broadcasting: ADD, SUB, MUL, DIV, MAXIMUM, … A new op is one row.

Quantized arithmetic is a row of ``binary_quantized``, plain numbers one of ``binary_plain``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import binary_plain as plain
from firmware_glue.compiler.ops import binary_quantized as quantized
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.rules import parse_activation
from firmware_glue.compiler.ops.spec import (
    OpSpec,
    Variant,
    no_options,
)

_BYTES = ("int8", "uint8")
_WHOLE = ("int32", "int64")
_ANY_INTEGER = ("int8", "uint8", "int16", "int32", "int64")


def _parse(options: Mapping[str, Any]) -> quantized.Options:
    activation = parse_activation(options["fused_activation_function"])
    return quantized.Options(activation, bool(options.get("pot_scale_int16", False)))


def _unscaled(graph: Graph, op: Op) -> bool:
    return all(graph.tensors[i].quantization is None for i in (*op.inputs, *op.outputs))


def _one_exponent(graph: Graph, op: Op) -> bool:
    """LiteRT multiplies then, instead of calling pow, and wraps around."""
    base, exponent = graph.input(op, 0), graph.input(op, 1)
    return exponent.elements == 1 and base.shape != exponent.shape


def _row(
    variants: Mapping[str, Variant], parse: Callable[[Mapping[str, Any]], Any] = no_options
) -> OpSpec:
    return OpSpec(parse, broadcast.infer, variants, (*broadcast.RANKS, broadcast.one_dtype))


def _plain(name: str, *dtypes: str) -> dict[str, Variant]:
    return {dtype: plain.variant(name, dtype) for dtype in dtypes}


def _quantized(arithmetic: quantized.Arithmetic, *dtypes: str) -> dict[str, Variant]:
    return {dtype: quantized.variant(arithmetic, dtype) for dtype in dtypes}


def _int16(scaled: Variant, name: str) -> dict[str, Variant]:
    """int16 with scales is quantized, without them it wraps around."""
    wrapping = plain.variant(name, "int16", f"{name}_plain_s16")
    return {"int16": broadcast.choose(scaled, wrapping, _unscaled)}


def _pow() -> dict[str, Variant]:
    wrapping = plain.variant("pow_wrapping", "int32")
    whole = broadcast.choose(plain.variant("pow", "int32"), wrapping, _one_exponent)
    return {"int32": whole, "float32": plain.variant("pow", "float32")}


SPECS = {
    "ADD": _row(
        {
            **_quantized(quantized.ADD, *_BYTES),
            **_int16(quantized.int16_sum(quantized.ADD), "add"),
            **_plain("add", *_WHOLE, "float32"),
        },
        _parse,
    ),
    "SUB": _row(
        {
            **_quantized(quantized.SUB, *_BYTES),
            "int16": quantized.int16_sum(quantized.SUB),
            **_plain("sub", *_WHOLE, "float32"),
        },
        _parse,
    ),
    "MUL": _row(
        {
            **_quantized(quantized.MUL, *_BYTES),
            **_int16(quantized.variant(quantized.MUL, "int16"), "mul"),
            **_plain("mul", *_WHOLE, "float32"),
        },
        _parse,
    ),
    "DIV": _row(
        {
            **_quantized(quantized.DIV, *_BYTES, "int16"),
            **_plain("div", "int32", "float32"),
        },
        _parse,
    ),
    "SQUARED_DIFFERENCE": _row(
        {
            **_quantized(quantized.SQUARED_DIFFERENCE, "int8"),
            **_plain("squared_difference", "int32", "float32"),
        },
        lambda options: quantized.Options(),
    ),
    "MAXIMUM": _row(_plain("maximum", *_ANY_INTEGER, "float32")),
    "MINIMUM": _row(_plain("minimum", *_ANY_INTEGER, "float32")),
    "FLOOR_DIV": _row(_plain("floor_div", "int8", "int16", "int32", "float32")),
    "FLOOR_MOD": _row(_plain("floor_mod", "int8", "int16", *_WHOLE, "float32")),
    "POW": _row(_pow()),
    "BITWISE_XOR": _row(_plain("bitwise_xor", "int8", "uint8", "int16", "int32")),
    "RIGHT_SHIFT": _row(_plain("right_shift", "int8", "uint8", "int16", "int32")),
    "LOGICAL_AND": _row({"bool": plain.variant("logical_and", "bool", "logical_and")}),
    "LOGICAL_OR": _row({"bool": plain.variant("logical_or", "bool", "logical_or")}),
}

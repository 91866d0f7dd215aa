"""QUANTIZE and DEQUANTIZE: float32 ↔ integers, and from one integer scale to another."""

from __future__ import annotations

import math

import numpy as np

from edgecnn.core.tflite.model import DType, Quantization
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import lut, rescale, unary_fixed, unary_special
from firmware_glue.compiler.ops.rescale import SUFFIX, Pieces
from firmware_glue.compiler.ops.rules import constant, dtypes, per_tensor
from firmware_glue.compiler.ops.spec import (
    Array,
    Lowered,
    OpSpec,
    Params,
    Variant,
    no_options,
    rule,
    same_shape,
)


def _reciprocal(scale: float) -> tuple[int, int]:
    """Sixteen bits of 1 / scale, and where they lie: see ``ec_round_quotient`` in C."""
    half, exponent = math.frexp(scale)
    return min(int(0x8000 / half), 0xFFFF), 155 + exponent


def _quantize(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    out = graph.output(op)
    with np.errstate(over="ignore"):
        real = values[0].astype(np.float32) / np.float32(out.scale)
    near = np.clip(np.where(np.isnan(real), -np.inf, real), -(2.0**30), 2.0**30)
    q = fixed_point.round_half_away(near).astype(np.int64) + out.zero_point
    return (np.clip(q, *fixed_point.limits(out.dtype)).astype(out.dtype.value),)


def _lower_quantize(graph: Graph, op: Op) -> Lowered:
    out = graph.output(op)
    low, high = fixed_point.limits(out.dtype)
    reciprocal, places = _reciprocal(out.scale)
    fields = (
        ("scale", out.scale), ("zero_point", out.zero_point), ("low", low), ("high", high),
        ("reciprocal", reciprocal), ("places", places),
    )  # fmt: skip
    params = Params("ec_quantize_params", fields)
    kernel = f"quantize_f32_{SUFFIX[out.dtype]}"
    return rescale.convert_call(graph, op, kernel, "edgecnn_quantize.h", params)


def _dequantize(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x = graph.input(op, 0)
    q = x.quantization or Quantization((1.0,), (0,))
    scales, zeros = np.array(q.scale, np.float32), np.array(q.zero_point, np.int64)
    if not q.per_tensor:
        column = [-1 if axis == q.axis else 1 for axis in range(len(x.shape))]
        scales, zeros = scales.reshape(column), zeros.reshape(column)
    return (((values[0].astype(np.int64) - zeros).astype(np.float32) * scales).astype(np.float32),)


def _lower_dequantize(graph: Graph, op: Op) -> Lowered:
    x = graph.input(op, 0)
    params = Params("ec_dequantize_params", (("scale", x.scale), ("zero_point", x.zero_point)))
    kernel = f"dequantize_{SUFFIX[x.dtype]}_f32"
    return rescale.convert_call(graph, op, kernel, "edgecnn_quantize.h", params)


def _half(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    return (values[0].astype(np.float32),)


def requantize(graph: Graph, op: Op) -> Pieces:
    """From one scale to another."""
    x, y = graph.input(op, 0), graph.output(op)
    multiplier = fixed_point.quantize_multiplier(x.scale / y.scale)
    return rescale.linear(graph, op, multiplier)


@rule("one scale, or a constant with a scale per channel")
def one_scale_or_constant(graph: Graph, op: Op) -> str | None:
    """The input must be quantized with one scale and zero point, unless it is a constant."""
    x = graph.input(op, 0)
    if not x.is_constant or x.quantization is None or x.quantization.per_tensor:
        return per_tensor(0).check(graph, op)
    axis, scales = x.quantization.axis, len(x.quantization.scale)
    fits = 0 <= axis < len(x.shape) and x.shape[axis] == scales
    return None if fits else f"{scales} scales along axis {axis} of {list(x.shape)}"


_INT8, _UINT8, _INT16, _INT32 = DType.INT8, DType.UINT8, DType.INT16, DType.INT32


def _from_byte(*wide: DType) -> Variant:
    table = lut.table8(unary_fixed.pieces(requantize), outputs=(_INT8, _UINT8))
    computed = rescale.variant(requantize, "rescale", dtypes(0, _INT8, _UINT8, *wide, output=True))

    def is_wide(graph: Graph, op: Op) -> bool:
        return graph.output(op).dtype not in (_INT8, _UINT8)

    return unary_special.either(is_wide, computed, table)


def _rescaled(kernel: str, *outputs: DType) -> Variant:
    return rescale.variant(requantize, kernel, dtypes(0, *outputs, output=True))


SPECS = {
    "QUANTIZE": OpSpec(
        no_options, same_shape,
        {
            "float32": Variant(
                "quantize_f32", _quantize, _lower_quantize,
                (dtypes(0, _INT8, _UINT8, _INT16, output=True),),
            ),
            "int8": _from_byte(_INT16, _INT32),
            "uint8": _from_byte(_INT16),
            "int16": _rescaled("rescale_s16", _INT8, _INT16, _INT32),
            "int32": _rescaled("rescale_s32", _INT8, _INT16),
        },
        (per_tensor(0),),
    ),
    "DEQUANTIZE": OpSpec(
        no_options, same_shape,
        {
            **{
                dtype: Variant(
                    "dequantize_f32", _dequantize, _lower_dequantize, (one_scale_or_constant,)
                )
                for dtype in ("int8", "uint8", "int16")
            },
            "float16": Variant("", _half, None, (constant(0, "float16 input"),)),
        },
        (dtypes(0, DType.FLOAT32, output=True),),
    ),
}  # fmt: skip

"""QUANTIZE and DEQUANTIZE: float32 ↔ 8 bits, and between 8-bit types (a table)."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Tensor
from firmware_glue.compiler.ops import unary
from firmware_glue.compiler.ops.rules import dtypes, per_tensor
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    no_options,
    out_args,
    same_shape,
    tensor_args,
)


def _limits(tensor: Tensor) -> tuple[int, int]:
    return (0, 255) if tensor.dtype is DType.UINT8 else (-128, 127)


def _params(count: int, quantized: Tensor) -> Params:
    low, high = _limits(quantized)
    return Params(
        "ec_affine_params",
        (
            ("count", count),
            ("scale", quantized.scale),
            ("zero_point", quantized.zero_point),
            ("low", low),
            ("high", high),
        ),
    )


def _quantize(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    if graph.input(op, 0).dtype is not DType.FLOAT32:
        return unary.table_reference(unary.requantize, graph, op, values)
    out = graph.output(op)
    real = np.clip(values[0].astype(np.float32) / np.float32(out.scale), -65536, 65536)
    q = fixed_point.round_half_away(real).astype(np.int64) + out.zero_point
    return (np.clip(q, *_limits(out)).astype(out.dtype.value),)


def _lower_quantize(graph: Graph, op: Op) -> Lowered:
    if graph.input(op, 0).dtype is not DType.FLOAT32:
        return unary.table_call(unary.requantize, graph, op)
    out = graph.output(op)
    args = (*tensor_args(op, 1), *out_args(op))
    params = _params(out.elements, out)
    call = Call("ec_quantize_f32", "edgecnn_quantize.h", params, args)
    # Byte i is written after float i (bytes 4i … 4i+3) was read.
    overlap = Overlap(op.inputs[0], op.outputs[0], 0)
    return Lowered("quantize_f32", (call,), overlaps=(overlap,))


def _dequantize(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x = graph.input(op, 0)
    real = values[0].astype(np.int64) - x.zero_point
    return ((real.astype(np.float32) * np.float32(x.scale)).astype(np.float32),)


def _lower_dequantize(graph: Graph, op: Op) -> Lowered:
    x = graph.input(op, 0)
    args = (*tensor_args(op, 1), *out_args(op))
    call = Call("ec_dequantize_f32", "edgecnn_quantize.h", _params(x.elements, x), args)
    return Lowered("dequantize_f32", (call,))


_BYTES = (DType.INT8, DType.UINT8)
SPECS = {
    "QUANTIZE": OpSpec(
        no_options, same_shape,
        {
            dtype: Variant(kernel, _quantize, _lower_quantize)
            for dtype, kernel in zip(
                ("float32", "int8", "uint8"), ("quantize_f32", "lut_8", "lut_8"), strict=True
            )
        },
        (dtypes(0, *_BYTES, output=True), per_tensor(0)),
    ),
    "DEQUANTIZE": OpSpec(
        no_options, same_shape,
        {
            dtype: Variant("dequantize_f32", _dequantize, _lower_dequantize)
            for dtype in ("int8", "uint8")
        },
        (dtypes(0, DType.FLOAT32, output=True), per_tensor(0)),
    ),
}  # fmt: skip

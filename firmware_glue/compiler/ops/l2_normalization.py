"""L2_NORMALIZATION over the last dimension: TFLite's fixed point for 8 bits, or float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import softmax
from firmware_glue.compiler.ops.reduce import SUFFIXES
from firmware_glue.compiler.ops.rules import per_tensor, rank, same_dtype
from firmware_glue.compiler.ops.softmax import rows_of
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    OptionError,
    Overlap,
    Params,
    Variant,
    out_args,
    rule,
    same_shape,
    tensor_args,
)


def parse(options: Mapping[str, Any]) -> None:
    """Reads L2NormOptions.

    Raises:
        OptionError: a fused activation, which TFLite refuses too.
    """
    name = str(options["fused_activation_function"] or "NONE")
    if name != "NONE":
        raise OptionError("The op must have no fused activation.", name, "NONE")


@rule("scale 1/128, zero point 0 (uint8: 128)")
def output_scale(graph: Graph, op: Op) -> str | None:
    """The output must have the scale and zero point that TFLite fixes."""
    out = graph.output(op)
    zero = 128 if out.dtype is DType.UINT8 else 0
    good = out.scale == 1 / 128 and out.zero_point == zero
    return None if good else f"scale {out.scale:g}, zero point {out.zero_point}"


@rule("at most 32768 values")
def depth_of_squares(graph: Graph, op: Op) -> str | None:
    """The squares of the last dimension must fit a sum of 32 bits."""
    depth = graph.input(op, 0).shape[-1]
    return None if depth <= 32768 else f"{depth}"


def _reference_8(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x, out = graph.input(op, 0), graph.output(op)
    real: Ints = rows_of(values[0]).astype(np.int64) - x.zero_point
    factors = [fixed_point.inverse_sqrt(int(v)) for v in (real * real).sum(axis=1)]
    multiplier, shift = (np.array(column).reshape(-1, 1) for column in zip(*factors, strict=True))
    multiply = fixed_point.multiply(graph.numerics)
    if out.dtype is DType.UINT8:
        result = 128 + multiply(128 * real, multiplier, shift)
    else:
        result = multiply(real, multiplier, shift + 7)
    clipped = np.clip(result, *fixed_point.limits(out.dtype))
    return (clipped.astype(out.dtype.value).reshape(out.shape),)


def _reference_f32(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x = rows_of(values[0])
    norm = np.maximum(np.sqrt(softmax.running_sum(x * x)), np.float32(1e-6))
    return ((x / norm).reshape(values[0].shape),)


def _lower(graph: Graph, op: Op) -> Lowered:
    x = graph.input(op, 0)
    offset = 0 if x.dtype is DType.FLOAT32 else -x.zero_point
    params = Params("ec_l2_normalization_params", (*softmax.shape_fields(x), ("offset", offset)))
    name = f"l2_normalization_{SUFFIXES[x.dtype.value]}"
    args = (*tensor_args(op, 1), *out_args(op))
    call = Call(f"ec_{name}", "edgecnn_l2_normalization.h", params, args)
    return Lowered(name, (call,), overlaps=(Overlap(op.inputs[0], op.outputs[0], 0),))


_RULES_8 = (per_tensor(0), output_scale, depth_of_squares)
SPEC = OpSpec(
    parse, same_shape,
    {
        "int8": Variant("l2_normalization_s8", _reference_8, _lower, _RULES_8),
        "uint8": Variant("l2_normalization_u8", _reference_8, _lower, _RULES_8),
        "float32": Variant("l2_normalization_f32", _reference_f32, _lower),
    },
    (rank(0, 1, MAX_DIMS), same_dtype),
)  # fmt: skip

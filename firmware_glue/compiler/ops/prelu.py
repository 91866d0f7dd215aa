"""PRELU: x, or alpha · x where x is negative, with alpha broadcast to x."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import broadcast
from firmware_glue.compiler.ops.rules import per_tensor
from firmware_glue.compiler.ops.spec import Array, OpSpec, Variant, no_options, rule, same_shape

_HEADER = "edgecnn_prelu.h"
_MAX_SHIFT = 30


def _multipliers(graph: Graph, op: Op) -> tuple[tuple[int, int], tuple[int, int]]:
    x, alpha, out = (
        np.float32(tensor.scale)
        for tensor in (graph.input(op, 0), graph.input(op, 1), graph.output(op))
    )
    with np.errstate(over="ignore", divide="ignore"):
        positive, negative = float(x / out), float(x * alpha / out)
    return fixed_point.quantize_multiplier(positive), fixed_point.quantize_multiplier(negative)


@rule("the input's dtype, int8 where that is int16")
def _dtypes_fit(graph: Graph, op: Op) -> str | None:
    """Alpha and the output must have the input's dtype; an int16 input takes an int8 alpha."""
    x, alpha, out = graph.input(op, 0).dtype, graph.input(op, 1).dtype, graph.output(op).dtype
    wanted = DType.INT8 if x is DType.INT16 else x
    good = alpha is wanted and out is x
    return None if good else f"input {x.value}, alpha {alpha.value}, output {out.value}"


@rule("an output as large as the input")
def _keeps_shape(graph: Graph, op: Op) -> str | None:
    """Alpha must broadcast to the input."""
    x, alpha = graph.input(op, 0).shape, graph.input(op, 1).shape
    return None if np.broadcast_shapes(x, alpha) == x else f"input {list(x)}, alpha {list(alpha)}"


@rule(f"multipliers below 2^{_MAX_SHIFT}")
def _multipliers_fit(graph: Graph, op: Op) -> str | None:
    """The inputs' scales must not be huge beside the output's."""
    tensors = (graph.input(op, 0), graph.input(op, 1), graph.output(op))
    smallest = float(np.finfo(np.float32).tiny)
    if min(tensor.scale for tensor in tensors) < smallest:
        return "a scale below the smallest normal number"
    shift = max(multiplier[1] for multiplier in _multipliers(graph, op))
    return None if shift <= _MAX_SHIFT else f"a multiplier of 2^{shift}"


def _fields(graph: Graph, op: Op) -> broadcast.Fields:
    (m1, s1), (m2, s2) = _multipliers(graph, op)
    low, high = fixed_point.limits(graph.output(op).dtype)
    return (
        ("offset1", -graph.input(op, 0).zero_point), ("offset2", -graph.input(op, 1).zero_point),
        ("out_offset", graph.output(op).zero_point), ("multiplier1", m1), ("shift1", s1),
        ("multiplier2", m2), ("shift2", s2), ("act_min", low), ("act_max", high),
    )  # fmt: skip


def _quantized(dtype: str) -> Variant:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        x, alpha = (values[i].astype(np.int64) - graph.input(op, i).zero_point for i in (0, 1))
        multiply, (positive, negative) = (
            fixed_point.multiply(graph.numerics),
            _multipliers(graph, op),
        )
        product = fixed_point.wrap_int32(x * alpha)
        result = np.where(x >= 0, multiply(x, *positive), multiply(product, *negative))
        out = graph.output(op)
        clipped = np.clip(result + out.zero_point, *fixed_point.limits(out.dtype))
        return (clipped.astype(dtype),)

    kernel = f"prelu_{broadcast.SUFFIXES[dtype]}"
    lower = broadcast.lowered(kernel, _HEADER, "ec_prelu_params", _fields)
    return Variant(kernel, reference, lower, (per_tensor(0, 1), _multipliers_fit))


def _float_reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    x, alpha = values[0], values[1]
    with np.errstate(all="ignore"):
        return (np.where(x >= 0, x, x * alpha),)


_FLOAT = Variant(
    "prelu_f32",
    _float_reference,
    broadcast.lowered("prelu_f32", _HEADER, "ec_prelu_float_params", lambda graph, op: ()),
)
SPEC = OpSpec(
    no_options,
    same_shape,
    {**{dtype: _quantized(dtype) for dtype in ("int8", "uint8", "int16")}, "float32": _FLOAT},
    (*broadcast.RANKS, _dtypes_fit, _keeps_shape),
)

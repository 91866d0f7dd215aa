"""The binary family with broadcasting: ADD, SUB, MUL, MAXIMUM, MINIMUM. A new op is one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import strides
from firmware_glue.compiler.ops.rules import (
    int8_activations,
    parse_activation,
    per_tensor,
    rank,
)
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    no_options,
    out_args,
    tensor_args,
)

Ints = NDArray[np.int64]
_LEFT_SHIFT = 20


@dataclass(frozen=True)
class Rescale:
    """The fixed-point steps of one op; multipliers of 0 stand for unused steps."""

    left_shift: int = 0
    input1: tuple[int, int] = (0, 0)
    input2: tuple[int, int] = (0, 0)
    output: tuple[int, int] = (0, 0)


def parse(options: Mapping[str, Any]) -> str:
    """The fused activation."""
    return parse_activation(options["fused_activation_function"])


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The broadcast shape."""
    return (np.broadcast_shapes(graph.input(op, 0).shape, graph.input(op, 1).shape),)


def _scale_sum(graph: Graph, op: Op) -> Rescale:
    s1, s2 = graph.input(op, 0).scale, graph.input(op, 1).scale
    twice = 2 * max(s1, s2)
    multiplier = fixed_point.quantize_multiplier
    return Rescale(
        _LEFT_SHIFT,
        multiplier(s1 / twice),
        multiplier(s2 / twice),
        multiplier(twice / ((1 << _LEFT_SHIFT) * graph.output(op).scale)),
    )


def _scale_product(graph: Graph, op: Op) -> Rescale:
    s1, s2 = np.float32(graph.input(op, 0).scale), np.float32(graph.input(op, 1).scale)
    real = float(s1 * s2 / np.float32(graph.output(op).scale))
    return Rescale(output=fixed_point.quantize_multiplier(real))


def _no_scale(graph: Graph, op: Op) -> Rescale:
    return Rescale()


def _combine_sum(sign: int) -> Callable[[Rescale, Ints, Ints], Ints]:
    def combine(r: Rescale, a: Ints, b: Ints) -> Ints:
        left = fixed_point.multiply_double(a << r.left_shift, *r.input1)
        right = fixed_point.multiply_double(b << r.left_shift, *r.input2)
        return fixed_point.multiply_double(left + sign * right, *r.output)

    return combine


def _combine_product(r: Rescale, a: Ints, b: Ints) -> Ints:
    return fixed_point.multiply_double(a * b, *r.output)


def _fields(graph: Graph, op: Op, rescale: Rescale) -> tuple[tuple[str, Any], ...]:
    shape = graph.output(op).shape
    steps = []
    for position in (0, 1):
        view = np.broadcast_to(strides.dummy(graph.input(op, position).shape), shape)
        steps.append(view.strides)
    dims, (steps1, steps2) = strides.collapse(shape, *steps)
    return (
        ("rank", len(dims)), ("dims", strides.padded(dims, 1)),
        ("strides1", strides.padded(steps1)), ("strides2", strides.padded(steps2)),
        ("offset1", -graph.input(op, 0).zero_point), ("offset2", -graph.input(op, 1).zero_point),
        ("out_offset", graph.output(op).zero_point), ("left_shift", rescale.left_shift),
        ("multiplier1", rescale.input1[0]), ("shift1", rescale.input1[1]),
        ("multiplier2", rescale.input2[0]), ("shift2", rescale.input2[1]),
        ("multiplier", rescale.output[0]), ("shift", rescale.output[1]),
    )  # fmt: skip


def _row(
    name: str,
    scale: Callable[[Graph, Op], Rescale],
    combine: Callable[[Rescale, Ints, Ints], Ints],
    *,
    arithmetic: bool = True,
) -> OpSpec:
    def limits(graph: Graph, op: Op) -> tuple[int, int]:
        out = graph.output(op)
        return fixed_point.activation_range(op.options or "NONE", out)

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = (values[i].astype(np.int64) for i in (0, 1))
        out = graph.output(op)
        if arithmetic:
            a, b = a - graph.input(op, 0).zero_point, b - graph.input(op, 1).zero_point
        result = combine(scale(graph, op), *np.broadcast_arrays(a, b))
        result = result + (out.zero_point if arithmetic else 0)
        return (np.clip(result, *limits(graph, op)).astype(np.int8),)

    def lower(graph: Graph, op: Op) -> Lowered:
        low, high = limits(graph, op)
        fields = _fields(graph, op, scale(graph, op))
        params = Params("ec_binary_params", (*fields, ("act_min", low), ("act_max", high)))
        args = (*tensor_args(op, 2), *out_args(op))
        elements = graph.output(op).elements
        # In place where an operand is not repeated: element i is read before it is written.
        overlaps = tuple(
            Overlap(i, op.outputs[0], 0) for i in op.inputs if graph.tensors[i].elements == elements
        )
        call = Call(f"ec_{name}_s8", "edgecnn_binary.h", params, args)
        return Lowered(f"{name}_s8", (call,), overlaps=overlaps)

    rules = (rank(0, 0, MAX_DIMS), rank(1, 0, MAX_DIMS))
    variant = Variant(f"{name}_s8", reference, lower, (*int8_activations(2), per_tensor(0, 1)))
    return OpSpec(parse if arithmetic else no_options, infer, {"int8": variant}, rules)


SPECS = {
    "ADD": _row("add", _scale_sum, _combine_sum(1)),
    "SUB": _row("sub", _scale_sum, _combine_sum(-1)),
    "MUL": _row("mul", _scale_product, _combine_product),
    "MAXIMUM": _row("maximum", _no_scale, lambda r, a, b: np.maximum(a, b), arithmetic=False),
    "MINIMUM": _row("minimum", _no_scale, lambda r, a, b: np.minimum(a, b), arithmetic=False),
}

"""The reduce family over any axes: MEAN, REDUCE_MAX, REDUCE_MIN. A new op is one row.

SUM is left out: LiteRT's reference kernel gives garbage for int8 (2.3.0), so there is no judge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import strides
from firmware_glue.compiler.ops.rules import (
    constant,
    int8_activations,
    per_tensor,
    rank,
    same_quantization,
)
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Variant,
    const_ints,
    known_ints,
    out_args,
    rule,
    tensor_args,
)


@dataclass(frozen=True)
class Options:
    """Whether reduced dimensions stay, with size 1."""

    keep_dims: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads ReducerOptions."""
    return Options(bool(options["keep_dims"]))


@rule("axes of the input")
def axes_in_range(graph: Graph, op: Op) -> str | None:
    """Axes must exist in the input."""
    dims = len(graph.input(op, 0).shape)
    bad = [axis for axis in const_ints(graph, op, 1) or () if not -dims <= axis < dims]
    return f"axis {bad[0]} of {dims} dimensions" if bad else None


def _axes(graph: Graph, op: Op) -> tuple[int, ...]:
    dims = len(graph.input(op, 0).shape)
    return tuple(sorted({axis % dims for axis in known_ints(graph, op, 1)})) if dims else ()


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The input's shape without the reduced axes, or with 1 there."""
    axes = _axes(graph, op)
    shape = graph.input(op, 0).shape
    if op.options.keep_dims:
        return (tuple(1 if i in axes else size for i, size in enumerate(shape)),)
    return (tuple(size for i, size in enumerate(shape) if i not in axes),)


def _mean_multiplier(graph: Graph, op: Op) -> tuple[int, int]:
    # 1/N goes into the multiplier, with as many bits as N has and the shift allows.
    real = graph.input(op, 0).scale / graph.output(op).scale
    multiplier, shift = fixed_point.quantize_multiplier(real)
    count = _count(graph, op)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _count(graph: Graph, op: Op) -> int:
    return math.prod(graph.input(op, 0).shape[axis] for axis in _axes(graph, op))


def _loops(graph: Graph, op: Op, sum_fields: tuple[int, int, int, int]) -> Params:
    axes = _axes(graph, op)
    x = strides.dummy(graph.input(op, 0).shape)
    kept = [i for i in range(x.ndim) if i not in axes]
    kept_dims, (kept_steps,) = strides.collapse(
        [x.shape[i] for i in kept], [x.strides[i] for i in kept]
    )
    dims, (steps,) = strides.collapse([x.shape[i] for i in axes], [x.strides[i] for i in axes])
    offset, multiplier, shift, out_offset = sum_fields
    return Params(
        "ec_reduce_params",
        (
            ("kept_rank", len(kept_dims)), ("kept_dims", strides.padded(kept_dims, 1)),
            ("kept_strides", strides.padded(kept_steps)),
            ("reduced_rank", len(dims)), ("reduced_dims", strides.padded(dims, 1)),
            ("reduced_strides", strides.padded(steps)),
            ("sum_offset", offset), ("multiplier", multiplier), ("shift", shift),
            ("out_offset", out_offset),
        ),
    )  # fmt: skip


def _lowered(name: str, op: Op, params: Params) -> Lowered:
    args = (*tensor_args(op, 1), *out_args(op))
    call = Call(f"ec_reduce_{name}_s8", "edgecnn_reduce.h", params, args)
    return Lowered(f"reduce_{name}_s8", (call,))


_RULES = (
    rank(0, 0, MAX_DIMS),
    constant(1, "axes"),
    axes_in_range,
)
_INT8 = (*int8_activations(), per_tensor(0))


def _sum_row(multiplier_of: Callable[[Graph, Op], tuple[int, int]]) -> OpSpec:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        x, out = graph.input(op, 0), graph.output(op)
        acc = (values[0].astype(np.int64) - x.zero_point).sum(axis=_axes(graph, op))
        result = fixed_point.multiply_double(acc, *multiplier_of(graph, op)) + out.zero_point
        return (np.clip(result, -128, 127).astype(np.int8).reshape(out.shape),)

    def lower(graph: Graph, op: Op) -> Lowered:
        x, out = graph.input(op, 0), graph.output(op)
        multiplier, shift = multiplier_of(graph, op)
        offset = -x.zero_point * _count(graph, op)
        return _lowered("sum", op, _loops(graph, op, (offset, multiplier, shift, out.zero_point)))

    return OpSpec(parse, infer, {"int8": Variant("reduce_sum_s8", reference, lower, _INT8)}, _RULES)


def _pick_row(name: str, pick: Callable[..., Array]) -> OpSpec:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        return (pick(values[0], axis=_axes(graph, op)).reshape(graph.output(op).shape),)

    def lower(graph: Graph, op: Op) -> Lowered:
        return _lowered(name, op, _loops(graph, op, (0, 0, 0, 0)))

    rules = (*_INT8, same_quantization(lambda op: (0,)))
    return OpSpec(
        parse, infer, {"int8": Variant(f"reduce_{name}_s8", reference, lower, rules)}, _RULES
    )


SPECS = {
    "MEAN": _sum_row(_mean_multiplier),
    "REDUCE_MAX": _pick_row("max", np.max),
    "REDUCE_MIN": _pick_row("min", np.min),
}

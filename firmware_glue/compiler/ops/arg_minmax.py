"""ARG_MAX and ARG_MIN: the first index of the highest or lowest value along one dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import reduce
from firmware_glue.compiler.ops.rules import constant, dtypes, rank
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Variant,
    const_ints,
    out_args,
    rule,
    tensor_args,
)


@dataclass(frozen=True)
class Options:
    """The dtype of the indices: int32 or int64."""

    output_type: str


def parse(options: Mapping[str, Any]) -> Options:
    """Reads ArgMaxOptions and ArgMinOptions."""
    return Options(str(options["output_type"]).lower())


@rule("one axis")
def one_axis(graph: Graph, op: Op) -> str | None:
    """There must be one axis."""
    count = len(const_ints(graph, op, 1) or ())
    return None if count == 1 else f"{count} axes"


@rule("the output's dtype")
def declared_output(graph: Graph, op: Op) -> str | None:
    """The option output_type must be the output's dtype."""
    declared, dtype = op.options.output_type, graph.output(op).dtype.value
    return None if declared == dtype else f"{declared} and {dtype}"


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The input's shape without the axis."""
    (axis,) = reduce.axes_of(graph, op)
    shape = graph.input(op, 0).shape
    return ((*shape[:axis], *shape[axis + 1 :]),)


def _spec(name: str, pick: Callable[..., Array]) -> OpSpec:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        (axis,) = reduce.axes_of(graph, op)
        found = np.asarray(pick(values[0], axis=axis))
        return (found.astype(graph.output(op).dtype.value),)

    def lower(graph: Graph, op: Op) -> Lowered:
        x, y = graph.input(op, 0), graph.output(op)
        (axis,) = axes = reduce.axes_of(graph, op)
        outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
        params = Params(
            "ec_arg_params", (("outer", outer), ("count", x.shape[axis]), ("inner", inner))
        )
        suffixes = (reduce.SUFFIXES[tensor.dtype.value] for tensor in (x, y))
        kernel = "_".join((f"arg_{name}", *suffixes))
        args = (*tensor_args(op, 1), *out_args(op))
        call = Call(f"ec_{kernel}", "edgecnn_arg_minmax.h", params, args)
        # C lets bytes and equal types share memory; a float read after an index was written over
        # another float, it does not.
        shared = x.dtype.bits == 8 or x.dtype is y.dtype
        return Lowered(kernel, (call,), overlaps=reduce.in_place(graph, op, axes) if shared else ())

    kernels = {
        dtype: Variant(f"arg_{name}_{reduce.SUFFIXES[dtype]}", reference, lower)
        for dtype in ("int8", "uint8", "int32", "float32", "bool")
    }
    limits = (
        rank(0, 1, MAX_DIMS), constant(1, "axis"), one_axis, reduce.axes_in_range,
        dtypes(0, DType.INT32, DType.INT64, output=True), declared_output,
    )  # fmt: skip
    return OpSpec(parse, infer, kernels, limits)


SPECS = {"ARG_MAX": _spec("max", np.argmax), "ARG_MIN": _spec("min", np.argmin)}

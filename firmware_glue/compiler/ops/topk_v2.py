"""TOPK_V2: the k highest values of each row, descending, and their positions."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import softmax
from firmware_glue.compiler.ops.reduce import SUFFIXES
from firmware_glue.compiler.ops.rules import constant, rank, same_dtype
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Variant,
    known_ints,
    no_options,
    out_args,
    rule,
    tensor_args,
)


@rule("1 to the length of the last dimension")
def k_in_row(graph: Graph, op: Op) -> str | None:
    """The number of values must fit the last dimension."""
    values, depth = known_ints(graph, op, 1), graph.input(op, 0).shape[-1]
    good = len(values) == 1 and 1 <= values[0] <= depth
    return None if good else f"{list(values)} of {depth}"


@rule("int32")
def int32_positions(graph: Graph, op: Op) -> str | None:
    """Positions must be int32."""
    dtype = graph.output(op, 1).dtype
    return None if dtype is DType.INT32 else dtype.value


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """Values and positions: the last dimension becomes k."""
    shape = (*graph.input(op, 0).shape[:-1], *known_ints(graph, op, 1))
    return shape, shape


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """A stable sort of the values from the end backwards."""
    x, (k,) = values[0], known_ints(graph, op, 1)
    backwards = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    indices = x.shape[-1] - 1 - backwards[..., :k]
    return np.take_along_axis(x, indices, axis=-1), indices.astype(np.int32)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call."""
    x, (k,) = graph.input(op, 0), known_ints(graph, op, 1)
    params = Params("ec_topk_params", (*softmax.shape_fields(x), ("k", k)))
    name = f"topk_{SUFFIXES[x.dtype.value]}"
    args = (*tensor_args(op, 1), *out_args(op))
    return Lowered(name, (Call(f"ec_{name}", "edgecnn_topk_v2.h", params, args),))


SPEC = OpSpec(
    no_options,
    infer,
    {
        dtype: Variant(f"topk_{SUFFIXES[dtype]}", reference, lower)
        for dtype in ("int8", "uint8", "int16", "int32", "int64", "float32")
    },
    (rank(0, 1, MAX_DIMS), same_dtype, constant(1, "number of values"), k_in_row, int32_positions),
)

"""Ops that pick by index: GATHER, GATHER_ND, EMBEDDING_LOOKUP; and ONE_HOT.

At an index outside of its dimension LiteRT stops while it runs. A constant one is refused; at run
time the C takes the nearest index inside, and so reads nothing outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import strides
from firmware_glue.compiler.ops.movement import MOVABLE, one_dtype
from firmware_glue.compiler.ops.rules import constant, dtypes, rank
from firmware_glue.compiler.ops.slicing import axis_of
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    TensorArg,
    Variant,
    known_ints,
    no_options,
    out_args,
    rule,
    tensor_args,
)

_HEADER = "edgecnn_gather.h"
_INDEX = {DType.INT16: "i16", DType.INT32: "i32", DType.INT64: "i64"}


@dataclass(frozen=True)
class Options:
    """The axis that indices count along, and leading dimensions that both inputs share."""

    axis: int
    batch_dims: int = 0


def _parse(options: Mapping[str, Any]) -> Options:
    return Options(int(options["axis"]), int(options.get("batch_dims", 0)))


@dataclass(frozen=True)
class _Picks:
    """GATHER and EMBEDDING_LOOKUP alike: which input is which, and the dimensions' parts."""

    data: int
    indices: int
    batch: Shape
    outer: Shape
    axis: int
    coordinates: Shape
    inner: Shape


def _picks(graph: Graph, op: Op) -> _Picks:
    data, indices = (1, 0) if op.code == "EMBEDDING_LOOKUP" else (0, 1)
    shape, wanted = graph.input(op, data).shape, graph.input(op, indices).shape
    axis = axis_of(op.options.axis, len(shape))
    batch = op.options.batch_dims + (len(wanted) if op.options.batch_dims < 0 else 0)
    if not 0 <= batch <= min(axis, len(wanted)) or shape[:batch] != wanted[:batch]:
        raise ValueError(f"{batch} batch dimensions of {list(shape)} and {list(wanted)}")
    return _Picks(
        data, indices, shape[:batch], shape[batch:axis], shape[axis], wanted[batch:],
        shape[axis + 1 :],
    )  # fmt: skip


def _infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    p = _picks(graph, op)
    return ((*p.batch, *p.outer, *p.coordinates, *p.inner),)


def _reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    p = _picks(graph, op)
    batches, outer = math.prod(p.batch), math.prod(p.outer)
    data = values[p.data].reshape(batches, outer, p.axis, -1)
    index = np.clip(values[p.indices].reshape(batches, -1), 0, p.axis - 1).astype(np.int64)
    # The two index arrays come first: (batch, coordinate, outer, inner).
    picked = data[np.arange(batches)[:, None], :, index].transpose(0, 2, 1, 3)
    return (picked.reshape(_infer(graph, op)[0]),)


def _lower(graph: Graph, op: Op) -> Lowered:
    p = _picks(graph, op)
    size = graph.output(op).dtype.bits // 8
    params = Params(
        "ec_gather_params",
        (
            ("batches", math.prod(p.batch)), ("outer", math.prod(p.outer)), ("axis", p.axis),
            ("count", math.prod(p.coordinates)), ("inner", math.prod(p.inner) * size),
        ),
    )  # fmt: skip
    kind = _INDEX[graph.input(op, p.indices).dtype]
    args = (TensorArg(op.inputs[p.data]), TensorArg(op.inputs[p.indices]), *out_args(op))
    return Lowered("gather", (Call(f"ec_gather_{kind}", _HEADER, params, args),))


def _outside(values: Array, sizes: Array) -> str | None:
    bad = values[(values < 0) | (values >= sizes)]
    return f"{int(bad[0])}" if bad.size else None


@rule("0 to the dimension's size less 1")
def _constants_inside(graph: Graph, op: Op) -> str | None:
    """Constant indices must lie inside the dimension that they count along."""
    p = _picks(graph, op)
    values = graph.constant(op, p.indices)
    return None if values is None else _outside(values, np.array(p.axis))


def _nd_parts(graph: Graph, op: Op) -> tuple[Shape, Shape, Shape]:
    """(indexed dimensions, those picked whole, shape of the tuples)."""
    shape, wanted = graph.input(op, 0).shape, graph.input(op, 1).shape
    if not wanted or not 1 <= wanted[-1] <= len(shape):
        raise ValueError(f"indices {list(wanted)} into {list(shape)}")
    return shape[: wanted[-1]], shape[wanted[-1] :], wanted[:-1]


def _nd_infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    _, inner, tuples = _nd_parts(graph, op)
    return ((*tuples, *inner),)


def _nd_reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    indexed, _, _ = _nd_parts(graph, op)
    index = np.clip(values[1], 0, np.array(indexed) - 1).astype(np.int64)
    return (values[0][tuple(np.moveaxis(index, -1, 0))],)


def _nd_lower(graph: Graph, op: Op) -> Lowered:
    indexed, inner, tuples = _nd_parts(graph, op)
    size = math.prod(inner) * (graph.output(op).dtype.bits // 8)
    steps = [size * math.prod(indexed[d + 1 :]) for d in range(len(indexed))]
    params = Params(
        "ec_gather_nd_params",
        (
            ("count", math.prod(tuples)), ("depth", len(indexed)),
            ("dims", strides.padded(indexed, 1)), ("strides", strides.padded(steps)),
            ("size", size),
        ),
    )  # fmt: skip
    kernel = f"ec_gather_nd_{_INDEX[graph.input(op, 1).dtype]}"
    return Lowered(
        "gather_nd", (Call(kernel, _HEADER, params, (*tensor_args(op, 2), *out_args(op))),)
    )


@rule("0 to the dimensions' sizes less 1")
def _tuples_inside(graph: Graph, op: Op) -> str | None:
    """Constant indices must lie inside the dimensions that they count along."""
    values = graph.constant(op, 1)
    return None if values is None else _outside(values, np.broadcast_to(
        np.array(_nd_parts(graph, op)[0]), values.shape))  # fmt: skip


def _hot_shape(graph: Graph, op: Op) -> tuple[Shape, ...]:
    shape = list(graph.input(op, 0).shape)
    shape.insert(axis_of(op.options.axis, len(shape) + 1), known_ints(graph, op, 1)[0])
    return (tuple(shape),)


def _hot_reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    (shape,) = _hot_shape(graph, op)
    axis = axis_of(op.options.axis, len(shape))
    classes = np.arange(shape[axis]).reshape([-1 if d == axis else 1 for d in range(len(shape))])
    hot = np.expand_dims(values[0], axis) == classes
    return (np.where(hot, values[2].reshape(()), values[3].reshape(())),)


def _hot_lower(graph: Graph, op: Op) -> Lowered:
    (shape,) = _hot_shape(graph, op)
    axis = axis_of(op.options.axis, len(shape))
    params = Params(
        "ec_one_hot_params",
        (
            ("outer", math.prod(shape[:axis])), ("depth", shape[axis]),
            ("inner", math.prod(shape[axis + 1 :])), ("size", graph.output(op).dtype.bits // 8),
        ),
    )  # fmt: skip
    on, off = TensorArg(op.inputs[2]), TensorArg(op.inputs[3])
    kernel = f"ec_one_hot_{_INDEX[graph.input(op, 0).dtype]}"
    args = (TensorArg(op.inputs[0]), on, off, *out_args(op))
    return Lowered("one_hot", (Call(kernel, _HEADER, params, args),))


def _spec(parse: Any, infer: Any, variant: Variant, rules: Any, data: int = 0) -> OpSpec:
    dtypes_ = [d for d in MOVABLE if d is not DType.INT16 or variant is not _ONE_HOT]
    return OpSpec(parse, infer, {dtype.value: variant for dtype in dtypes_}, rules, data)


def _ranks(data: int, indices: int) -> tuple[Any, ...]:
    return rank(data, 1, MAX_DIMS), rank(indices, 0, MAX_DIMS)


_NOTE = "At an index outside, where LiteRT stops, the nearest one inside is taken."
_GATHER = Variant("gather", _reference, _lower, note=_NOTE)
_ONE_HOT = Variant("one_hot", _hot_reference, _hot_lower)
SPECS = {
    "GATHER": _spec(
        _parse, _infer, _GATHER,
        (one_dtype(0), dtypes(1, *_INDEX), *_ranks(0, 1), _constants_inside),
    ),
    "EMBEDDING_LOOKUP": _spec(
        lambda options: Options(0), _infer, _GATHER,
        (one_dtype(1), dtypes(0, DType.INT32), *_ranks(1, 0), _constants_inside), data=1,
    ),
    "GATHER_ND": _spec(
        no_options, _nd_infer, Variant("gather_nd", _nd_reference, _nd_lower, note=_NOTE),
        (one_dtype(0), dtypes(1, *_INDEX), *_ranks(0, 1), _tuples_inside),
    ),
    "ONE_HOT": _spec(
        _parse, _hot_shape, _ONE_HOT,
        (
            one_dtype(2, 3), dtypes(0, DType.INT32, DType.INT64), constant(1, "depth"),
            rank(0, 0, MAX_DIMS - 1),
        ),
        data=2,
    ),
}  # fmt: skip

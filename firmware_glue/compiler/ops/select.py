"""SELECT, SELECT_V2: elements of one tensor or the other; ADD_N."""

from __future__ import annotations

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import broadcast, strides
from firmware_glue.compiler.ops.movement import MOVABLE
from firmware_glue.compiler.ops.rules import dtypes, rank
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    TensorArg,
    Variant,
    no_options,
    out_args,
    rule,
    same_shape,
    tensor_args,
)


def _condition_shape(graph: Graph, op: Op) -> Shape:
    """The condition's shape; in SELECT a vector picks rows: it stands for (n, 1, 1, …)."""
    condition, x = graph.input(op, 0).shape, graph.input(op, 1).shape
    if op.code == "SELECT" and len(condition) == 1 and len(x) > 1:
        return (*condition, *[1] * (len(x) - 1))
    return condition


def _infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    others = (graph.input(op, position).shape for position in (1, 2))
    return (np.broadcast_shapes(_condition_shape(graph, op), *others),)


def _reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    condition = values[0].astype(bool).reshape(_condition_shape(graph, op))
    return (np.where(condition, values[1], values[2]),)


def _lower(graph: Graph, op: Op) -> Lowered:
    out = graph.output(op)
    others = (graph.input(op, position).shape for position in (1, 2))
    dims, steps = broadcast.loops(out.shape, _condition_shape(graph, op), *others)
    params = Params(
        "ec_select_params",
        (
            ("rank", len(dims)), ("dims", strides.padded(dims, 1)),
            *((f"strides{i}", strides.padded(one)) for i, one in enumerate(steps)),
            ("size", out.dtype.bits // 8),
        ),
    )  # fmt: skip
    call = Call("ec_select", "edgecnn_select.h", params, (*tensor_args(op, 3), *out_args(op)))
    return Lowered("select", (call,), overlaps=broadcast.in_place(graph, op))


@rule("the outputs' dtype")
def _one_dtype(graph: Graph, op: Op) -> str | None:
    """Both values and the output must have one dtype."""
    found = {graph.tensors[i].dtype.value for i in (*op.inputs[1:], *op.outputs)}
    return None if len(found) == 1 else " and ".join(sorted(found))


@rule("values of one shape, and a condition of that shape, a vector of its rows, or one element")
def _select_shapes(graph: Graph, op: Op) -> str | None:
    """SELECT must not broadcast its values (SELECT_V2 may)."""
    condition, x, y = (graph.input(op, position).shape for position in (0, 1, 2))
    fits = condition == x or condition == x[:1] or int(np.prod(condition)) == 1
    good = x == y and fits and len(condition) <= max(1, len(x))
    return None if good else f"{list(condition)}, {list(x)}, {list(y)}"


_VARIANTS = {dtype.value: Variant("select", _reference, _lower) for dtype in MOVABLE}
_RULES = (
    dtypes(0, DType.BOOL), *(rank(position, 0, MAX_DIMS) for position in range(3)), _one_dtype
)  # fmt: skip


def _sum(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    with np.errstate(over="ignore", invalid="ignore"):
        total = values[0]
        for value in values[1 : len(op.inputs)]:
            total = total + value
    return (total,)


def _sum_lower(dtype: str) -> Variant:
    """The first two are added, then each of the others to the output."""
    header, struct, fields = {
        "int32": ("edgecnn_elementwise.h", "ec_elementwise_params", (
            ("bounds", 0), ("act_min", 0), ("act_max", 0))),
        "float32": ("edgecnn_elementwise_float.h", "ec_elementwise_float_params", (
            ("act_min", -float(np.finfo(np.float32).max)),
            ("act_max", float(np.finfo(np.float32).max)))),
    }[dtype]  # fmt: skip
    kernel = f"add_{broadcast.SUFFIXES[dtype]}"

    def lower(graph: Graph, op: Op) -> Lowered:
        params = Params(struct, (("shape", broadcast.shape_params(graph, op)), *fields))
        out = TensorArg(op.outputs[0])
        calls = []
        left = TensorArg(op.inputs[0])
        for tensor_id in op.inputs[1:]:
            calls.append(Call(f"ec_{kernel}", header, params, (left, TensorArg(tensor_id), out)))
            left = out
        # Inputs that are read later than the first write must not be covered.
        early = [i for i in op.inputs[:2] if i not in op.inputs[2:]]
        overlaps = tuple(Overlap(i, op.outputs[0], 0) for i in dict.fromkeys(early))
        return Lowered(kernel, tuple(calls), overlaps=overlaps)

    return Variant(kernel, _sum, lower)


@rule("two or more inputs of one shape")
def _equal_shapes(graph: Graph, op: Op) -> str | None:
    """All inputs must have one shape."""
    shapes = [list(graph.tensors[i].shape) for i in op.inputs]
    good = len(shapes) > 1 and all(shape == shapes[0] for shape in shapes)
    return None if good else f"{shapes}"


SPECS = {
    "SELECT": OpSpec(no_options, _infer, _VARIANTS, (*_RULES, _select_shapes), data=1),
    "SELECT_V2": OpSpec(no_options, _infer, _VARIANTS, _RULES, data=1),
    "ADD_N": OpSpec(
        no_options, same_shape, {dtype: _sum_lower(dtype) for dtype in ("int32", "float32")},
        (broadcast.one_dtype, _equal_shapes, rank(0, 0, MAX_DIMS)),
    ),
}  # fmt: skip

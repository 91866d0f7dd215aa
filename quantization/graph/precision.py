"""Which precision each op computes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfOperator, TfSubgraph
from quantization.graph.edit import consumers, producers
from quantization.graph.rules import OpRule, data_slots, rule
from quantization.graph.union import UnionFind
from quantization.recipe import Precision
from quantization.work import Plan, Ranges

_FLOAT: Precision = "float32"
#: Ops that read a tensor's shape and never its values.
SHAPE_ONLY = frozenset({"SHAPE", "RANK"})
_STEPS = {"int8": 255, "int16": 65534}


def precisions(graph: TfSubgraph, plan: Plan) -> dict[int, Precision]:
    """Op index → precision, for the ops that compute on float32 values (others are not in it).

    The plan's word counts first, then the recipe's for that layer. An op without an integer
    kernel of that precision stays float32. Ops that only move values follow their neighbours,
    so that nothing is converted back and forth for them, unless something was said about them.
    """
    found: dict[int, Precision] = {}
    free: set[int] = set()
    for op in graph.operators:
        if not touches_float(graph, op):
            continue
        wanted = plan.precision.get(op.index)
        named = wanted or plan.recipe.precision_of(graph.op_name(op))
        found[op.index] = named if has_kernel(graph, op, named, plan.ranges) else _FLOAT
        row = rule(op.code)
        light = row is not None and row.light and wanted is None
        if light and named == plan.recipe.activations and found[op.index] == named:
            free.add(op.index)
    for group in _groups(graph, free):
        _follow(graph, plan, group, found)
    return found


def touches_float(graph: TfSubgraph, op: TfOperator) -> bool:
    """Whether the op reads or writes float32 values."""
    if op.code in SHAPE_ONLY:
        return False
    indices = (*op.inputs, *op.outputs)
    return any(i != NO_TENSOR and graph.tensors[i].dtype is DType.FLOAT32 for i in indices)


def has_kernel(graph: TfSubgraph, op: TfOperator, precision: Precision, ranges: Ranges) -> bool:
    """Whether LiteRT can run this op at that precision, and get it right."""
    if precision == _FLOAT:
        return True
    row = rule(op.code)
    if row is None or precision not in row.versions:
        return False
    if row.weights is not None and not _constant_weights(graph, op, row):
        return False
    limit = _LIMITS.get(op.code)
    return limit is None or limit(graph, op, precision, ranges)


def _constant_weights(graph: TfSubgraph, op: TfOperator, row: OpRule) -> bool:
    place = row.weights
    if place is None or len(op.inputs) <= place.slot:
        return False
    bias = op.inputs[place.bias] if len(op.inputs) > place.bias else NO_TENSOR
    slots = [op.inputs[place.slot], *([bias] if bias != NO_TENSOR else [])]
    tensors = [graph.tensors[index] for index in slots if index != NO_TENSOR]
    constant = all(t.data is not None and t.dtype is DType.FLOAT32 for t in tensors)
    plain = op.options.get("weights_format", "DEFAULT") == "DEFAULT"
    return bool(tensors) and constant and plain


def _compares(graph: TfSubgraph, op: TfOperator, precision: Precision, ranges: Ranges) -> bool:
    # LiteRT's comparisons take the scale for the fraction of a multiplier: undefined from 1 on.
    for slot in data_slots(graph, op):
        index = op.inputs[slot]
        data = graph.tensors[index].data
        found = ranges.get(index)
        if data is not None:
            low, high = float(data.min(initial=0.0)), float(data.max(initial=0.0))
        elif found is not None:
            low, high = min(found.low, 0.0), max(found.high, 0.0)
        else:
            continue
        span = 2 * max(high, -low) if precision == "int16" else high - low
        if span / _STEPS[precision] >= 1:
            return False
    return True


Limit = Callable[[TfSubgraph, TfOperator, Precision, Ranges], bool]
_LIMITS: Mapping[str, Limit] = MappingProxyType(
    dict.fromkeys(
        ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), _compares
    )
)


def _groups(graph: TfSubgraph, free: set[int]) -> list[list[TfOperator]]:
    """Ops of ``free`` that feed each other, each group in order."""
    sets: UnionFind[int] = UnionFind()
    writers = producers(graph)
    members = [op for op in graph.operators if op.index in free]
    for op in members:
        for slot in data_slots(graph, op):
            writer = writers.get(op.inputs[slot])
            if writer is not None and writer.index in free:
                sets.join(writer.index, op.index)
    groups: dict[int, list[TfOperator]] = {}
    for op in members:
        groups.setdefault(sets.root(op.index), []).append(op)
    return list(groups.values())


def _follow(
    graph: TfSubgraph, plan: Plan, group: list[TfOperator], found: dict[int, Precision]
) -> None:
    """Gives a group of light ops the precision of what is around it."""
    members = {op.index for op in group}
    writers, readers = producers(graph), consumers(graph)
    border: Precision = "int8" if plan.recipe.io in ("int8", "uint8") else _border(plan)
    before: set[Precision] = set()
    after: set[Precision] = set()
    for op in group:
        for slot in data_slots(graph, op):
            index = op.inputs[slot]
            writer = writers.get(index)
            if index in graph.inputs:
                before.add(border)
            elif writer is not None and writer.index not in members:
                before.add(found[writer.index])
        for index in op.outputs:
            if index in graph.outputs:
                after.add(border)
            after.update(
                found[reader.index]
                for reader in readers.get(index, ())
                if reader.index not in members and reader.index in found
            )
    around = before | after
    if len(around) == 1:
        wanted = next(iter(around))
    elif len(before) == 1 and _FLOAT not in before:
        wanted = next(iter(before))
    else:
        return
    if all(has_kernel(graph, op, wanted, plan.ranges) for op in group):
        found.update(dict.fromkeys((op.index for op in group), wanted))


def _border(plan: Plan) -> Precision:
    return "int16" if plan.recipe.io == "int16" else _FLOAT

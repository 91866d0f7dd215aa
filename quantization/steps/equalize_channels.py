"""Which channels of a float graph can be scaled, and which of them only together.

Every channel of every activation gets a group number. Ops that treat channels alike and for which
f(s·x) = s·f(x) with s > 0 (RELU, pools, PAD, RESHAPE …) pass the number on; ADD and the like join
the numbers of their operands; layers end a group at their input and begin another at their output.
A group that reaches anything else (a swish, a model input or output) is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfOperator, TfSubgraph
from quantization.graph.union import UnionFind
from quantization.steps.fold_affine import ACTIVATION
from quantization.steps.fold_layer import LAYERS

Ids = NDArray[np.int64]
CLIP = 6.0
_SAME = frozenset({"RELU", "LEAKY_RELU", "PRELU", "ABS", "NEG", "DIV"})
_WINDOWS = frozenset({"MAX_POOL_2D", "AVERAGE_POOL_2D"})
_PICTURES = frozenset({"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "PAD", "MIRROR_PAD",
                       "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"})  # fmt: skip
_COPIES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SPLIT"})
_JOINED = frozenset({"ADD", "SUB", "MAXIMUM", "MINIMUM"})
_REDUCED = frozenset({"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"})


@dataclass(frozen=True)
class Link:
    """A layer (or MUL by a constant per channel) between two sets of groups.

    Attributes:
        op: the operator.
        source, target: tensor indices of its data and its output.
        inputs: group of each column of its weights, (in,).
        outputs: group of each output channel, (out,).
    """

    op: TfOperator
    source: int
    target: int
    inputs: Ids
    outputs: Ids


@dataclass(frozen=True)
class Channels:
    """What can be scaled.

    Attributes:
        rows: tensor → group of each channel along its last axis; tensors whose channels lie
            otherwise are left out.
        count: groups are numbered from 0 to this.
        free: (count,), whether a group may be scaled.
        links: layers with constant weights.
        shifts: ADD or SUB by a constant → the constant's tensor, which scales along.
        clips: tensors that RELU6 gave, each with its group per channel.
    """

    rows: Mapping[int, Ids]
    count: int
    free: NDArray[np.bool_]
    links: tuple[Link, ...]
    shifts: Mapping[int, int]
    clips: tuple[int, ...]


def channels_of(graph: TfSubgraph) -> Channels:
    """Groups all channels of a float graph."""
    return _Walk(graph).run()


@dataclass
class _Walk:
    """One pass over the ops; ``ids`` holds an array of the tensor's shape (mostly a broadcast)."""

    graph: TfSubgraph
    ids: dict[int, Ids] = field(default_factory=dict)
    count: int = 0
    sets: UnionFind[int] = field(default_factory=UnionFind)
    fixed: set[int] = field(default_factory=set)
    links: list[tuple[TfOperator, int, Ids]] = field(default_factory=list)
    shifts: dict[int, int] = field(default_factory=dict)
    clips: list[int] = field(default_factory=list)

    def run(self) -> Channels:
        graph = self.graph
        for index in graph.inputs:
            self._fresh(index)
            self._fix(index)
        for op in graph.operators:
            self._visit(op)
        for index in graph.outputs:
            self._fix(index)
        return self._result()

    def _visit(self, op: TfOperator) -> None:
        rule = _RULES.get(op.code)
        data = [i for i in op.inputs if i != NO_TENSOR and not self._constant(i)]
        floats = all(self.graph.tensors[i].dtype is DType.FLOAT32 for i in (*data, *op.outputs))
        if rule is None or not floats or not data or not rule(self, op, data):
            for index in data:
                self._fix(index)
            for index in op.outputs:
                self._fresh(index)
                self._fix(index)
        for index in op.outputs:
            # Only values that are copies of others may lie where channels cannot be told apart.
            if op.code not in _COPIES and not _plain(self.ids[index]):
                self._fix(index)
        self._clip(op)

    def _clip(self, op: TfOperator) -> None:
        name = op.code if op.code == "RELU6" else op.options.get(ACTIVATION, "NONE")
        if name == "RELU6":
            self.clips.append(op.outputs[0])
        elif name not in ("NONE", "RELU"):
            self._fix(op.outputs[0])

    def _constant(self, index: int) -> bool:
        return self.graph.tensors[index].data is not None

    def _shape(self, index: int) -> tuple[int, ...]:
        return self.graph.tensors[index].shape

    def _fresh(self, index: int) -> Ids:
        shape = self._shape(index)
        channels = shape[-1] if shape else 1
        row = np.arange(self.count, self.count + channels)
        self.count += channels
        self.ids[index] = np.broadcast_to(row.reshape(() if not shape else -1), shape)
        return row

    def _put(self, index: int, ids: Ids) -> bool:
        shape = self._shape(index)
        if ids.shape != shape:
            return False
        if shape:  # kept small: one row where all rows are alike
            rows = ids.reshape(-1, shape[-1])
            if bool((rows == rows[:1]).all()):
                ids = np.broadcast_to(np.array(rows[0]), shape)
        self.ids[index] = ids
        return True

    def _get(self, index: int) -> Ids:
        if index not in self.ids:  # a variable, or a tensor of another subgraph's making
            self._fresh(index)
            self._fix(index)
        return self.ids[index]

    def _fix(self, index: int) -> None:
        self.fixed.update(np.unique(self._get(index)).tolist())

    def _result(self) -> Channels:
        roots = np.array([self.sets.root(k) for k in range(self.count)], np.int64)
        free = np.ones(self.count, bool)
        free[roots[sorted(self.fixed)]] = False
        rows = {}
        for index, ids in self.ids.items():
            shape = ids.shape
            flat = ids.reshape(-1, shape[-1]) if shape and ids.size else None
            if flat is not None and bool((flat == flat[:1]).all()):
                rows[index] = roots[flat[0]]
        links = tuple(
            Link(op, source, op.outputs[0], roots[inputs], rows[op.outputs[0]])
            for op, source, inputs in self.links
        )
        return Channels(MappingProxyType(rows), self.count, free, links, MappingProxyType(
            self.shifts), tuple(self.clips))  # fmt: skip

    # The rules: each gives the outputs their ids, or returns False where the op is not understood.

    def layer(self, op: TfOperator, data: list[int]) -> bool:
        slot = 2 if op.code == "TRANSPOSE_CONV" else 0
        weights = self.graph.tensors[op.inputs[1]]
        if data != [op.inputs[slot]] or not self._own(weights.index):
            return False
        if weights.dtype is not DType.FLOAT32 or not self._own_bias(op, slot):
            return False
        ids = self._get(data[0])
        width = weights.shape[-1] if op.code == "FULLY_CONNECTED" else ids.shape[-1]
        if op.options.get("weights_format", "DEFAULT") != "DEFAULT" or ids.size % width:
            return False
        rows = ids.reshape(-1, width)
        if not bool((rows == rows[:1]).all()):
            return False
        self.links.append((op, data[0], np.array(rows[0])))
        self._fresh(op.outputs[0])
        return True

    def _own(self, index: int) -> bool:
        """A constant that one op reads, once (a scaled copy for each reader would cost bytes)."""
        readers = sum(op.inputs.count(index) for op in self.graph.operators)
        return self._constant(index) and readers == 1

    def _own_bias(self, op: TfOperator, slot: int) -> bool:
        place = 3 if slot == 2 else 2
        index = op.inputs[place] if len(op.inputs) > place else NO_TENSOR
        return index == NO_TENSOR or self._constant(index)

    def same(self, op: TfOperator, data: list[int]) -> bool:
        if data != [op.inputs[0]]:
            return False
        return self._put(op.outputs[0], self._get(data[0]))

    def picture(self, op: TfOperator, data: list[int]) -> bool:
        """Other positions, the same channels (those that PAD adds are zeros)."""
        ids, shape = self._get(data[0]), self._shape(op.outputs[0])
        rows = ids.reshape(-1, ids.shape[-1])
        if data != [op.inputs[0]] or shape[-1] != ids.shape[-1]:
            return False
        same = bool((rows == rows[:1]).all())
        return same and self._put(op.outputs[0], np.broadcast_to(rows[0], shape))

    def reshape(self, op: TfOperator, data: list[int]) -> bool:
        shape = self._shape(op.outputs[0])
        ids = self._get(data[0])
        return ids.size == np.prod(shape) and self._put(op.outputs[0], ids.reshape(shape))

    def transpose(self, op: TfOperator, data: list[int]) -> bool:
        order = self.graph.tensors[op.inputs[1]].data
        if order is None:
            return False
        return self._put(op.outputs[0], self._get(data[0]).transpose(order.reshape(-1).tolist()))

    def reduce(self, op: TfOperator, data: list[int]) -> bool:
        ids, axes = self._get(data[0]), self.graph.tensors[op.inputs[1]].data
        shape = self._shape(op.outputs[0])
        if axes is None or not shape or data != [op.inputs[0]]:
            return False
        if (ids.ndim - 1) in {int(a) % ids.ndim for a in axes.reshape(-1)}:
            return False
        return self.picture(op, data)

    def concat(self, op: TfOperator, data: list[int]) -> bool:
        rank = len(self._shape(op.outputs[0]))
        if len(data) != len(op.inputs):
            return False
        parts = [self._get(index) for index in data]
        return self._put(op.outputs[0], np.concatenate(parts, int(op.options["axis"]) % rank))

    def split(self, op: TfOperator, data: list[int]) -> bool:
        axis = self.graph.tensors[op.inputs[0]].data
        if axis is None or data != [op.inputs[1]]:
            return False
        ids = self._get(data[0])
        parts = np.split(ids, len(op.outputs), int(axis.reshape(-1)[0]) % ids.ndim)
        return all(self._put(o, part) for o, part in zip(op.outputs, parts, strict=True))

    def joined(self, op: TfOperator, data: list[int]) -> bool:
        out = self._shape(op.outputs[0])
        if len(data) == 1:
            (other,) = (index for index in op.inputs if index != data[0])
            values = self.graph.tensors[other]
            plain = op.code in ("ADD", "SUB") and values.shape[-1:] == out[-1:]
            if self._shape(data[0]) != out or not plain or not self._own(other):
                return False
            ids = self._get(data[0])
            if not _plain(ids) or values.dtype is not DType.FLOAT32:
                return False
            self.shifts[op.index] = other
            return self._put(op.outputs[0], ids)
        arrays = [np.broadcast_to(self._get(index), out) for index in data]
        rows = [a.reshape(-1, out[-1])[:1] if _plain(a) else a.reshape(-1) for a in arrays]
        if len({row.size for row in rows}) != 1:
            rows = [a.reshape(-1) for a in arrays]
        pairs = np.unique(np.stack([row.reshape(-1) for row in rows]), axis=1)
        for left, right in pairs.T.tolist():
            self.sets.join(left, right)
        return self._put(op.outputs[0], arrays[0])

    def product(self, op: TfOperator, data: list[int]) -> bool:
        out = self._shape(op.outputs[0])
        if len(data) == 1:
            (other,) = (index for index in op.inputs if index != data[0])
            values = self.graph.tensors[other]
            ids = self._get(data[0])
            if self._shape(data[0]) != out or values.dtype is not DType.FLOAT32:
                return False
            if values.elements == out[-1] > 1 and self._own(other) and _plain(ids):
                row = np.array(ids.reshape(-1, out[-1])[0])
                self.links.append((op, data[0], row))
                self._fresh(op.outputs[0])
                return True
            return self._put(op.outputs[0], ids)
        if len(set(data)) != 2:
            return False
        gate, main = sorted(data, key=lambda index: self.graph.tensors[index].elements)
        if self._shape(main) != out or self._shape(gate) == out:
            return False
        self._fix(gate)
        return self._put(op.outputs[0], self._get(main))


def _plain(ids: Ids) -> bool:
    """Whether the channels lie along the last axis."""
    rows = ids.reshape(-1, ids.shape[-1] if ids.ndim else 1)
    return bool((rows == rows[:1]).all())


_Rule = Callable[[_Walk, TfOperator, list[int]], bool]
_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        **dict.fromkeys(LAYERS, _Walk.layer),
        **dict.fromkeys(_SAME | {"RELU6"}, _Walk.same),
        **dict.fromkeys(_PICTURES | _WINDOWS, _Walk.picture),
        **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _Walk.reshape),
        **dict.fromkeys(_REDUCED, _Walk.reduce),
        **dict.fromkeys(_JOINED, _Walk.joined),
        "TRANSPOSE": _Walk.transpose,
        "CONCATENATION": _Walk.concat,
        "SPLIT": _Walk.split,
        "MUL": _Walk.product,
    }
)

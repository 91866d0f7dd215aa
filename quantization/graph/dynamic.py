"""Dynamic range: int8 weights, float activations that the kernels quantize as they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    Quantization,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)
from quantization.graph.edit import drop_unused, unique_name, with_names
from quantization.graph.params import weight_codes, weight_scale
from quantization.recipe import Recipe
from quantization.work import Plan, WeightCodes

#: Smaller constants stay float, as TensorFlow's converter has it: little to win.
MIN_ELEMENTS = 1024


@dataclass(frozen=True)
class _Hybrid:
    """An op whose kernel takes float activations and int8 weights.

    Attributes:
        slots: of the weights, all int8 or none.
        axis: of the channels; None: one scale only.
        dense: for the recipe's granularity.
        versions: per tensor, per channel.
        asymmetric: it can quantize its inputs with a zero point.
    """

    slots: tuple[int, ...]
    axis: int | None
    versions: tuple[int, int]
    dense: bool = False
    asymmetric: bool = False


_LSTM_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 16)
_HYBRIDS: Mapping[str, _Hybrid] = MappingProxyType(
    {
        "CONV_2D": _Hybrid((1,), 0, (2, 5)),
        "DEPTHWISE_CONV_2D": _Hybrid((1,), 3, (4, 6)),
        "FULLY_CONNECTED": _Hybrid((1,), 0, (9, 12), dense=True, asymmetric=True),
        "BATCH_MATMUL": _Hybrid((1,), None, (4, 4), asymmetric=True),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": _Hybrid(_LSTM_WEIGHTS, None, (3, 3), asymmetric=True),
        "SVDF": _Hybrid((1, 2), None, (4, 4), asymmetric=True),
    }
)


def emit_dynamic(model: TfModel, plan: Plan) -> TfModel:
    """The model with int8 weights where LiteRT has a kernel for float inputs and int8 weights.

    Layers that the recipe (or the plan) wants in float32 keep their weights. The bodies of loops
    are quantized too; the plan's indices are those of the main subgraph.
    """
    inner = replace(plan, precision=MappingProxyType({}), weights=MappingProxyType({}))
    done = [_Graph(graph, inner if k else plan) for k, graph in enumerate(model.subgraphs)]
    compact = drop_unused(replace(model, subgraphs=tuple(item.run() for item in done)))
    graphs = zip(compact.subgraphs, done, strict=True)
    named = tuple(with_names(graph, item.originals) for graph, item in graphs)
    return replace(compact, subgraphs=named)


class _Graph:
    """One subgraph on its way."""

    def __init__(self, graph: TfSubgraph, plan: Plan) -> None:
        self.originals: dict[str, str] = {}
        self._graph = graph
        self._plan = plan
        self._tensors = list(graph.tensors)
        self._names = {tensor.name for tensor in graph.tensors}
        self._made: dict[tuple[int, int | None], int] = {}

    def run(self) -> TfSubgraph:
        """The subgraph, the float weights still among its tensors."""
        operators = tuple(self._operator(op) for op in self._graph.operators)
        return replace(self._graph, tensors=tuple(self._tensors), operators=operators)

    def _operator(self, op: TfOperator) -> TfOperator:
        row, name = _HYBRIDS.get(op.code), self._graph.op_name(op)
        if row is None or not _serves(self._graph.tensors, op, row):
            return op
        if _stays_float(self._plan, op, name):
            return op
        axis = _axis(self._plan.recipe, row, name)
        inputs = list(op.inputs)
        for slot in row.slots:
            if slot < len(inputs) and inputs[slot] != NO_TENSOR:
                inputs[slot] = self._weights(inputs[slot], axis)
        return _hybrid(op, row, tuple(inputs), axis is not None)

    def _weights(self, index: int, axis: int | None) -> int:
        if (index, axis) not in self._made:
            tensor = self._graph.tensors[index]
            done = _quantized(tensor, axis, self._plan.weights.get(index))
            name = unique_name(f"{tensor.name}/int8", self._names)
            self._names.add(name)
            self.originals[name] = tensor.name
            self._made[index, axis] = len(self._tensors)
            self._tensors.append(replace(done, index=len(self._tensors), name=name))
        return self._made[index, axis]


def _serves(tensors: tuple[TfTensor, ...], op: TfOperator, row: _Hybrid) -> bool:
    """Whether all weights are float32 constants, one of them worth the trouble."""
    slots = [op.inputs[slot] for slot in row.slots if slot < len(op.inputs)]
    weights = [tensors[index] for index in slots if index != NO_TENSOR]
    constant = all(t.data is not None and t.dtype is DType.FLOAT32 for t in weights)
    finite = constant and all(bool(np.isfinite(_array(t)).all()) for t in weights)
    return finite and max((t.elements for t in weights), default=0) >= MIN_ELEMENTS


def _stays_float(plan: Plan, op: TfOperator, name: str) -> bool:
    if op.index in plan.precision:
        return plan.precision[op.index] == "float32"
    # Activations are float32 anyway: only an override that says so means the weights.
    return any(
        item.setting == "float32" and fnmatchcase(name, item.pattern)
        for item in plan.recipe.overrides
    )


def _axis(recipe: Recipe, row: _Hybrid, name: str) -> int | None:
    per_channel = recipe.granularity_of(name, dense=row.dense) == "per-channel"
    return row.axis if per_channel else None


def _quantized(tensor: TfTensor, axis: int | None, given: WeightCodes | None) -> TfTensor:
    values = _array(tensor)
    scale = weight_scale(values, axis) if given is None else given.scale
    codes = weight_codes(values, scale, axis) if given is None else given.codes
    zeros = (0,) * scale.size
    return replace(
        tensor,
        dtype=DType.INT8,
        data=frozen_array(codes),
        quantization=Quantization(tuple(map(float, scale)), zeros, (axis or 0)),
    )


def _hybrid(op: TfOperator, row: _Hybrid, inputs: tuple[int, ...], per_channel: bool) -> TfOperator:
    options = dict(op.options)
    if row.asymmetric:
        options["asymmetric_quantize_inputs"] = True
    version = max(op.version, row.versions[per_channel])
    return replace(op, inputs=inputs, version=version, options=MappingProxyType(options))


def _array(tensor: TfTensor) -> NDArray[Any]:
    return tensor.data if tensor.data is not None else np.empty(0, np.float32)

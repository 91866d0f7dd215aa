"""What rounding a graph's tensors will feel, from the quantizer's own scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType, Quantization, TfModel
from quantization.graph.edit import producers
from quantization.graph.params import along, weight_scale
from quantization.graph.precision import precisions
from quantization.graph.rules import data_slots, rule, weighted_ops
from quantization.graph.scales import SHARED, Version, assign
from quantization.recipe import Interface, Precision, Recipe
from quantization.work import Plan

_BORDERS: Mapping[Interface, Precision] = MappingProxyType(
    {"int8": "int8", "uint8": "int8", "int16": "int16", "float32": "float32"}
)
_AVERAGES = frozenset({"AVERAGE_POOL_2D", "RESIZE_BILINEAR"})


@dataclass(frozen=True)
class Grid:
    """The real values of a quantized activation: low to high in 2^bits − 1 steps."""

    low: float
    high: float
    bits: int

    @property
    def step(self) -> float:
        """Between two of them."""
        return (self.high - self.low) / (2**self.bits - 1)


@dataclass(frozen=True)
class Weights:
    """A weight tensor that will be int8.

    Attributes:
        index: the constant.
        bias: its layer's constant bias; None without one.
        axis: of the scales; None: one scale.
        unit: float32, broadcastable to the weights: how far one step of learning goes, in the
            spirit of one code; see :func:`_unit`.
        bias_unit: the same for the bias: one code of the layer's output.
    """

    index: int
    bias: int | None
    axis: int | None
    unit: NDArray[Any]
    bias_unit: float


@dataclass(frozen=True)
class Rounding:
    """Where the graph rounds.

    Attributes:
        outputs: (op index, output slot) → grid of that tensor.
        operands: (op index, input slot) → grid, where an op reads a constant or a tensor that is
            not on that grid yet.
        inputs: graph input → grid.
        weights: of the int8 layers.
    """

    outputs: Mapping[tuple[int, int], Grid]
    operands: Mapping[tuple[int, int], Grid]
    inputs: Mapping[int, Grid]
    weights: tuple[Weights, ...]


def rounding_of(model: TfModel, plan: Plan) -> Rounding:
    """Where the quantized model of a plan rounds.

    Args:
        model: float, as :func:`quantization.graph.lower.lowered` gives it.
        plan: with ranges.

    Raises:
        QuantizationError: a range is missing.
    """
    graph = model.main
    precision = precisions(graph, plan)
    border = _BORDERS[plan.recipe.io]
    fed = [Version(index, border) for index in graph.inputs if border != "float32"]
    scales = assign(graph, precision, plan.ranges, fed)
    inputs = {version.tensor: _grid(scales.params[version], border) for version in fed}
    outputs: dict[tuple[int, int], Grid] = {}
    operands: dict[tuple[int, int], Grid] = {}
    writers = producers(graph)
    for op in graph.operators:
        kind = precision.get(op.index, "float32")
        row = rule(op.code)
        if kind == "float32" or row is None:
            continue
        for slot in data_slots(graph, op):
            version = scales.operands[op.index, slot]
            index = op.inputs[slot]
            writer = writers.get(index)
            before = border if index in graph.inputs else None
            if writer is not None:
                before = precision.get(writer.index)
            if before != kind or version.reader != SHARED:
                operands[op.index, slot] = _grid(scales.params[version], kind)
        if row.moves and op.code not in _AVERAGES:
            continue  # what it gives is on the grid already
        for slot, index in enumerate(op.outputs):
            found = scales.params.get(Version(index, kind))
            if found is not None and graph.tensors[index].dtype is DType.FLOAT32:
                outputs[op.index, slot] = _grid(found, kind)
    return Rounding(outputs, operands, inputs, _weights(model, plan.recipe, precision, outputs))


def _weights(
    model: TfModel,
    recipe: Recipe,
    precision: Mapping[int, Precision],
    outputs: Mapping[tuple[int, int], Grid],
) -> tuple[Weights, ...]:
    graph = model.main
    found = []
    for layer in weighted_ops(model):
        values = graph.tensors[layer.weights].data
        if precision.get(layer.op.index, "float32") == "float32" or values is None:
            continue
        name = graph.op_name(layer.op)
        wide = recipe.granularity_of(name, dense=layer.dense) == "per-channel"
        axis = layer.axis if wide else None
        unit = _unit(values, layer.axis)
        grid = outputs.get((layer.op.index, 0))
        step = grid.step if grid else float(unit.max())
        found.append(Weights(layer.weights, layer.bias, axis, unit, step))
    return tuple(found)


def _unit(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """A code of the output channel or of the input channel, whichever is smaller.

    One code of the whole tensor would be many times a small channel's weights, and a filter's
    code many times those weights of it that read a large channel.
    """
    found = along(weight_scale(values, axis), axis, values.ndim)
    other = values.ndim - 1
    if axis == other:
        return found
    return np.minimum(found, along(weight_scale(values, other), other, values.ndim))


def _grid(params: Quantization, kind: str) -> Grid:
    bits = 16 if kind == "int16" else 8
    scale, zero = params.scale[0], params.zero_point[0]
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return Grid((low - zero) * scale, (high - zero) * scale, bits)

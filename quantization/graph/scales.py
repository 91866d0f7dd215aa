"""Scales and zero points of all activations: ties, fixed outputs, fused activations.

An activation exists once per precision that somebody needs it in. Such a *version* of a tensor is
the unit here; versions whose op demands one scale are joined, and take the union of their ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.model import DType, Quantization, TfOperator, TfSubgraph, TfTensor
from quantization.graph.edit import producers
from quantization.graph.params import (
    Integer,
    activation_params,
    quantization,
    weight_scale,
    zero_point,
)
from quantization.graph.rules import OpRule, data_slots, rule
from quantization.graph.union import UnionFind
from quantization.recipe import Precision
from quantization.work import Range, Ranges

SHARED = -1
#: Beyond it a number stands for infinity: the lowest float32 pads what a maximum reads.
_ABSURD = 1e30
_FUSED: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}


class Version(NamedTuple):
    """A tensor at a precision.

    Attributes:
        tensor: index in the float graph.
        precision: ``int8`` or ``int16``.
        reader: an op index where this version serves that op alone (a constant of a tied op, or
            an operand rescaled for it); else :data:`SHARED`.
    """

    tensor: int
    precision: Precision
    reader: int = SHARED


@dataclass(frozen=True)
class Scales:
    """What :func:`assign` found.

    Attributes:
        params: of each version.
        operands: (op index, input slot) → the version that the op reads there.
    """

    params: Mapping[Version, Quantization]
    operands: Mapping[tuple[int, int], Version]


def assign(
    graph: TfSubgraph,
    precision: Mapping[int, Precision],
    ranges: Ranges,
    extra: Iterable[Version] = (),
) -> Scales:
    """The scale and zero point of every integer version of every tensor.

    Args:
        graph: the float graph.
        precision: of each op that touches float32.
        ranges: of activations.
        extra: versions that the graph's inputs and outputs need.

    Raises:
        QuantizationError: a range is missing or not finite.
    """
    return _Assignment(graph, precision, ranges).run(extra)


class _RangeFinder:
    """Ranges by tensor; walks back over ops that only move values."""

    def __init__(self, graph: TfSubgraph, ranges: Ranges) -> None:
        self._graph = graph
        self._ranges = ranges
        self._writers = producers(graph)

    def of(self, index: int) -> Range:
        tensor = self._graph.tensors[index]
        if tensor.data is not None:
            values = tensor.data
            return Range(float(values.min(initial=0.0)), float(values.max(initial=0.0)))
        writer = self._writers.get(index)
        row = rule(writer.code) if writer is not None else None
        found = self._ranges.get(index)
        if row is not None and row.real is not None:
            return row.real
        if found is None and writer is not None and row is not None and row.moves:
            slots = data_slots(self._graph, writer)
            if slots:
                return self.of(writer.inputs[slots[0]])
        if found is None:
            raise QuantizationError(
                f"no range was calibrated for the tensor '{tensor.name}'",
                hint="calibrate with samples of this very model, then quantize",
            )
        if writer is None or row is None:
            return found
        if row.saturates and max(-found.low, found.high) > _ABSURD:
            return self._of_operands(writer, found)
        return found if row.tie else _bounded(found, writer)

    def _of_operands(self, writer: TfOperator, found: Range) -> Range:
        """What the computed operands hold: the rest is padding by "minus infinity"."""
        slots = data_slots(self._graph, writer)
        tensors = [writer.inputs[slot] for slot in slots]
        computed = [self.of(k) for k in tensors if self._graph.tensors[k].data is None]
        if not computed:
            return found
        return Range(min(r.low for r in computed), max(r.high for r in computed))


def _bounded(found: Range, writer: TfOperator) -> Range:
    bounds = _FUSED.get(writer.options.get("fused_activation_function", "NONE"))
    if bounds is None:
        return found
    low, high = (min(max(value, bounds[0]), bounds[1]) for value in (found.low, found.high))
    return Range(low, high)


class _Assignment:
    """The steps of :func:`assign`."""

    def __init__(
        self, graph: TfSubgraph, precision: Mapping[int, Precision], ranges: Ranges
    ) -> None:
        self._graph = graph
        self._precision = precision
        self._finder = _RangeFinder(graph, ranges)
        self._sets: UnionFind[Version] = UnionFind()
        self._pinned: dict[Version, Quantization] = {}
        self._versions: dict[Version, None] = {}
        self._silent: set[Version] = set()
        self._operands: dict[tuple[int, int], Version] = {}
        self._merged: dict[Version, Range] = {}

    def run(self, extra: Iterable[Version]) -> Scales:
        integer = [
            op
            for op in self._graph.operators
            if self._precision.get(op.index, "float32") != "float32"
        ]
        for op in integer:
            row = rule(op.code)
            if row is not None:
                self._visit(op, row)
        self._versions.update(dict.fromkeys(extra))
        params = self._params()
        self._raise_floors(integer, params)
        found = {v: params[self._sets.root(v)] for v in self._versions}
        return Scales(found, self._operands)

    def _visit(self, op: TfOperator, row: OpRule) -> None:
        precision = self._precision[op.index]
        tensors = self._graph.tensors
        slots = data_slots(self._graph, op)
        outputs = [
            Version(index, precision)
            for index in op.outputs
            if tensors[index].dtype is DType.FLOAT32
        ]
        for slot in slots:
            index = op.inputs[slot]
            alone = row.tie and tensors[index].data is not None
            self._operands[op.index, slot] = Version(
                index, precision, op.index if alone else SHARED
            )
        if precision in row.fixed:
            self._pinned.update(dict.fromkeys(outputs, row.fixed[precision]))
        if row.tie:
            self._tie(op, row, slots, outputs)
        self._versions.update(dict.fromkeys(self._operands[op.index, slot] for slot in slots))
        self._versions.update(dict.fromkeys(outputs))

    def _tie(
        self, op: TfOperator, row: OpRule, slots: tuple[int, ...], outputs: list[Version]
    ) -> None:
        operands = [self._operands[op.index, slot] for slot in slots]
        computed = [v for v in operands if v.reader == SHARED]
        constants = [v for v in operands if v.reader != SHARED]
        if row.saturates and computed:
            self._silent.update(constants)
        pins = {self._pinned.get(version) for version in computed}
        pin = next(iter(pins)) if len(pins) == 1 else None
        if pin is not None and all(self._holds(pin, v) for v in constants):
            self._pinned.update(dict.fromkeys((*constants, *outputs), pin))
            return
        for slot in slots:
            version = self._operands[op.index, slot]
            if version in self._pinned:
                # What is fixed cannot take part in a tie: it is rescaled for this op alone.
                version = self._operands[op.index, slot] = Version(*version[:2], op.index)
            self._sets.join(outputs[0], version)
        for version in outputs[1:]:
            self._sets.join(outputs[0], version)

    def _holds(self, pin: Quantization, version: Version) -> bool:
        if version in self._silent:
            return True
        found = self._finder.of(version.tensor)
        codes = np.iinfo(version.precision)
        low, high = ((code - pin.zero_point[0]) * pin.scale[0] for code in (codes.min, codes.max))
        half = pin.scale[0] / 2
        return low - half <= found.low and found.high <= high + half

    def _params(self) -> dict[Version, Quantization]:
        """Of each set, by its root."""
        params: dict[Version, Quantization] = {}
        merged = self._merged
        for version in self._versions:
            root = self._sets.root(version)
            if version in self._pinned:
                params[root] = self._pinned[version]
            elif version not in self._silent:
                found = self._finder.of(version.tensor)
                other = merged.get(root, found)
                merged[root] = Range(min(found.low, other.low), max(found.high, other.high))
        for root, found in merged.items():
            try:
                params[root] = activation_params(found, _integer(root))
            except QuantizationError as error:
                name = self._graph.tensors[root.tensor].name
                raise QuantizationError(
                    f"'{name}': {error.message}", hint=error.hint, details=error.details
                ) from error
        return params

    def _raise_floors(self, integer: list[TfOperator], params: dict[Version, Quantization]) -> None:
        """Widens outputs whose scale is so small beside the inputs' that LiteRT would stop."""
        for op in integer:
            row, precision = rule(op.code), self._precision[op.index]
            if row is None or precision not in row.floors:
                continue
            roots = [
                self._sets.root(self._operands[op.index, slot])
                for slot in data_slots(self._graph, op)
            ]
            largest = max(params[root].scale[0] for root in roots)
            floor = 1.001 * row.floors[precision] * largest**row.power
            if row.weights is not None:
                weights = self._graph.tensors[op.inputs[row.weights.slot]]
                floor *= float(weight_scale(_constant(weights), None)[0])
            out = self._sets.root(Version(op.outputs[0], precision))
            if params[out].scale[0] < floor:
                found = self._merged.get(out, Range(0.0, 0.0))
                dtype = _integer(out)
                low, high = min(found.low, 0.0), max(found.high, 0.0)
                zero = 0 if dtype == "int16" else zero_point(low, high, floor, dtype)
                params[out] = quantization(floor, zero)


def _constant(tensor: TfTensor) -> NDArray[Any]:
    return tensor.data if tensor.data is not None else np.empty(0, np.float32)


def _integer(version: Version) -> Integer:
    return "int16" if version.precision == "int16" else "int8"

"""Walks a float model and its quantized twin side by side, from weighted layer to weighted layer.

At each layer a step sees what the layer reads in both (the quantized one with everything decided
so far), decides, and walks on. Each op runs once per sample and side: what is alive between two
layers is kept for all samples, so a fully sequential step over L layers costs one pass instead of
L/2. That memory is bounded by taking no more samples than fit in ``MEMORY_BYTES``.

Everything runs in this process, whatever the executor: a layer needs the decision of the layer
before it, and sending the live tensors elsewhere would cost more than the ops do. So the results
cannot depend on the executor.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor, is_stateful, tensor_infos
from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    Quantization,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
)
from edgecnn.core.tflite.writer import write_model
from quantization.steps.layer_statistics import (
    Layer,
    layer_of,
    sample_positions,
)
from quantization.types import SampleDict

MEMORY_BYTES = 768 << 20
#: Rows of one layer: at most so many per sample, and about so many over all samples.
ROWS_PER_SAMPLE, ROWS = 64, 16384
#: Every so many-th sample judges what the others chose.
HELD_OUT = 4
#: Fewer samples say nothing.
MIN_SAMPLES = 8
_CHUNK = 16

State = dict[int, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Rows:
    """What some samples give a layer to multiply.

    Attributes:
        samples: how many; each gives the same number of rows.
        held_out: whether these samples are to judge.
        reference: X of the float model, float32 (groups, n, K).
        quantized: X̂ of the quantized model, real values, same shape.
    """

    samples: int
    held_out: bool
    reference: NDArray[np.float32]
    quantized: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Twin:
    """A layer in the quantized model.

    Attributes:
        op: the operator there.
        data, weights: its tensors; the weights are int8.
    """

    op: TfOperator
    data: TfTensor
    weights: TfTensor

    @property
    def scale(self) -> NDArray[np.float32]:
        """Of the weights, (1,) or (channels,)."""
        scale = self.weights.quantization.scale if self.weights.quantization else (1.0,)
        return np.asarray(scale, np.float32)

    @property
    def codes(self) -> NDArray[np.int8]:
        """The weights as they are now."""
        data = self.weights.data
        return np.zeros(self.weights.shape, np.int8) if data is None else np.asarray(data, np.int8)

    def matrix(self, layer: Layer) -> NDArray[np.float32]:
        """Their real values, (groups, K, O)."""
        codes = layer.to_matrix(self.codes).astype(np.float32)
        return codes * layer.to_channels(self.scale)


def layers_of(model: TfModel) -> tuple[Layer, ...]:
    """The weighted layers of the main subgraph that can be served, in order."""
    graph = model.main
    found = (layer_of(graph, op) for op in graph.operators)
    return tuple(layer for layer in found if layer is not None)


def twin_of(graph: TfSubgraph, quantized: TfSubgraph, layer: Layer) -> Twin | None:
    """A layer of ``graph`` in the quantized graph; None where its weights are not int8 there."""
    name = graph.tensors[layer.weights].name
    for op in quantized.operators:
        slots = [quantized.tensors[index] for index in op.inputs if index != NO_TENSOR]
        weights = [tensor for tensor in slots if tensor.name == name]
        if op.code == layer.op.code and weights and weights[0].dtype is DType.INT8:
            slot = layer.op.inputs.index(layer.data)
            return Twin(op, quantized.tensors[op.inputs[slot]], weights[0])
    return None


def why_not(model: TfModel) -> str:
    """Why a model cannot be walked; empty where it can."""
    if len(model.subgraphs) > 1:
        return "the model has control flow"
    if is_stateful(model):
        return "the model keeps a state between inferences"
    return "" if layers_of(model) else "no layer has float weights of its own"


class LayerWalk:
    """One walk; layers must be visited in their order.

    Args:
        model: the float model, the reference.
        quantized: its quantized twin, as :func:`quantization.graph.emit.emit` makes it.
        samples: real-valued inputs; no more are drawn than fit in memory.
        seed: of the positions.
        most: samples that are drawn, at most.
    """

    def __init__(
        self,
        model: TfModel,
        quantized: TfModel,
        samples: Iterable[SampleDict],
        seed: int,
        most: int = sys.maxsize,
    ) -> None:
        taken = list(islice(samples, min(most, _capacity(model))))
        self._seed = seed
        self._rows = max(1, min(ROWS_PER_SAMPLE, ROWS // max(len(taken), 1)))
        self._float = _Side(model, taken)
        self._quantized = _Side(quantized, taken)
        self._model = quantized
        self.samples = len(taken)

    def update(self, quantized: TfModel) -> None:
        """The quantized model after a decision; nothing but constants may differ."""
        self._model = quantized

    def twin(self, layer: Layer) -> Twin | None:
        """See :func:`twin_of`."""
        return twin_of(self._float.graph, self._model.main, layer)

    def rows(self, layer: Layer, twin: Twin) -> Iterator[Rows]:
        """The layer's rows, some samples at a time; runs both models up to the layer."""
        self._float.advance(self._float.model, layer.op.index)
        self._quantized.advance(self._model, twin.op.index)
        numbers = np.arange(self.samples)
        for held_out in (False, True):
            chosen = numbers[(numbers % HELD_OUT == HELD_OUT - 1) == held_out]
            for low in range(0, len(chosen), _CHUNK):
                yield self._some_rows(layer, twin, chosen[low : low + _CHUNK], held_out)

    def _some_rows(
        self, layer: Layer, twin: Twin, numbers: NDArray[np.int64], held_out: bool
    ) -> Rows:
        reference, quantized = [], []
        for number in numbers.tolist():
            positions = sample_positions(layer, self._rows, self._seed, number)
            x = self._float.states[number][layer.data]
            x_hat = _real(self._quantized.states[number][twin.data.index], twin.data.quantization)
            reference.append(layer.rows(np.asarray(x, np.float32), positions))
            quantized.append(layer.rows(x_hat, positions))
        both = np.concatenate(reference, 1), np.concatenate(quantized, 1)
        return Rows(len(numbers), held_out, *both)


class _Side:
    """One model with the tensors that are alive before an op, for every sample."""

    def __init__(self, model: TfModel, samples: Sequence[SampleDict]) -> None:
        self.model = model
        self.graph = model.main
        self.position = 0
        infos = list(zip(self.graph.inputs, tensor_infos(model)[0], strict=True))
        self.states: list[State] = [
            {index: info.quantize(sample[info.name]) for index, info in infos} for sample in samples
        ]

    def advance(self, model: TfModel, position: int) -> None:
        """Runs ``model``'s ops from where this side stands up to ``position``."""
        if position > self.position:
            alive = _alive(self.graph, position)
            piece = _Piece.of(model, self.position, position, alive)
            for number, state in enumerate(self.states):
                self.states[number] = piece.run(state, alive)
            self.position = position


@dataclass(frozen=True, eq=False)
class _Piece:
    """Ops in a row as a model of their own; tensors are named by their numbers."""

    predictor: LiteRTPredictor | None
    inputs: tuple[int, ...]

    @classmethod
    def of(cls, model: TfModel, first: int, last: int, alive: frozenset[int]) -> _Piece:
        graph = model.main
        operators = graph.operators[first:last]
        made = [index for op in operators for index in op.outputs]
        read = [index for op in operators for index in op.inputs if index != NO_TENSOR]
        wanted = [index for index in made if index in alive]
        before = _alive(graph, first)
        given = [index for index in dict.fromkeys(read) if index in before]
        if not wanted:
            return cls(None, ())
        numbers = {old: new for new, old in enumerate(dict.fromkeys((*given, *read, *made)))}
        numbers[NO_TENSOR] = NO_TENSOR
        tensors = tuple(
            replace(graph.tensors[old], index=new, name=f"t{old}")
            for old, new in numbers.items()
            if old != NO_TENSOR
        )
        renumbered = tuple(
            replace(
                op,
                index=k,
                inputs=tuple(numbers[index] for index in op.inputs),
                outputs=tuple(numbers[index] for index in op.outputs),
                intermediates=(),
            )
            for k, op in enumerate(operators)
        )
        part = TfSubgraph(
            graph.name,
            tensors,
            renumbered,
            tuple(numbers[index] for index in given),
            tuple(numbers[index] for index in wanted),
        )
        piece = replace(model, subgraphs=(part,), signatures=(), metadata={})
        return cls(LiteRTPredictor(write_model(piece)), tuple(given))

    def run(self, state: Mapping[int, NDArray[Any]], alive: frozenset[int]) -> State:
        kept = {index: value for index, value in state.items() if index in alive}
        if self.predictor is None:
            return kept
        found = self.predictor.predict({f"t{index}": state[index] for index in self.inputs})
        return kept | {int(name[1:]): value for name, value in found.items()}


def _alive(graph: TfSubgraph, position: int) -> frozenset[int]:
    """Activations that exist before the op at ``position`` and are read from there on."""
    made = {*graph.inputs}
    for op in graph.operators[:position]:
        made.update(op.outputs)
    later = {index for op in graph.operators[position:] for index in op.inputs}
    return frozenset(made & later)


def _capacity(model: TfModel) -> int:
    """How many samples' live tensors fit in memory, in both models."""
    graph = model.main
    stops = (layer.op.index for layer in layers_of(model))
    sizes = (
        sum(graph.tensors[index].nbytes for index in _alive(graph, stop)) for stop in (0, *stops)
    )
    # The float side and, in at most 16 bits, the quantized one.
    return max(MIN_SAMPLES, MEMORY_BYTES * 2 // (3 * max(1, *sizes)))


def _real(codes: NDArray[Any], quantization: Quantization | None) -> NDArray[np.float32]:
    if quantization is None or not np.issubdtype(codes.dtype, np.integer):
        return np.asarray(codes, np.float32)
    centred = codes.astype(np.float32) - np.float32(quantization.zero_point[0])
    return centred * np.float32(quantization.scale[0])

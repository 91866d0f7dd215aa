"""The float graph as a Keras model whose weights and biases train while it rounds.

Fake quantization follows Jacob et al. 2018 (arXiv 1712.05877, section 3): the forward pass rounds
weights and activations as the integer model will, the backward pass takes rounding for the
identity inside the range (straight-through estimator, Bengio et al. 2013, arXiv 1308.3432).
Weights keep the scale that the converter would give them, largest magnitude over 127, at every
step; activations keep their calibrated scales.

The graph is the one that will be quantized: batch norms are folded, activations fused, and every
tensor that becomes integer rounds on its own grid. So it trains what a .tflite holds, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfOperator, TfSubgraph
from quantization.fine_tuning.kernels import KERNELS, Call, Tensor, run
from quantization.fine_tuning.rounding import Grid, Rounding, Weights
from quantization.tensorflow_import import import_keras_on_tensorflow, import_tensorflow

_WEIGHT_LIMIT = 127.0


def unknown_ops(graph: TfSubgraph) -> tuple[str, ...]:
    """The ops that cannot be trained through, as ``CODE 'layer'``."""
    return tuple(
        f"{op.display_code} '{graph.op_name(op)}'"
        for op in graph.operators
        if op.code not in KERNELS
    )


class Forward:
    """Computes a graph in TensorFlow.

    Args:
        graph: float; all its ops have a kernel.
        wanted: tensors to give out.
        rounding: where it rounds; None: nowhere.
    """

    def __init__(
        self, graph: TfSubgraph, wanted: Sequence[int], rounding: Rounding | None = None
    ) -> None:
        self._flow = import_tensorflow()
        self._graph = graph
        self._wanted = tuple(wanted)
        self._rounding = rounding

    def __call__(self, inputs: Sequence[Tensor], changed: Mapping[int, Tensor]) -> list[Tensor]:
        """The wanted tensors.

        Args:
            inputs: (batch, …), in the graph's order.
            changed: constants that have other values.
        """
        rounding = self._rounding
        values: dict[int, Tensor] = dict(changed)
        for index, value in zip(self._graph.inputs, inputs, strict=True):
            grid = rounding.inputs.get(index) if rounding else None
            values[index] = self._rounded(value, grid)
        for op in self._graph.operators:
            results = run(self._call(op, values))
            for slot, (index, value) in enumerate(zip(op.outputs, results, strict=True)):
                grid = rounding.outputs.get((op.index, slot)) if rounding else None
                values[index] = self._rounded(value, grid)
        return [values[index] for index in self._wanted]

    def _call(self, op: TfOperator, values: dict[int, Tensor]) -> Call:
        tensors = self._graph.tensors
        operands: list[Tensor | None] = []
        for slot, index in enumerate(op.inputs):
            if index == NO_TENSOR:
                operands.append(None)
                continue
            value = values.get(index)
            if value is None:
                value = self._flow.constant(tensors[index].data)
            grid = self._rounding.operands.get((op.index, slot)) if self._rounding else None
            operands.append(self._rounded(value, grid))
        targets = tuple(tensors[index].shape for index in op.outputs)
        return Call(self._flow, op, operands, tensors[op.inputs[0]].shape, targets)

    def _rounded(self, value: Tensor, grid: Grid | None) -> Tensor:
        if grid is None:
            return value
        fake = self._flow.quantization.fake_quant_with_min_max_args
        return fake(value, grid.low, grid.high, num_bits=grid.bits)


def build_net(model: TfModel, rounding: Rounding, wanted: Sequence[int]) -> Any:
    """A ``keras.Model``: list of inputs (batch, …) → list of the wanted tensors, rounded.

    Its trainable variables are the changes of weights and biases, counted in codes, so that one
    learning rate serves all layers. ``net.constants()`` gives the trained values.

    Args:
        model: float, all ops known (:func:`unknown_ops`).
        rounding: of that model.
        wanted: tensor indices to give out.
    """
    keras = import_keras_on_tensorflow()
    flow = import_tensorflow()
    graph = model.main
    forward = Forward(graph, wanted, rounding)
    first = {index: _values(graph, index) for index in _trained(rounding)}
    units = {layer.index: layer.unit for layer in rounding.weights} | {
        layer.bias: np.float32(layer.bias_unit)
        for layer in rounding.weights
        if layer.bias is not None
    }

    class FineTunedNet(keras.Model):  # type: ignore[name-defined]
        """See :func:`build_net`."""

        def __init__(self) -> None:
            super().__init__(name="fine_tuned")
            self.steps = {
                str(index): self.add_weight(
                    shape=value.shape, initializer="zeros", name=f"t{index}"
                )
                for index, value in first.items()
            }

        def constant(self, index: int) -> Tensor:
            return first[index] + self.steps[str(index)] * units[index]

        def call(self, inputs: Sequence[Tensor]) -> list[Tensor]:
            changed = {index: self.constant(index) for index in first}
            for layer in rounding.weights:
                changed[layer.index] = _fake_weights(flow, changed[layer.index], layer)
            return forward(inputs, changed)

        def constants(self) -> dict[int, NDArray[np.float32]]:
            return {index: np.asarray(self.constant(index), np.float32) for index in first}

    return FineTunedNet()


def _trained(rounding: Rounding) -> list[int]:
    biases = [layer.bias for layer in rounding.weights if layer.bias is not None]
    return sorted({*(layer.index for layer in rounding.weights), *biases})


def _values(graph: TfSubgraph, index: int) -> NDArray[Any]:
    tensor = graph.tensors[index]
    data = np.zeros(tensor.shape) if tensor.data is None else tensor.data
    return np.asarray(data, np.float32)


def _fake_weights(flow: Any, values: Tensor, layer: Weights) -> Tensor:
    axes = [k for k in range(len(values.shape)) if k != layer.axis]
    peak = flow.reduce_max(flow.abs(values), axes, keepdims=True)
    scale = flow.stop_gradient(flow.maximum(peak, 1e-30)) / _WEIGHT_LIMIT
    return values + flow.stop_gradient(flow.round(values / scale) * scale - values)


def trainable_floats(graph: TfSubgraph) -> bool:
    """Whether all inputs and op outputs that matter are float32 with a batch of one."""
    return all(
        graph.tensors[index].dtype is DType.FLOAT32 and graph.tensors[index].shape[:1] == (1,)
        for index in graph.inputs
    )

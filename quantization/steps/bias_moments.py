"""What batch normalization says of a layer's inputs, without any data.

After batch normalization a channel has mean β and standard deviation γ, and is about normal; behind
a ReLU it is a clipped normal (Nagel et al. 2019, Data-Free Quantization Through Weight Equalization
and Bias Correction, arXiv 1906.04721, section 4.2 and appendix C). These moments are carried along
the graph as far as that can be done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfModel, TfOperator, TfSubgraph
from quantization.steps.layer_statistics import Layer
from quantization.steps.layer_walk import layers_of

Floats = NDArray[np.floating[Any]]
#: Fused activation or op → the interval that it clips to.
CLIPS: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
_SAME_MEAN = ("MEAN", "AVERAGE_POOL_2D", "RESHAPE", "SQUEEZE", "PAD", "RESIZE_NEAREST_NEIGHBOR")


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation per channel; the deviation is None where it is not known."""

    mean: Floats
    deviation: Floats | None


def clipped_normal(mean: Floats, deviation: Floats, low: float, high: float) -> Moments:
    """Moments of ``clip(x, low, high)`` where x is normal.

    Args:
        mean: of x, any shape.
        deviation: of x, the same shape.
        low: end of the interval, or −∞.
        high: end of the interval, or ∞.
    """
    spread = np.maximum(np.asarray(deviation, np.float64), 1e-12)
    a, b = (low - mean) / spread, (high - mean) / spread
    below, above = _cdf(a), 1.0 - _cdf(b)
    inside = 1.0 - below - above
    density_a, density_b = _density(a), _density(b)
    first = mean * inside + spread * (density_a - density_b)
    edge_a, edge_b = (np.where(np.isfinite(x), x, 0.0) for x in (a, b))
    second = (
        (mean**2 + spread**2) * inside
        + 2.0 * mean * spread * (density_a - density_b)
        + spread**2 * (edge_a * density_a - edge_b * density_b)
    )
    finite_low, finite_high = (x if math.isfinite(x) else 0.0 for x in (low, high))
    first = first + finite_low * below + finite_high * above
    second = second + finite_low**2 * below + finite_high**2 * above
    return Moments(first, np.sqrt(np.maximum(second - first**2, 0.0)))


def input_moments(model: TfModel, keras_model: Any) -> dict[int, Moments]:
    """Moments of activations (tensor index → moments), as far as they are known.

    Args:
        model: the float model, batch norms folded.
        keras_model: what it was made from.
    """
    graph = model.main
    normalized = _normalized_layers(keras_model)
    layers = {layer.op.index: layer for layer in layers_of(model)}
    known: dict[int, Moments] = {}
    for op in graph.operators:
        if op.index in layers:
            found = _of_layer(graph, layers[op.index], normalized, known)
        else:
            found = _of_op(op, known)
        found = _activated(found, op.options.get("fused_activation_function", "NONE"))
        if found is not None:
            known[op.outputs[0]] = found
    return known


def expected_row(layer: Layer, moments: Moments) -> Floats | None:
    """E[row] of a layer, (groups, K); None where its taps do not all see the same distribution."""
    size, taps = moments.mean.size, layer.groups * layer.depth
    if layer.op.code == "TRANSPOSE_CONV" or taps % size:
        return None
    grouped = moments.mean.reshape(layer.groups, -1)
    return np.tile(grouped, (1, layer.depth // grouped.shape[1]))


def _of_layer(
    graph: TfSubgraph,
    layer: Layer,
    normalized: Mapping[str, _Normalized],
    known: Mapping[int, Moments],
) -> Moments | None:
    name = graph.op_name(layer.op)
    match = normalized.get(name) or normalized.get(name.rpartition("/")[0])
    if match is not None and match.folded_into(layer.float_matrix(graph)):
        return Moments(match.beta, np.abs(match.gamma))
    before = known.get(layer.data)
    row = expected_row(layer, before) if before else None
    if row is None:
        return None
    mean = (row[:, None] @ layer.float_matrix(graph)).reshape(-1)
    if layer.bias is not None:
        bias = graph.tensors[layer.bias].data
        if bias is None:
            return None
        mean = mean + bias
    return Moments(mean, None)


def _of_op(op: TfOperator, known: Mapping[int, Moments]) -> Moments | None:
    inputs = [known.get(index) for index in op.inputs]
    first = inputs[0] if inputs else None
    if first is None:
        return None
    if op.code in CLIPS:
        return _activated(first, op.code)
    if op.code in _SAME_MEAN:
        keeps = op.code in ("RESHAPE", "SQUEEZE")
        return Moments(first.mean, first.deviation if keeps else None)
    second = inputs[1] if len(inputs) > 1 else None
    if op.code == "ADD" and second is not None and second.mean.shape == first.mean.shape:
        mean = first.mean + second.mean
        if first.deviation is None or second.deviation is None:
            return Moments(mean, None)
        return Moments(mean, np.hypot(first.deviation, second.deviation))
    return None


def _activated(moments: Moments | None, name: str) -> Moments | None:
    if moments is None or name == "NONE":
        return moments
    if name not in CLIPS or moments.deviation is None:
        return None
    return clipped_normal(moments.mean, moments.deviation, *CLIPS[name])


@dataclass(frozen=True, eq=False)
class _Normalized:
    """A Keras layer whose only reader is a batch normalization."""

    kernel: Floats
    gamma: Floats
    beta: Floats
    factor: Floats

    def folded_into(self, matrix: Floats) -> bool:
        """Whether these float weights are the kernel times γ / √(variance + ε)."""
        if self.kernel.size != matrix.size:
            return False
        # The layouts differ; energies per output channel do not.
        channels = matrix.shape[0] * matrix.shape[2]
        ours = np.square(matrix).sum(axis=1).reshape(-1)
        if self.factor.size != channels:
            return False
        flat = self.kernel.reshape(-1, channels)
        theirs = np.square(flat).sum(axis=0) * np.square(self.factor)
        return bool(np.allclose(ours, theirs, rtol=1e-3, atol=1e-9))


def _normalized_layers(keras_model: Any) -> dict[str, _Normalized]:
    found = {}
    for layer in _flat(keras_model):
        readers = [node.operation for node in getattr(layer, "_outbound_nodes", [])]
        if len(readers) != 1 or type(readers[0]).__name__ != "BatchNormalization":
            continue
        if type(layer).__name__ not in ("Conv2D", "DepthwiseConv2D", "Dense"):
            continue
        norm = readers[0]
        variance = np.asarray(norm.moving_variance, np.float64)
        gamma = np.asarray(norm.gamma, np.float64) if norm.scale else np.ones_like(variance)
        beta = np.asarray(norm.beta, np.float64) if norm.center else np.zeros_like(variance)
        kernel = np.asarray(layer.get_weights()[0], np.float64)
        factor = gamma / np.sqrt(variance + norm.epsilon)
        found[layer.name] = _Normalized(kernel, gamma, beta, factor)
    return found


def _flat(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _flat(layer)
        else:
            yield layer


def _density(x: Floats) -> Floats:
    return np.exp(-0.5 * np.square(x)) / math.sqrt(2.0 * math.pi)


def _cdf(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2.0)))

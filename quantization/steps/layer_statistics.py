"""What a weighted layer multiplies, as matrices, and the sums that the weight steps need of it.

Every layer is seen as ``groups`` independent products ``rows (n, K) · matrix (K, O)``: a dense
layer or convolution is one group, a depthwise convolution has one group per input channel, a
grouped convolution its groups. A row is one output position's receptive field (im2col); padding is
zero. Positions are drawn by seed, so that the cost per sample is bounded.

The sums describe the layer inside the quantized model: its inputs X̂ are the quantized ones, and
the error that they alone cause is ``E = X·W − X̂·W`` against the float model's inputs X. With
integer weights ``W + δ`` the layer's output is then off by ``X̂·δ − E``, and its energy

    ‖X̂·δ − E‖² = δᵀ(X̂ᵀX̂)δ − 2 δᵀ(X̂ᵀE) + ‖E‖²

is known from three small arrays (the layer-wise objective of Nagel et al. 2020, arXiv 2004.10568,
equation 21, without its activation function). All terms are of the size of the error, so nothing
cancels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfOperator, TfSubgraph

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]
#: op code → (slot of the data operand, slot of the weights, slot of the bias)
_SLOTS = {
    "CONV_2D": (0, 1, 2),
    "DEPTHWISE_CONV_2D": (0, 1, 2),
    "FULLY_CONNECTED": (0, 1, 2),
    "TRANSPOSE_CONV": (2, 1, 3),
}


@dataclass(frozen=True, eq=False)
class Layer:
    """A weighted op and how its product is laid out.

    Attributes:
        op: the operator in the float model.
        data, weights: tensor indices.
        bias: tensor index; None where the op has none.
        bias_slot: where a bias stands among the op's inputs.
        groups: independent products.
        source_y, source_x: int64 (output height, kernel height) and (output width, kernel width):
            the input row and column that a kernel tap reads, −1 in the padding; empty (0, 0) for
            dense layers.
        positions: rows that one inference gives.
        weight_shape: of the weights tensor.
    """

    op: TfOperator
    data: int
    weights: int
    bias: int | None
    bias_slot: int
    groups: int
    source_y: Indices
    source_x: Indices
    positions: int
    weight_shape: tuple[int, ...]

    @property
    def depth(self) -> int:
        """K: values in a row."""
        return int(np.prod(self.weight_shape, dtype=np.int64)) // (self.groups * self.outputs)

    @property
    def outputs(self) -> int:
        """O: output channels per group."""
        if self.op.code == "DEPTHWISE_CONV_2D":
            return self.weight_shape[3] // self.groups
        return self.weight_shape[0] // self.groups

    def to_matrix(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights in their tensor's shape → (groups, K, O)."""
        if self.op.code == "DEPTHWISE_CONV_2D":
            grouped = weights.reshape(-1, self.groups, self.outputs)
            return np.ascontiguousarray(grouped.transpose(1, 0, 2))
        grouped = weights.reshape(self.groups, self.outputs, -1)
        return np.ascontiguousarray(grouped.transpose(0, 2, 1))

    def float_matrix(self, graph: TfSubgraph) -> NDArray[np.float32]:
        """The layer's float weights in ``graph``, (groups, K, O)."""
        return self.to_matrix(np.asarray(graph.tensors[self.weights].data, np.float32))

    def from_matrix(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """The inverse of :meth:`to_matrix`."""
        axes = (1, 0, 2) if self.op.code == "DEPTHWISE_CONV_2D" else (0, 2, 1)
        return np.ascontiguousarray(matrix.transpose(axes)).reshape(self.weight_shape)

    def to_channels(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value per output channel, or one for all → (groups, 1, O)."""
        wide = np.broadcast_to(values, (self.groups * self.outputs,))
        return wide.reshape(self.groups, 1, self.outputs)

    def rows(self, values: NDArray[np.float32], positions: Indices) -> NDArray[np.float32]:
        """The rows at some output positions of one inference.

        Args:
            values: the data operand, real values, batch first.
            positions: of the flattened (batch, output height, output width).

        Returns:
            float32 (groups, positions, K).
        """
        if self.op.code == "FULLY_CONNECTED":
            return values.reshape(1, -1, self.weight_shape[1])[:, positions]
        batch, place = np.divmod(positions, len(self.source_y) * len(self.source_x))
        y, x = np.divmod(place, len(self.source_x))
        # One row and column of zeros at the end, which is where index −1 points to.
        count, rows, columns, channels = values.shape
        padded = np.zeros((count, rows + 1, columns + 1, channels), np.float32)
        padded[:, :-1, :-1] = values
        patch = padded[
            batch[:, None, None], self.source_y[y][:, :, None], self.source_x[x][:, None, :]
        ]
        grouped = patch.reshape(len(positions), -1, self.groups, channels // self.groups)
        return grouped.transpose(2, 0, 1, 3).reshape(self.groups, len(positions), -1)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over rows; ``a + b`` are those over both sets of rows.

    Attributes:
        count: rows.
        gram: X̂ᵀX̂, float64 (groups, K, K).
        cross: X̂ᵀE, float64 (groups, K, O).
        energy: ‖E‖² per output channel, float64 (groups, 1, O).
    """

    count: int
    gram: Floats
    cross: Floats
    energy: Floats

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.count + other.count,
            self.gram + other.gram,
            self.cross + other.cross,
            self.energy + other.energy,
        )

    def means(self) -> Statistics:
        """The same per row (``count`` 1)."""
        return Statistics(
            1, self.gram / self.count, self.cross / self.count, self.energy / self.count
        )


def statistics(quantized: Floats, error: Floats) -> Statistics:
    """The sums over some rows.

    Args:
        quantized: X̂, float32 (groups, n, K).
        error: E, float32 (groups, n, O).
    """
    # In float64: float32 sums can leave a Gram matrix with negative eigenvalues.
    wide, off = quantized.astype(np.float64), error.astype(np.float64)
    turned = wide.transpose(0, 2, 1)
    energy = np.square(off).sum(axis=1, keepdims=True)
    return Statistics(quantized.shape[1], turned @ wide, turned @ off, energy)


def layer_of(graph: TfSubgraph, op: TfOperator) -> Layer | None:
    """How a weighted op's product is laid out; None for ops that are not served.

    Served are convolutions (strided, dilated, grouped, depthwise, transposed) and dense layers
    whose weights are a float32 constant that no other op reads.
    """
    if op.code not in _SLOTS or len(op.inputs) <= _SLOTS[op.code][1]:
        return None
    data, weights, bias_slot = _SLOTS[op.code]
    filters, source = graph.tensors[op.inputs[weights]], graph.tensors[op.inputs[data]]
    readers = sum(other.inputs.count(filters.index) for other in graph.operators)
    shuffled = op.options.get("weights_format", "DEFAULT") != "DEFAULT"
    if filters.data is None or filters.dtype is not DType.FLOAT32 or readers > 1 or shuffled:
        return None
    if source.data is not None:
        return None
    bias = op.inputs[bias_slot] if len(op.inputs) > bias_slot else NO_TENSOR
    output = graph.tensors[op.outputs[0]].shape
    shape = filters.shape
    dense = op.code == "FULLY_CONNECTED"
    if dense:
        groups, source_y, source_x = 1, *(np.zeros((0, 0), np.int64),) * 2
        positions = source.elements // shape[1]
    else:
        source_y = _sources(op, "h", source.shape[1], output[1], shape[1])
        source_x = _sources(op, "w", source.shape[2], output[2], shape[2])
        depthwise = op.code == "DEPTHWISE_CONV_2D"
        groups = source.shape[3] if depthwise else source.shape[3] // shape[3]
        positions = output[0] * output[1] * output[2]
    return Layer(
        op=op,
        data=source.index,
        weights=filters.index,
        bias=None if bias == NO_TENSOR else bias,
        bias_slot=bias_slot,
        groups=groups,
        source_y=source_y,
        source_x=source_x,
        positions=positions,
        weight_shape=shape,
    )


def sample_positions(layer: Layer, count: int, seed: int, sample: int) -> Indices:
    """At most ``count`` of a layer's output positions for one sample; the same ones every time."""
    if layer.positions <= count:
        return np.arange(layer.positions)
    generator = np.random.default_rng([seed, sample, layer.op.index])
    return np.sort(generator.choice(layer.positions, count, replace=False))


def _sources(op: TfOperator, axis: str, size: int, out: int, kernel: int) -> Indices:
    """Which input coordinate each (output coordinate, kernel tap) reads; −1: none."""
    stride = int(op.options[f"stride_{axis}"])
    dilation = int(op.options.get(f"dilation_{axis}_factor", 1))
    same = op.options["padding"] == "SAME"
    place, tap = np.arange(out)[:, None], np.arange(kernel)[None, :]
    if op.code == "TRANSPOSE_CONV":
        total = max((size - 1) * stride + kernel - out, 0) if same else 0
        scaled = place + total // 2 - tap
        index, rest = np.divmod(scaled, stride)
        inside = (rest == 0) & (index >= 0) & (index < size)
    else:
        span = (kernel - 1) * dilation + 1
        total = max((out - 1) * stride + span - size, 0) if same else 0
        index = place * stride + tap * dilation - total // 2
        inside = (index >= 0) & (index < size)
    return np.where(inside, index, -1)

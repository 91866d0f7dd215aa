"""Weights of both models, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfOperator, TfSubgraph, TfTensor
from quantization.inspection.accumulate import decibels
from quantization.inspection.distributions import Bins, bins_of
from quantization.inspection.pairing import QUANTIZED

#: op code → (input slot of the weights, axis of their output channels).
WEIGHTS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "CONV_2D": (1, 0),
        "DEPTHWISE_CONV_2D": (1, 3),
        "TRANSPOSE_CONV": (1, 0),
        "FULLY_CONNECTED": (1, 0),
        "CONV_3D": (1, 4),
    }
)
_WIDENED = frozenset({"DEQUANTIZE", "CAST"})
# Ops that a quantizer fuses into the weighted op before them.
_FUSED = frozenset({"RELU", "RELU6", "RELU_N1_TO_1", "TANH", "ADD", "MUL"})


@dataclass(frozen=True)
class WeightStats:
    """One op's weights.

    Attributes:
        name: of the weights tensor.
        dtype: numpy name.
        nbytes: as stored.
        scales: how many scales; 0 for float weights.
        low_scale, high_scale: the smallest and the largest scale; 0 for float weights.
        ranges: float64 (channels,): largest absolute real value of each output channel, of the
            float model's weights where they are known.
        channel_db: float64 (channels,): SQNR of the stored against the float weights; None where
            these are unknown. NaN for channels that are zero.
        real, stored: spread of the float weights and of what is stored; ``real`` None where
            unknown.
    """

    name: str
    dtype: str
    nbytes: int
    scales: int
    low_scale: float
    high_scale: float
    ranges: NDArray[np.float64] = field(compare=False)
    channel_db: NDArray[np.float64] | None = field(default=None, compare=False)
    real: Bins | None = field(default=None, compare=False)
    stored: Bins | None = field(default=None, compare=False)

    @property
    def per_tensor(self) -> bool:
        """Whether one scale serves several channels."""
        return self.scales == 1 and len(self.ranges) > 1


def weight_tensor(graph: TfSubgraph, op: TfOperator) -> TfTensor | None:
    """The constant weights of an op; None where it has none.

    Half-precision weights stand behind a DEQUANTIZE.
    """
    place = WEIGHTS.get(op.code)
    if place is None or len(op.inputs) <= place[0] or op.inputs[place[0]] == NO_TENSOR:
        return None
    tensor = graph.tensors[op.inputs[place[0]]]
    if tensor.data is not None:
        return tensor
    for other in graph.operators:
        if tensor.index in other.outputs and other.code in _WIDENED:
            source = graph.tensors[other.inputs[0]]
            return source if source.data is not None else None
    return None


def real_weights(tensor: TfTensor) -> NDArray[np.float64] | None:
    """Real values of constant weights, in the tensor's shape; None for dtypes stored packed."""
    if tensor.data is None or tensor.data.shape != tensor.shape:
        return None
    values = tensor.data.astype(np.float64)
    found = tensor.quantization
    if tensor.dtype not in QUANTIZED:
        known = (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64)
        return values if tensor.dtype in known else None
    if found is None:
        return None
    scale, zero = np.asarray(found.scale, np.float64), np.asarray(found.zero_point, np.float64)
    if len(scale) > 1:
        shape = [1] * values.ndim
        shape[found.axis] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    return (values - zero) * scale


def float_weights(graph: TfSubgraph, output: TfTensor, code: str) -> NDArray[np.float64] | None:
    """Weights of the float op of that kind that gives ``output``, maybe through a fused activation.

    Returns:
        Their real values; None where there is none.
    """
    op = weighted_op(graph, output, code)
    tensor = None if op is None else weight_tensor(graph, op)
    return None if tensor is None else real_weights(tensor)


def weighted_op(graph: TfSubgraph, output: TfTensor, code: str) -> TfOperator | None:
    """The op of kind ``code`` that gives ``output``, maybe through what quantizers fuse into it."""
    made = {index: op for op in graph.operators for index in op.outputs}
    index = output.index
    for _ in range(4):
        op = made.get(index)
        if op is None or op.code == code:
            return op
        computed = [k for k in op.inputs if k != NO_TENSOR and graph.tensors[k].data is None]
        if op.code not in _FUSED or len(computed) != 1:
            return None
        index = computed[0]
    return None


def weight_stats(
    graph: TfSubgraph, op: TfOperator, reference: NDArray[np.float64] | None = None
) -> WeightStats | None:
    """Figures of one op's weights; None where it has none.

    Args:
        graph: the op's.
        op: an op of it.
        reference: the float model's weights of the same op.
    """
    tensor = weight_tensor(graph, op)
    stored = None if tensor is None else real_weights(tensor)
    if tensor is None or stored is None or not stored.size:
        return None
    axis = WEIGHTS[op.code][1]
    if reference is not None and reference.shape != stored.shape:
        reference = None
    by_channel = _channels(stored, axis)
    known = by_channel if reference is None else _channels(reference, axis)
    coded = tensor.dtype in QUANTIZED and tensor.quantization is not None
    scale = tensor.quantization.scale if coded and tensor.quantization else ()
    return WeightStats(
        name=tensor.name,
        dtype=tensor.dtype.value,
        nbytes=tensor.nbytes,
        scales=len(scale),
        low_scale=min(scale, default=0.0),
        high_scale=max(scale, default=0.0),
        ranges=np.abs(known).max(axis=1),
        channel_db=None if reference is None else _channel_db(known, by_channel),
        real=None if reference is None else bins_of(reference),
        stored=bins_of(stored),
    )


def _channels(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    axis = min(axis, values.ndim - 1)
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _channel_db(real: NDArray[np.float64], stored: NDArray[np.float64]) -> NDArray[np.float64]:
    signal = np.einsum("ij,ij->i", real, real)
    noise = np.einsum("ij,ij->i", real - stored, real - stored)
    return decibels(signal, noise)

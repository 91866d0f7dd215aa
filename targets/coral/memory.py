"""Estimates the parameter memory of the Edge TPU, as the compiler's summary names it.

Convolution and dense layers take kh·kw·⌈in⌉₄·⌈out⌉₁₆ + ⌈8·out⌉₆₄ bytes, depthwise ones
kh·kw·⌈out⌉₆₄ + ⌈8·out⌉₆₄; both were fitted to compiled files. Depthwise layers of large networks
take more than that, so the sum is a lower estimate there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgecnn.core.tflite.model import TfOperator, TfSubgraph, TfTensor
from targets.coral.rules.view import OpView

CACHE_BYTES = 8 << 20
STREAMED_INPUTS = 16384


@dataclass(frozen=True)
class ParameterMemory:
    """Bytes of parameters kept on the chip, and streamed from the host at every inference."""

    on_chip_bytes: int
    off_chip_bytes: int


def estimate(graph: TfSubgraph, mapped: Iterable[TfOperator]) -> ParameterMemory:
    """Fills the cache with the mapped ops' parameters in order; the rest is streamed."""
    on_chip = off_chip = 0
    for op in mapped:
        view = OpView(op, graph)
        size = _parameter_bytes(view)
        if on_chip + size > CACHE_BYTES or _always_streamed(view):
            off_chip += size
        else:
            on_chip += size
    return ParameterMemory(on_chip, off_chip)


def _parameter_bytes(op: OpView) -> int:
    weights = op.input(1)
    if op.op.code == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        gates = [t for t in op.constants if len(t.shape) == 2]
        return sum(_dense_bytes(*gate.shape) for gate in gates)
    if weights is None or weights.data is None:
        return 0
    if op.op.code in ("CONV_2D", "TRANSPOSE_CONV") and len(weights.shape) == 4:
        outputs, kernel_h, kernel_w, inputs = weights.shape
        return _conv_bytes(kernel_h * kernel_w, inputs, outputs)
    if op.op.code == "FULLY_CONNECTED" and len(weights.shape) == 2:
        if _always_streamed(op):
            return _up(weights.shape[1], 4) * 16
        return _dense_bytes(*weights.shape)
    if op.op.code == "DEPTHWISE_CONV_2D" and len(weights.shape) == 4:
        _, kernel_h, kernel_w, outputs = weights.shape
        return kernel_h * kernel_w * _up(outputs, 64) + _up(8 * outputs, 64)
    return 0


def _always_streamed(op: OpView) -> bool:
    """One output from 16,384 or more inputs was streamed although the cache was free."""
    weights: TfTensor | None = op.input(1)
    return (
        op.op.code == "FULLY_CONNECTED"
        and weights is not None
        and len(weights.shape) == 2
        and weights.shape[0] == 1
        and weights.shape[1] >= STREAMED_INPUTS
    )


def _conv_bytes(taps: int, inputs: int, outputs: int) -> int:
    return taps * _up(inputs, 4) * _up(outputs, 16) + _up(8 * outputs, 64)


def _dense_bytes(outputs: int, inputs: int) -> int:
    return _conv_bytes(1, inputs, outputs)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step

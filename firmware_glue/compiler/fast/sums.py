"""What the accumulators of a layer can hold: interval analysis over all inputs of its dtype."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Numerics, Op
from firmware_glue.compiler.ops import channels
from firmware_glue.compiler.ops.spec import Array

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
_LIMIT = 1 << 31


@dataclass(frozen=True)
class Layer:
    """An int8 layer with constant filters, as far as its arithmetic goes. int64 arrays.

    Attributes:
        filters: (output channels, products per output).
        bias: (output channels,), zeros where the op has none.
        in_zero, out_zero: zero points.
        multipliers, shifts: one per output channel: factor = multiplier / 2³¹ · 2^shift.
        low, high: bounds of each channel's accumulator, inclusive, bias and padding included.
        act_min, act_max: the outputs' range.
        numerics: how the layer rounds.
    """

    filters: Ints
    bias: Ints
    in_zero: int
    out_zero: int
    multipliers: Ints
    shifts: Ints
    low: Ints
    high: Ints
    act_min: int
    act_max: int
    numerics: Numerics

    @property
    def folded_bias(self) -> Ints:
        """The bias of sums over raw input bytes x instead of x − zero point."""
        return self.bias - self.in_zero * self.filters.sum(axis=1)

    def outputs(self, sums: Ints, channel: Ints) -> Ints:
        """The op's outputs for accumulators ``sums`` of channels ``channel`` (broadcast)."""
        multiply = fixed_point.multiply(self.numerics)
        scaled = multiply(sums, self.multipliers[channel], self.shifts[channel])
        return np.clip(scaled + self.out_zero, self.act_min, self.act_max)

    def reaching(self, outputs: Ints, channel: Ints) -> Reals:
        """About the smallest accumulators, as real numbers, that give at least ``outputs``.

        For channels whose factor is not 0; clamping aside.
        """
        twice = self.numerics is not Numerics.SINGLE
        unit = np.ldexp(1.0 / np.maximum(self.multipliers, 1), 31)
        # The first of two roundings is up by half a unit at most; ties of the second go away from
        # zero, so that negative outputs begin one unit later.
        nudge = np.where(twice & (self.shifts < 0), unit / 2, 0.0)
        away = np.where(outputs > self.out_zero, -1.0, 1.0)
        per_output = np.ldexp(unit, -self.shifts)
        return (outputs - self.out_zero - 0.5) * per_output[channel] + away * nudge[channel]


def int8_layer(graph: Graph, op: Op, filters: Array, numerics: Numerics) -> Layer | None:
    """The layer, or None if it is none of int8 with constant filters, or may overflow 32 bits.

    Args:
        graph: the graph.
        op: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED: data, filters, bias.
        filters: its constant filters as (output channels, products per output).
        numerics: how it rounds (FULLY_CONNECTED of LiteRT's reference rounds once).
    """
    data, out, bias = graph.input(op, 0), graph.output(op), graph.optional(op, 2)
    if data.dtype is not DType.INT8 or out.dtype is not DType.INT8:
        return None
    if bias is not None and (bias.data is None or bias.dtype is not DType.INT32):
        return None
    w = np.asarray(filters, np.int64)
    b = np.zeros(len(w), np.int64) if bias is None else np.asarray(bias.data, np.int64).reshape(-1)
    up, down = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    least, most = -128 - data.zero_point, 127 - data.zero_point
    # A padded tap adds 0, which lies between the two.
    low, high = b + up * least + down * most, b + up * most + down * least
    scale = channels.conv_scaling(graph, op)
    shifts = np.broadcast_to(scale.shifts.astype(np.int64), len(w))
    sums = np.maximum(np.abs(low), np.abs(high)) << np.maximum(shifts, 0)
    folded = (up - down) * 128 + np.abs(b - data.zero_point * (up + down))
    if max(int(sums.max(initial=0)), int(folded.max(initial=0))) >= _LIMIT:
        return None
    act_min, act_max = fixed_point.activation_range(op.options.activation, out)
    return Layer(
        w, b, data.zero_point, out.zero_point,
        np.broadcast_to(scale.multipliers.astype(np.int64), len(w)), shifts, low, high,
        act_min, act_max, numerics,
    )  # fmt: skip

"""FULLY_CONNECTED as a layer: its own factors and rounding."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer, int8_layer
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import fully_connected
from firmware_glue.compiler.ops.real_scaling import Doubles, multiply_real


@dataclass(frozen=True)
class DenseLayer(Layer):
    """A fully connected layer.

    Attributes:
        reals: factors per channel, if LiteRT's reference is followed: it multiplies in double and
            rounds to nearest, ties away from zero. ``multipliers`` and ``shifts`` are then close.
    """

    reals: Doubles | None = None

    def outputs(self, sums: Ints, channel: Ints) -> Ints:
        """The op's outputs for accumulators ``sums`` of channels ``channel`` (broadcast)."""
        if self.reals is None:
            return super().outputs(sums, channel)
        scaled = multiply_real(sums, self.reals[channel])
        return np.clip(scaled + self.out_zero, self.act_min, self.act_max)

    def reaching(self, outputs: Ints, channel: Ints) -> Doubles:
        """About the smallest accumulators, as real numbers, that give at least ``outputs``."""
        if self.reals is None:
            return super().reaching(outputs, channel)
        return (outputs - self.out_zero - 0.5) / self.reals[channel]


def dense_layer(graph: Graph, op: Op) -> DenseLayer | None:
    """The layer, or None if it is none of int8 with constant symmetric filters."""
    filters = graph.constant(op, 1)
    if filters is None or filters.dtype != np.int8 or not fully_connected.symmetric(graph, op):
        return None
    layer = int8_layer(graph, op, filters, graph.numerics)
    if layer is None:
        return None
    reals, scale = fully_connected.factors(graph, op)
    count = len(filters)
    known = {field.name: getattr(layer, field.name) for field in fields(Layer)}
    known["multipliers"] = np.broadcast_to(scale.multipliers.astype(np.int64), count)
    known["shifts"] = np.broadcast_to(scale.shifts.astype(np.int64), count)
    return DenseLayer(**known, reals=None if reals is None else np.broadcast_to(reals, count))

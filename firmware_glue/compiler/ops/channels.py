"""Output multipliers, bias and weight limits of convolutions and fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT
from firmware_glue.compiler.ops.spec import Arg, Array, ConstArg, Rule, rule


@dataclass(frozen=True)
class Scaling:
    """How accumulators become outputs.

    Attributes:
        multipliers, shifts: one entry per output channel, or one for all.
    """

    multipliers: NDArray[np.int32]
    shifts: NDArray[np.int8]

    @property
    def per_channel(self) -> int:
        """1 if there is one entry per channel."""
        return int(self.multipliers.size > 1)

    @property
    def all_right(self) -> int:
        """1 if every shift is negative, so that the kernel needs no branches."""
        return int(bool(np.all(self.shifts < 0)))

    def args(self) -> tuple[Arg, ...]:
        """The two arrays as kernel arguments."""
        return ConstArg("multipliers", self.multipliers), ConstArg("shifts", self.shifts)


def scaling(reals: Sequence[float]) -> Scaling:
    """Real multipliers as fixed point, folded into one entry where all are the same."""
    pairs = [fixed_point.quantize_multiplier(real) for real in reals]
    # A dead channel (multiplier 0) gives 0 under any shift: −1 keeps the branch-free path.
    pairs = [(m, s) if m else (0, -1) for m, s in pairs]
    if len(set(pairs)) == 1:
        pairs = pairs[:1]
    multipliers = np.array([m for m, _ in pairs], np.int32)
    return Scaling(multipliers, np.array([s for _, s in pairs], np.int8))


def conv_scaling(graph: Graph, op: Op, data: int = 0) -> Scaling:
    """Effective scales input · weight[c] / output, in double as TFLite computes them.

    But for uint8, where the product of the two scales is one of float32.
    """
    tensor = graph.input(op, data)
    weights = graph.input(op, 1).quantization
    scales = weights.scale if weights else (1.0,)
    if tensor.dtype is DType.UINT8:
        products = [float(np.float32(tensor.scale) * np.float32(scales[0]))]
    else:
        own = tensor.scale
        products = [own * scale for scale in scales]
    out = graph.output(op).scale
    return scaling([product / out for product in products])


def activation_fields(
    graph: Graph, op: Op, activation: str, data: int = 0
) -> tuple[tuple[str, int], ...]:
    """The fields in_offset, out_offset, act_min, act_max of the C structs."""
    out = graph.output(op)
    low, high = fixed_point.activation_range(activation, out)
    return (
        ("in_offset", -graph.input(op, data).zero_point),
        ("out_offset", out.zero_point),
        ("act_min", low),
        ("act_max", high),
    )


def clamp_real(values: Array, activation: str) -> Array:
    """float32 values within the range of the fused activation."""
    low, high = fixed_point.float_range(activation)
    return np.asarray(np.clip(values, np.float32(low), np.float32(high)))


def weight_scales(axis: int) -> Rule:
    """Filters at input 1 have one scale, or one per output channel along ``axis``."""

    @rule("one scale, or one per output channel", QUANTIZE_HINT)
    def scales(graph: Graph, op: Op) -> str | None:
        """Filters must have one scale, or one per output channel."""
        tensor = graph.input(op, 1)
        quantization = tensor.quantization
        if quantization is None or not quantization.scale:
            return "no scale"
        if quantization.per_tensor:
            return None
        if quantization.axis != axis or len(quantization.scale) != tensor.shape[axis]:
            return f"{len(quantization.scale)} scales along axis {quantization.axis}"
        return None

    return scales


@rule("0", QUANTIZE_HINT)
def symmetric_filters(graph: Graph, op: Op) -> str | None:
    """Filters must be symmetric (zero point 0)."""
    quantization = graph.input(op, 1).quantization
    points = set(quantization.zero_point) - {0} if quantization else set()
    return f"zero point {min(points)}" if points else None


def bias_size(axis: int, position: int) -> Rule:
    """The bias at ``position`` has one value per output channel of the filters."""

    @rule("one value per output channel")
    def size(graph: Graph, op: Op) -> str | None:
        """The bias must have one value per output channel."""
        bias = graph.optional(op, position)
        channels = graph.input(op, 1).shape[axis]
        if bias is None or bias.elements == channels:
            return None
        return f"{bias.elements} values for {channels} channels"

    return size

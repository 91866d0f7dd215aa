"""Output multipliers, bias and weight limits of convolutions and fully connected layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT, dtypes, int8_activations, per_tensor
from firmware_glue.compiler.ops.spec import Arg, ConstArg, Rule, rule, tensor_args


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


def conv_scaling(graph: Graph, op: Op, channels: int) -> Scaling:
    """Effective scales input · weight[c] / output, in double as TFLite computes them."""
    weights = graph.input(op, 1).quantization
    scales = weights.scale if weights else (1.0,)
    scale_in, scale_out = graph.input(op, 0).scale, graph.output(op).scale
    count = channels if len(scales) > 1 else 1
    return scaling([scale_in * scales[c] / scale_out for c in range(count)])


def activation_fields(graph: Graph, op: Op, activation: str) -> tuple[tuple[str, int], ...]:
    """The fields in_offset, out_offset, act_min, act_max of the C structs."""
    out = graph.output(op)
    low, high = fixed_point.activation_range(activation, out)
    return (
        ("in_offset", -graph.input(op, 0).zero_point),
        ("out_offset", out.zero_point),
        ("act_min", low),
        ("act_max", high),
    )


def weighted_args(op: Op, scale: Scaling, out: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """Arguments input, filters, bias, multipliers, shifts, output."""
    return (*tensor_args(op, 3), *scale.args(), *out)


def finish(
    acc: NDArray[np.int64], bias: NDArray[np.int32] | None, scale: Scaling, graph: Graph, op: Op,
    multiply: Callable[..., NDArray[np.int64]] = fixed_point.multiply_double,
) -> NDArray[np.int8]:  # fmt: skip
    """Accumulators (…, channels) without bias, and the bias → int8 outputs."""
    out = graph.output(op)
    activation = op.options.activation
    low, high = fixed_point.activation_range(activation, out)
    if bias is not None:
        acc = acc + bias.reshape(-1).astype(np.int64)
    scaled = multiply(acc, scale.multipliers.astype(np.int64), scale.shifts.astype(np.int64))
    return np.clip(scaled + out.zero_point, low, high).astype(np.int8)


def weight_rules(axis: int, *, keep_zero_point: bool = False) -> tuple[Rule, ...]:
    """Limits of ops with filters at input 1 and an optional bias at input 2."""

    @rule("one scale, or one per output channel", QUANTIZE_HINT)
    def weight_scales(graph: Graph, op: Op) -> str | None:
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

    @rule("0", QUANTIZE_HINT)
    def weight_zero_point(graph: Graph, op: Op) -> str | None:
        """Filters must be symmetric (zero point 0)."""
        quantization = graph.input(op, 1).quantization
        points = set(quantization.zero_point) - {0} if quantization else set()
        if keep_zero_point and quantization and quantization.per_tensor:
            return None
        return f"zero point {min(points)}" if points else None

    @rule("one value per output channel")
    def bias_size(graph: Graph, op: Op) -> str | None:
        """The bias must have one value per output channel."""
        bias = graph.optional(op, 2)
        channels = graph.input(op, 1).shape[axis]
        if bias is None or bias.elements == channels:
            return None
        return f"{bias.elements} values for {channels} channels"

    return (
        *int8_activations(), dtypes(1, DType.INT8), dtypes(2, DType.INT32), per_tensor(0),
        weight_scales, weight_zero_point, bias_size,
    )  # fmt: skip

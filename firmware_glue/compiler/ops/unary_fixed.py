"""Integer functions of one value with TFLite's own fixed-point steps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Numerics, Op, Tensor
from firmware_glue.compiler.ops import rescale
from firmware_glue.compiler.ops.lut import Function
from firmware_glue.compiler.ops.rescale import Describe, Pieces
from firmware_glue.compiler.ops.spec import Rule, rule


def pieces(describe: Describe) -> Function:
    """A piecewise linear function as one for tables."""
    return lambda graph, op, q: rescale.apply(describe, graph, op, q)


def relu(low: float, high: float | None) -> Describe:
    """Requantization between two clamps."""

    def describe(graph: Graph, op: Op) -> Pieces:
        x, y = graph.input(op, 0), graph.output(op)
        return _clamped(rescale.linear(graph, op, rescale.ratio(graph, x, y)), y, low, high)

    return describe


def relu6(graph: Graph, op: Op) -> Pieces:
    """As the others; TFLite Micro clamps the input's bytes and ignores the output's scale."""
    if graph.numerics is not Numerics.TFLM:
        return relu(0.0, 6.0)(graph, op)
    x = graph.input(op, 0)
    same = replace(rescale.linear(graph, op, rescale.IDENTITY), output_zero=x.zero_point)
    return _clamped(same, x, 0.0, 6.0)


def _clamped(whole: Pieces, tensor: Tensor, low: float, high: float | None) -> Pieces:
    def quantized(value: float) -> int:
        return fixed_point.quantize_float(value, tensor.scale, tensor.zero_point)

    return replace(
        whole,
        low=max(whole.low, quantized(low)),
        high=whole.high if high is None else min(whole.high, quantized(high)),
    )


def leaky_relu(graph: Graph, op: Op) -> Pieces:
    """Another multiplier below zero; it is negative where the slope is."""
    x, y = graph.input(op, 0), graph.output(op)
    identity = rescale.ratio(graph, x, y)
    number = np.float64 if graph.numerics is Numerics.TFLM else np.float32
    slope = float(number(x.scale) * number(op.options) / number(y.scale))
    multiplier, shift = fixed_point.quantize_multiplier(abs(slope))
    below = (int(math.copysign(multiplier, slope)), shift)
    return replace(rescale.linear(graph, op, identity), below=below)


def absolute(graph: Graph, op: Op) -> Pieces:
    """|v|, requantized where the scales differ."""
    x, y = graph.input(op, 0), graph.output(op)
    multiplier = rescale.IDENTITY if x.scale == y.scale else rescale.ratio(graph, x, y)
    return replace(rescale.linear(graph, op, multiplier), magnitude=True)


def _to_int16_multiplier(multiplier: int) -> int:
    return min((multiplier + (1 << 15)) >> 16, 32767)


def _high_mul16(a: Ints, b: int) -> Ints:
    return np.minimum((a * b + (1 << 14)) >> 15, 32767)


def _round_shift16(values: Ints, right: int) -> Ints:
    # From 16 bits on, the reference's int16 mask wraps to −1; it then gives 1 or −1.
    return np.where(values < 0, -1, 1) if right >= 16 else fixed_point.round_shift(values, right)


def _hard_swish_multiplier(x: Tensor, y: Tensor) -> tuple[int, int]:
    hires_scale = np.float32(x.scale) * np.float32(1 / 128)
    return fixed_point.quantize_multiplier(float(hires_scale / np.float32(y.scale)))


@rule("an output scale above 1/128 of the input's")
def hard_swish_scale(graph: Graph, op: Op) -> str | None:
    """The output scale must not be that much finer than the input's."""
    x, y = graph.input(op, 0), graph.output(op)
    return f"{x.scale:g} to {y.scale:g}" if _hard_swish_multiplier(x, y)[1] > 0 else None


def hard_swish(graph: Graph, op: Op, q: Ints) -> Ints:
    """16-bit fixed point; the same in all numerics."""
    x, y = graph.input(op, 0), graph.output(op)
    hires_scale = np.float32(x.scale) * np.float32(1 / 128)
    out_m, out_shift = _hard_swish_multiplier(x, y)
    reluish_scale = np.float32(3.0) / np.float32(32768.0)
    relu_m, relu_shift = fixed_point.quantize_multiplier(float(hires_scale / reluish_scale))
    hires = (q - x.zero_point) * 128
    preshift = _high_mul16(hires, _to_int16_multiplier(out_m))
    reluish = hires
    if relu_shift > 0:
        reluish = fixed_point.saturating_shift_left(reluish, relu_shift - 1, 16)
    reluish = _high_mul16(reluish, _to_int16_multiplier(relu_m))
    if relu_shift > 0:
        reluish = fixed_point.saturating_shift_left(reluish, 1, 16)
    reluish = _round_shift16(reluish, max(-relu_shift, 0))
    reluish = (reluish + (1 << 15)) >> 1
    product = reluish * preshift
    value = np.sign(product) * (np.abs(product) >> 15)
    return _round_shift16(value, -out_shift) + y.zero_point


def _q4(graph: Graph, op: Op, q: Ints) -> tuple[Ints, Ints]:
    """Inputs as Q4.27, and −1, 0, 1 where they are too low, inside, too high for it."""
    x = graph.input(op, 0)
    multiplier, shift = fixed_point.quantize_multiplier(x.scale * (1 << 27))
    radius = math.floor(15 * 2.0**27 / 2.0**shift)
    value = q - x.zero_point
    side = np.where(value <= -radius, -1, np.where(value >= radius, 1, 0))
    inside = np.where(side == 0, value, 0)
    return fixed_point.multiply_double(inside, multiplier, shift), side


def logistic_micro(graph: Graph, op: Op, q: Ints) -> Ints:
    """TFLite Micro's int8 LOGISTIC: gemmlowp::logistic on Q4.27."""
    a, side = _q4(graph, op, q)
    positive = fixed_point.reciprocal_1p(fixed_point.exp_negative(-np.abs(a), 4))
    one = (1 << 31) - 1
    result = np.where(a > 0, positive, np.where(a < 0, one - positive, 1 << 30))
    inside = np.clip(fixed_point.round_shift(result, 23) - 128, -128, 127)
    return np.where(side == 0, inside, np.where(side < 0, -128, 127))


def tanh_micro(graph: Graph, op: Op, q: Ints) -> Ints:
    """TFLite Micro's int8 TANH: gemmlowp::tanh on Q4.27."""
    a, side = _q4(graph, op, q)
    below = fixed_point.ratio_1m_1p(fixed_point.exp_negative(-np.abs(a), 5))
    result = np.where(a == 0, 0, np.where(a < 0, -below, below))
    inside = np.clip(fixed_point.round_shift(result, 24), -128, 127)
    return np.where(side == 0, inside, np.where(side < 0, -128, 127))


def rsqrt(graph: Graph, op: Op, q: Ints) -> Ints:
    """int8 RSQRT. Real values ≤ 0 give 127; LiteRT stops at those below 0."""
    x, y = graph.input(op, 0), graph.output(op)
    if graph.numerics is Numerics.TFLM:
        real = 1.0 / (math.sqrt(x.scale) * y.scale)
    else:
        real = 1.0 / float(np.sqrt(np.float32(x.scale)) * np.float32(y.scale))
    multiplier, shift = fixed_point.quantize_multiplier(real)
    multiply = fixed_point.multiply(graph.numerics)
    values = q - x.zero_point
    # Of values ≤ 0 the root is computed as of 1, and not used.
    roots = [fixed_point.inverse_sqrt(int(value)) for value in np.maximum(values, 1)]
    inverse, inverse_shift = np.array(roots, np.int64).T
    root = multiply(1, inverse, inverse_shift + 20)
    return np.where(values <= 0, 127, multiply(root, multiplier, shift - 20) + y.zero_point)


def sqrt(graph: Graph, op: Op, q: Ints) -> Ints:
    """SQRT of int8 and int16, not rounded but cut off. Below 0 LiteRT stops; here it is √0."""
    x, y = graph.input(op, 0), graph.output(op)
    real = np.float32(x.scale) * np.maximum(q - x.zero_point, 0).astype(np.float32)
    return fixed_point.to_int32(np.sqrt(real) / np.float32(y.scale)) + y.zero_point


def by_numerics(litert: Function, micro: Function) -> Function:
    """Two ways to compute a table, by the graph's numerics."""

    def chosen(graph: Graph, op: Op, q: Ints) -> Ints:
        function = micro if graph.numerics is Numerics.TFLM else litert
        return function(graph, op, q)

    return chosen


def micro_output(scale: float, zero_point: int) -> Rule:
    """The output quantization that TFLite Micro takes for granted."""

    @rule(f"scale {scale:g}, zero point {zero_point}")
    def check(graph: Graph, op: Op) -> str | None:
        """TFLite Micro needs the usual output scale and zero point here."""
        y = graph.output(op)
        usual = y.scale == scale and y.zero_point == zero_point
        if graph.numerics is not Numerics.TFLM or usual or y.dtype is not DType.INT8:
            return None
        return f"{y.scale:g}/{y.zero_point}"

    return check

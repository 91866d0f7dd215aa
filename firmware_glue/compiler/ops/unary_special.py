"""int16 functions with kernels of their own, and those that pick a kernel by more than the dtype.

int16 LOGISTIC and TANH share one curve of 256 points, as in TFLite; SQRT takes a real root.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from firmware_glue.compiler.fixed_point import Ints
from firmware_glue.compiler.ir import Graph, Numerics, Op
from firmware_glue.compiler.ops import lut, rescale, unary_fixed
from firmware_glue.compiler.ops import unary_float as real
from firmware_glue.compiler.ops.rules import per_tensor
from firmware_glue.compiler.ops.spec import Array, ConstArg, Lowered, Params, Rule, Variant, rule

_QUANTIZED = (lut.same_dtypes, per_tensor(0), lut.symmetric)


def curve() -> Ints:
    """The 256 points 2¹⁶ · logistic(i / 24).

    Each is moved by 1/16 of the curvature, which halves the error of the straight lines between
    them; the last one is 2¹⁶ − 1. These are the values of TFLite's sigmoid_table_uint16.
    """
    s = 1 / (1 + np.exp(-np.arange(256) / 24))
    bent = s - s * (1 - s) * (1 - 2 * s) / (16 * 24 * 24)
    points = np.floor(65536 * bent + 0.5).astype(np.int64)
    points[-1] = 65535
    return points


def _argument(scale: float, left_shifts: tuple[int, ...]) -> tuple[int, int]:
    """(multiplier, shift): q · multiplier / 2^shift is the argument in units of 1/12288."""
    fraction, exponent = math.frexp(scale)
    left = exponent - 1 + 12
    if fraction == 0.5 and left in left_shifts:
        return 3 << left, 0
    multiplier, shift = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2.0, shift + 1
    return int(multiplier), shift


@rule("an input scale below 8/3, an output scale of 1/32768")
def sixteen_bit_scales(graph: Graph, op: Op) -> str | None:
    """The int16 input's scale must not be coarser than the curve, and the output's is fixed."""
    x, y = graph.input(op, 0), graph.output(op)
    good = x.scale * 4096.0 * 3.0 < 32768.0 and y.scale == 1 / 32768
    return None if good else f"{x.scale:g} to {y.scale:g}"


def _sixteen(kernel: str, left_shifts: tuple[int, ...], bits: int, far: int) -> Variant:
    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        multiplier, shift = _argument(graph.input(op, 0).scale, left_shifts)
        half = 1 << (shift - 1) if shift else 0
        x = (values[0].astype(np.int64) * multiplier + half) >> shift
        table = curve()
        point = np.minimum(np.abs(x) >> bits, 254)
        between = (np.abs(x) & ((1 << bits) - 1)) * (table[point + 1] - table[point])
        y = np.where(np.abs(x) >> bits >= 255, far, (table[point] << bits) + between)
        if kernel == "logistic_s16":
            result = np.where(x >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1) >> 10
        else:
            result = np.where(x >= 0, y - (1 << 23) + 128, (1 << 23) - y + 127) >> 8
        return (result.astype(np.int16),)

    def lower(graph: Graph, op: Op) -> Lowered:
        x = graph.input(op, 0)
        multiplier, shift = _argument(x.scale, left_shifts)
        fields = (("count", x.elements), ("multiplier", multiplier), ("shift", shift))
        table = ConstArg("sigmoid", curve().astype(np.uint16))
        params = Params("ec_sigmoid_params", fields)
        return lut.in_place(kernel, "edgecnn_lut.h", params, op, table)

    return Variant(kernel, reference, lower, (*_QUANTIZED, sixteen_bit_scales))


LOGISTIC = _sixteen("logistic_s16", (0,), 9, 0x7FFF << 10)
TANH = _sixteen("tanh_s16", (0, 1), 8, 0xFFFF << 8)


def _sqrt(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    q = unary_fixed.sqrt(graph, op, values[0].astype(np.int64))
    return (np.clip(q, -32768, 32767).astype(np.int16),)


def _lower_sqrt(graph: Graph, op: Op) -> Lowered:
    x, y = graph.input(op, 0), graph.output(op)
    fields = (("count", x.elements), ("a", x.scale), ("b", y.scale), ("step", 0.0))
    return lut.in_place("sqrt_s16", "edgecnn_unary.h", Params("ec_unary_params", fields), op)


SQRT = Variant("sqrt_s16", _sqrt, _lower_sqrt, _QUANTIZED)


def either(test: Callable[[Graph, Op], bool], yes: Variant, no: Variant) -> Variant:
    """The variant ``yes`` where the test holds, else ``no``; reports name ``no``'s kernel."""

    def chosen(graph: Graph, op: Op) -> Variant:
        return yes if test(graph, op) else no

    def lower(graph: Graph, op: Op) -> Lowered:
        function = chosen(graph, op).lower
        if function is None:
            raise ValueError(f"{op.code} '{op.name}' has no kernel")
        return function(graph, op)

    def only(limit: Rule, variant: Variant) -> Rule:
        def check(graph: Graph, op: Op) -> str | None:
            return limit.check(graph, op) if chosen(graph, op) is variant else None

        check.__doc__ = limit.check.__doc__
        return replace(limit, check=check)

    return Variant(
        no.kernel,
        lambda graph, op, values: chosen(graph, op).reference(graph, op, values),
        lower,
        tuple(only(limit, variant) for variant in (no, yes) for limit in variant.rules),
    )


GELU = either(
    lambda graph, op: bool(op.options),
    real.variant("gelu_tanh_f32", real.gelu_tanh),
    real.variant("gelu_f32", real.gelu),
)


@rule("numerics litert-ref or single", "leave out --numerics tflm")
def not_micro(graph: Graph, op: Op) -> str | None:
    """TFLite Micro's int16 RSQRT has steps of its own, which are not reproduced."""
    return "tflm" if graph.numerics is Numerics.TFLM else None


def _absolute_s16(x: Array) -> Array:
    return np.abs(x.astype(np.int32))


ABS = either(
    lambda graph, op: graph.input(op, 0).quantization is None,
    real.variant("abs_s16", _absolute_s16),
    rescale.variant(unary_fixed.absolute, "rescale_s16_s16", *_QUANTIZED),
)
"""int16 ABS: of plain integers, or of quantized values."""

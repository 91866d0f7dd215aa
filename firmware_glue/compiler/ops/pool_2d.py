"""The pool family: AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D. A new pool is one more row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.fixed_point import activation_range, float_range
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import window
from firmware_glue.compiler.ops.channels import clamp_real
from firmware_glue.compiler.ops.rules import (
    dtypes,
    parse_activation,
    per_tensor,
    rank,
)
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Planned,
    Rows,
    Variant,
    out_args,
    rule,
    tensor_args,
)

_PER_TAP, _PER_OUTPUT = 5, 30
"""Instructions of the plain loops on a Cortex-M, roughly."""


@dataclass(frozen=True)
class Options:
    """Window, its size (height, width), fused activation."""

    window: window.Window
    kernel: tuple[int, int]
    activation: str


def parse(options: Mapping[str, Any]) -> Options:
    """Reads Pool2DOptions."""
    return Options(
        window.Window(
            (int(options["stride_h"]), int(options["stride_w"])), options["padding"] == "SAME"
        ),
        (int(options["filter_height"]), int(options["filter_width"])),
        parse_activation(options["fused_activation_function"]),
    )


@rule("window and strides ≥ 1, window below 2^24")
def positive(graph: Graph, op: Op) -> str | None:
    """Window and strides must be positive, and windows not huge."""
    values = (*op.options.kernel, *op.options.window.stride)
    return None if min(values) > 0 and max(op.options.kernel) < 1 << 24 else f"{values}"


def geometry(graph: Graph, op: Op) -> window.Geometry:
    """The window's geometry."""
    shape = graph.input(op, 0).shape
    return window.geometry(shape, op.options.kernel, shape[3], op.options.window)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NHWC."""
    return (geometry(graph, op).out_shape,)


def _sum(g: window.Geometry, x: Array) -> Array:
    acc = np.zeros(g.out_shape, x.dtype)
    for _, _, rows, columns, in_rows, in_columns in g.taps():
        acc[:, rows, columns] += x[:, in_rows, in_columns]
    return acc


def _average(g: window.Geometry, x: Array) -> Array:
    acc, count = _sum(g, x), g.counts()[None, :, :, None]
    if x.dtype == np.float32:
        return np.asarray(acc / count.astype(np.float32))
    half = count // 2
    return np.where(acc > 0, (acc + half) // count, -((-acc + half) // count))


def _max(g: window.Geometry, x: Array) -> Array:
    lowest = np.finfo(np.float32).min if x.dtype == np.float32 else np.iinfo(x.dtype).min
    best = np.full(g.out_shape, lowest, x.dtype)
    for _, _, rows, columns, in_rows, in_columns in g.taps():
        best[:, rows, columns] = np.maximum(best[:, rows, columns], x[:, in_rows, in_columns])
    return best


def _l2(g: window.Geometry, x: Array) -> Array:
    return np.asarray(np.sqrt(_average(g, x * x)))


@rule("a window of fewer than 65536 positions")
def sums_fit(graph: Graph, op: Op) -> str | None:
    """Sums of int16 must fit 32 bits."""
    height, width = op.options.kernel
    return None if height * width < 65536 else f"{height} × {width}"


@dataclass(frozen=True)
class Pool:
    """One pool: its C kernel's name and its arithmetic."""

    name: str
    apply: Callable[[window.Geometry, Array], Array]

    def _limits(self, graph: Graph, op: Op) -> tuple[int, int] | tuple[float, float]:
        out = graph.output(op)
        if out.dtype is DType.FLOAT32:
            return float_range(op.options.activation)
        return activation_range(op.options.activation, out)

    def reference(self, graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        """Bit-exact numpy."""
        x = values[0]
        if x.dtype == np.float32:
            return (clamp_real(self.apply(geometry(graph, op), x), op.options.activation),)
        low, high = self._limits(graph, op)
        result = self.apply(geometry(graph, op), x.astype(np.int64))
        return (np.clip(result, low, high).astype(x.dtype),)

    def lower(self, graph: Graph, op: Op) -> Lowered:
        """One call of the kernel."""
        g, dtype = geometry(graph, op), graph.input(op, 0).dtype
        low, high = self._limits(graph, op)
        params = Params(
            "ec_pool2d_float_params" if dtype is DType.FLOAT32 else "ec_pool2d_params",
            (
                ("window", Params("ec_window", g.fields())),
                ("reverse", Planned.REVERSE), ("act_min", low), ("act_max", high),
            ),
        )  # fmt: skip
        kernel = f"{self.name}_{_SUFFIXES[dtype.value]}"
        args = (*tensor_args(op, 1), *out_args(op))
        call = Call(f"ec_{kernel}", "edgecnn_pool2d.h", params, args)
        # A channel reads its own input channel only, which later channels do not need.
        overlaps = g.overlaps(op, dtype.bits // 8, (0, 0))
        return Lowered(kernel, (call,), overlaps=overlaps, rows=self._rows(graph, op, call))

    def _rows(self, graph: Graph, op: Op, call: Call) -> Rows | None:
        g, suffix = geometry(graph, op), _SUFFIXES[graph.input(op, 0).dtype.value]
        if g.batches != 1:
            return None
        work = g.out_size[1] * g.out_c * (_PER_TAP * g.kernel[0] * g.kernel[1] + _PER_OUTPUT)
        by_rows = replace(call, kernel=f"ec_{self.name}_rows_{suffix}")
        return Rows(by_rows, (g.row_reach(op),), row_instructions=work)

    def spec(self, *names: str) -> OpSpec:
        """The op, for these dtypes."""
        variants = {}
        for name in names:
            narrow = (sums_fit,) if name == "int16" else ()
            rules = (dtypes(0, DType(name), output=True), per_tensor(0), *narrow)
            kernel = f"{self.name}_{_SUFFIXES[name]}"
            variants[name] = Variant(kernel, self.reference, self.lower, rules)
        return OpSpec(parse, infer, variants, (rank(0, 4, 4), positive))


_SUFFIXES = {"int8": "s8", "int16": "s16", "uint8": "u8", "float32": "f32"}
SPECS = {
    "AVERAGE_POOL_2D": Pool("average_pool2d", _average).spec(*_SUFFIXES),
    "MAX_POOL_2D": Pool("max_pool2d", _max).spec(*_SUFFIXES),
    "L2_POOL_2D": Pool("l2_pool2d", _l2).spec("float32"),
}

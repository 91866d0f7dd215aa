"""The pool family: AVERAGE_POOL_2D and MAX_POOL_2D. A new pool is one more row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.fixed_point import activation_range
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import window
from firmware_glue.compiler.ops.rules import (
    int8_activations,
    parse_activation,
    per_tensor,
    rank,
)
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Variant,
    out_args,
    rule,
    tensor_args,
)


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


@rule("window and strides ≥ 1")
def positive(graph: Graph, op: Op) -> str | None:
    """Window and strides must be positive."""
    values = (*op.options.kernel, *op.options.window.stride)
    return None if min(values) > 0 else f"{values}"


def geometry(graph: Graph, op: Op) -> window.Geometry:
    """The window's geometry."""
    shape = graph.input(op, 0).shape
    return window.geometry(shape, op.options.kernel, shape[3], op.options.window)


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """NHWC."""
    return (geometry(graph, op).out_shape,)


def _average(g: window.Geometry, x: Array) -> Array:
    acc = np.zeros(g.out_shape, np.int64)
    for _, _, rows, columns, in_rows, in_columns in g.taps():
        acc[:, rows, columns] += x[:, in_rows, in_columns]
    count = g.counts()[None, :, :, None]
    half = count // 2
    return np.where(acc > 0, (acc + half) // count, -((-acc + half) // count))


def _max(g: window.Geometry, x: Array) -> Array:
    best = np.full(g.out_shape, -128, np.int64)
    for _, _, rows, columns, in_rows, in_columns in g.taps():
        best[:, rows, columns] = np.maximum(best[:, rows, columns], x[:, in_rows, in_columns])
    return best


def _row(name: str, pool: Callable[[window.Geometry, Array], Array]) -> OpSpec:
    def limits(graph: Graph, op: Op) -> tuple[int, int]:
        out = graph.output(op)
        return activation_range(op.options.activation, out)

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        result = pool(geometry(graph, op), values[0].astype(np.int64))
        return (np.clip(result, *limits(graph, op)).astype(np.int8),)

    def lower(graph: Graph, op: Op) -> Lowered:
        g = geometry(graph, op)
        low, high = limits(graph, op)
        params = Params(
            "ec_pool2d_params",
            (("window", Params("ec_window", g.fields())), ("act_min", low), ("act_max", high)),
        )
        args = (*tensor_args(op, 1), *out_args(op))
        call = Call(f"ec_{name}_s8", "edgecnn_pool2d.h", params, args)
        overlap = Overlap(op.inputs[0], op.outputs[0], g.lead())
        return Lowered(f"{name}_s8", (call,), overlaps=(overlap,))

    variant = Variant(f"{name}_s8", reference, lower, (*int8_activations(), per_tensor(0)))
    return OpSpec(parse, infer, {"int8": variant}, (rank(0, 4, 4), positive))


SPECS = {
    "AVERAGE_POOL_2D": _row("average_pool2d", _average),
    "MAX_POOL_2D": _row("max_pool2d", _max),
}

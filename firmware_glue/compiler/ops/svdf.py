"""SVDF: a layer of rank-reduced filters over time, with its memory as a variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Numerics, Op, Shape
from firmware_glue.compiler.ops.rules import dtypes, per_tensor, rank
from firmware_glue.compiler.ops.spec import (
    Call,
    Lowered,
    OpSpec,
    Params,
    Value,
    Variant,
    out_args,
    rule,
    tensor_args,
)
from firmware_glue.compiler.ops.state import are_variables, no_reference

_HEADER = "edgecnn_svdf.h"
_STATE = 4


@dataclass(frozen=True)
class Options:
    """Filters per unit, and the fused activation, which integer kernels leave out."""

    rank: int
    activation: str


def parse(options: Mapping[str, Any]) -> Options:
    """Reads SVDFOptions."""
    return Options(int(options["rank"]), str(options["fused_activation_function"]))


@rule("rank · units filters, one feature weight per input, state (batch, filters · memory)")
def shapes_fit(graph: Graph, op: Op) -> str | None:
    """Weights, bias and state must fit the input."""
    x, features, times = (graph.input(op, i).shape for i in range(3))
    state, bias = graph.input(op, _STATE), graph.optional(op, 3)
    filters, count = features[0], op.options.rank
    if count < 1 or filters % count:
        return f"rank {count}, {filters} filters"
    if features[1] != x[1] or times[0] != filters:
        return f"input {list(x)}, weights {list(features)} and {list(times)}"
    if bias is not None and bias.shape != (filters // count,):
        return f"bias {list(bias.shape)}"
    wanted = (x[0], filters * times[1])
    return None if state.shape == wanted else f"state {list(state.shape)}, not {list(wanted)}"


@rule(", ".join(fixed_point.ACTIVATIONS))
def float_activation(graph: Graph, op: Op) -> str | None:
    """The fused activation must clip."""
    name = op.options.activation
    return None if name in fixed_point.ACTIVATIONS else str(name)


@rule("RELU")
def integer_activation(graph: Graph, op: Op) -> str | None:
    """The fused activation of an int8 SVDF must be RELU (which LiteRT leaves to the scales)."""
    name = op.options.activation
    return None if name == "RELU" else str(name)


@rule("int16, or int8 under --numerics tflm", "add --numerics tflm, or convert with int16 state")
def state_dtype(graph: Graph, op: Op) -> str | None:
    """State and weights over time must be int16; TFLite Micro also has int8."""
    times, state = graph.input(op, 2).dtype, graph.input(op, _STATE).dtype
    micro = graph.numerics is Numerics.TFLM
    allowed = (DType.INT16, DType.INT8) if micro else (DType.INT16,)
    return None if times is state and state in allowed else f"{times.value} and {state.value}"


@rule("zero point 0")
def symmetric_state(graph: Graph, op: Op) -> str | None:
    """Weights and state must be symmetric."""
    for position in (1, 2, _STATE):
        if graph.input(op, position).zero_point:
            return f"input {position} has zero point {graph.input(op, position).zero_point}"
    return None


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """(batch, units)."""
    return ((graph.input(op, 0).shape[0], graph.input(op, 1).shape[0] // op.options.rank),)


def _sizes(graph: Graph, op: Op) -> tuple[tuple[str, Value], ...]:
    batches, inputs = graph.input(op, 0).shape
    return (
        ("batches", batches), ("inputs", inputs), ("units", graph.output(op).shape[1]),
        ("rank", op.options.rank), ("memory", graph.input(op, 2).shape[1]),
    )  # fmt: skip


def _multiplier(first: float, second: float, result: float) -> tuple[int, int]:
    # In float32, as TFLite computes it (measured: LiteRT 2.3.0).
    return fixed_point.quantize_multiplier(
        float(np.float32(first) * np.float32(second) / np.float32(result))
    )


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_svdf_s8``, or of ``ec_svdf_s8x8`` where the state is int8."""
    scales = [graph.input(op, position).scale for position in (0, 1, 2, _STATE)]
    out = graph.output(op)
    feature = _multiplier(scales[0], scales[1], scales[3])
    result = _multiplier(scales[3], scales[2], out.scale)
    params = Params(
        "ec_svdf_s8_params",
        (
            *_sizes(graph, op),
            ("in_offset", -graph.input(op, 0).zero_point),
            ("out_offset", out.zero_point),
            ("feature_multiplier", feature[0]), ("feature_shift", feature[1]),
            ("out_multiplier", result[0]), ("out_shift", result[1]),
        ),
    )  # fmt: skip
    args = (*tensor_args(op, _STATE + 1), *out_args(op))
    suffix = "s8" if graph.input(op, _STATE).dtype is DType.INT16 else "s8x8"
    return Lowered(f"svdf_{suffix}", (Call(f"ec_svdf_{suffix}", _HEADER, params, args),))


def lower_f32(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_svdf_f32``."""
    low, high = fixed_point.float_range(op.options.activation)
    params = Params("ec_svdf_f32_params", (*_sizes(graph, op), ("act_min", low), ("act_max", high)))
    args = (*tensor_args(op, _STATE + 1), *out_args(op))
    return Lowered("svdf_f32", (Call("ec_svdf_f32", _HEADER, params, args),))


SPEC = OpSpec(
    parse,
    infer,
    {
        "int8": Variant(
            "svdf_s8", no_reference, lower,
            (
                dtypes(1, DType.INT8), dtypes(3, DType.INT32), state_dtype,
                dtypes(0, DType.INT8, output=True),
                per_tensor(0, 1, 2, _STATE), symmetric_state, integer_activation,
            ),
        ),
        "float32": Variant(
            "svdf_f32", no_reference, lower_f32,
            (
                *(dtypes(i, DType.FLOAT32) for i in (1, 2, 3, _STATE)),
                dtypes(0, DType.FLOAT32, output=True), float_activation,
            ),
        ),
    },
    (*(rank(i, 2, 2) for i in (0, 1, 2)), are_variables(_STATE), shapes_fit),
    mutates=(_STATE,),
)  # fmt: skip

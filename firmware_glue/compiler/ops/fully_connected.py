"""FULLY_CONNECTED: per-tensor or per-channel filters, single rounding as LiteRT's reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op, Shape
from firmware_glue.compiler.ops import channels
from firmware_glue.compiler.ops.rules import parse_activation, rank
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    OptionError,
    Params,
    Variant,
    out_args,
    rule,
)


@dataclass(frozen=True)
class Options:
    """Fused activation; whether leading dimensions are kept or flattened into rows."""

    activation: str
    keep_dims: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads FullyConnectedOptions."""
    layout = str(options.get("weights_format", "DEFAULT"))
    if layout != "DEFAULT":
        raise OptionError("Weights must be in the default format.", layout, "DEFAULT")
    activation = parse_activation(options["fused_activation_function"])
    return Options(activation, bool(options.get("keep_num_dims", False)))


@rule("a multiple of the filters' depth")
def depth_divides(graph: Graph, op: Op) -> str | None:
    """The input must consist of whole rows of the filters' depth."""
    elements, depth = graph.input(op, 0).elements, graph.input(op, 1).shape[1]
    return None if depth and elements % depth == 0 else f"{elements} elements, depth {depth}"


@rule("last input dimension = the filters' depth, where dimensions are kept")
def keeps_dims(graph: Graph, op: Op) -> str | None:
    """With keep_num_dims the last input dimension must be the filters' depth."""
    shape, depth = graph.input(op, 0).shape, graph.input(op, 1).shape[1]
    bad = op.options.keep_dims and shape[-1:] != (depth,)
    return f"input {list(shape)}, depth {depth}" if bad else None


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """(rows, units), or the input's shape with the last dimension replaced."""
    shape = graph.input(op, 0).shape
    units, depth = graph.input(op, 1).shape
    if op.options.keep_dims:
        return ((*shape[:-1], units),)
    return ((graph.input(op, 0).elements // depth, units),)


def _scaling(graph: Graph, op: Op) -> channels.Scaling:
    weights = graph.input(op, 1)
    if weights.quantization and not weights.quantization.per_tensor:
        return channels.conv_scaling(graph, op, weights.shape[0])
    # Per tensor, TFLite multiplies the two scales in float32 before it goes to double.
    product = float(np.float32(graph.input(op, 0).scale) * np.float32(weights.scale))
    return channels.scaling([product / graph.output(op).scale])


def _filter_offset(graph: Graph, op: Op) -> int:
    return -graph.input(op, 1).zero_point


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    units, depth = values[1].shape
    x = values[0].astype(np.int64).reshape(-1, depth) - graph.input(op, 0).zero_point
    acc = x @ (values[1].astype(np.int64) + _filter_offset(graph, op)).T
    scale = _scaling(graph, op)
    out = channels.finish(acc, values[2], scale, graph, op, fixed_point.multiply_single)
    return (out.reshape(graph.output(op).shape),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_fully_connected_s8``."""
    units, depth = graph.input(op, 1).shape
    scale = _scaling(graph, op)
    fields = dict(channels.activation_fields(graph, op, op.options.activation))
    params = Params(
        "ec_fully_connected_params",
        (
            ("rows", graph.input(op, 0).elements // depth),
            ("in_depth", depth),
            ("out_depth", units),
            ("in_offset", fields.pop("in_offset")),
            ("filter_offset", _filter_offset(graph, op)),
            *fields.items(),
            ("per_channel", scale.per_channel),
        ),
    )
    args = channels.weighted_args(op, scale, out_args(op))
    call = Call("ec_fully_connected_s8", "edgecnn_fully_connected.h", params, args)
    return Lowered("fully_connected_s8", (call,))


SPEC = OpSpec(
    parse,
    infer,
    {
        "int8": Variant(
            "fully_connected_s8", reference, lower, channels.weight_rules(0, keep_zero_point=True)
        )
    },
    (rank(0, 1, 8), rank(1, 2, 2), depth_divides, keeps_dims),
)

"""LOCAL_RESPONSE_NORMALIZATION over neighbouring channels, float32 as in TFLite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import softmax
from firmware_glue.compiler.ops.rules import rank, same_dtype
from firmware_glue.compiler.ops.spec import (
    Array,
    Call,
    Lowered,
    OpSpec,
    Params,
    Variant,
    out_args,
    rule,
    same_shape,
    tensor_args,
)


@dataclass(frozen=True)
class Options:
    """out = in / (bias + alpha · Σ in²)^beta over the channels [c − radius, c + radius)."""

    radius: int
    bias: float
    alpha: float
    beta: float


def parse(options: Mapping[str, Any]) -> Options:
    """Reads LocalResponseNormalizationOptions."""
    real = (float(options[name]) for name in ("bias", "alpha", "beta"))
    return Options(int(options["radius"]), *real)


@rule("0 to 32767")
def small_radius(graph: Graph, op: Op) -> str | None:
    """The radius must be a small number."""
    return None if 0 <= op.options.radius <= 32767 else f"{op.options.radius}"


@rule("numbers")
def finite(graph: Graph, op: Op) -> str | None:
    """Bias, alpha and beta must be finite."""
    values = (op.options.bias, op.options.alpha, op.options.beta)
    return None if np.isfinite(values).all() else f"{values}"


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Within rounding of the kernel."""
    options, x = op.options, softmax.rows_of(values[0])
    depth = x.shape[1]
    squares = x * x
    sums = np.zeros_like(x)
    for c in range(depth):
        window = squares[:, max(0, c - options.radius) : min(depth, c + options.radius)]
        for column in window.T:
            sums[:, c] += column
    base = np.float32(options.bias) + np.float32(options.alpha) * sums
    result = x * np.power(base, np.float32(-options.beta))
    return (result.reshape(values[0].shape),)


def lower(graph: Graph, op: Op) -> Lowered:
    """One call; not in place: channels behind are read again."""
    options = op.options
    fields = (
        *softmax.shape_fields(graph.input(op, 0)), ("radius", options.radius),
        ("bias", options.bias), ("alpha", options.alpha), ("beta", options.beta),
    )  # fmt: skip
    name = "local_response_normalization_f32"
    args = (*tensor_args(op, 1), *out_args(op))
    header = "edgecnn_local_response_normalization.h"
    return Lowered(name, (Call(f"ec_{name}", header, Params("ec_lrn_params", fields), args),))


SPEC = OpSpec(
    parse,
    same_shape,
    {"float32": Variant("local_response_normalization_f32", reference, lower)},
    (rank(0, 4, 4), same_dtype, small_radius, finite),
)

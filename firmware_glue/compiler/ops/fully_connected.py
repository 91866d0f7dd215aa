"""FULLY_CONNECTED: per-tensor or per-channel filters, rounded as LiteRT's reference does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Numerics, Op, Shape
from firmware_glue.compiler.ops import channels, real_scaling
from firmware_glue.compiler.ops.rules import (
    QUANTIZE_HINT,
    dtypes,
    parse_activation,
    per_tensor,
    rank,
)
from firmware_glue.compiler.ops.spec import (
    NULL,
    Arg,
    Array,
    Call,
    ConstArg,
    Lowered,
    OpSpec,
    OptionError,
    Params,
    Rule,
    TensorArg,
    Variant,
    out_args,
    rule,
    tensor_args,
)

_HEADER = "edgecnn_fully_connected.h"
_BIAS_LIMIT = 1 << 52


@dataclass(frozen=True)
class Options:
    """What the layer does beside the product.

    Attributes:
        activation: fused.
        keep_dims: leading dimensions are kept, not flattened into rows.
        narrow_sums: int16 sums hold 32 bits (their bias is int32), else 64.
    """

    activation: str
    keep_dims: bool
    narrow_sums: bool = False


def parse(options: Mapping[str, Any]) -> Options:
    """Reads FullyConnectedOptions."""
    layout = str(options.get("weights_format", "DEFAULT"))
    if layout != "DEFAULT":
        raise OptionError("Weights must be in the default format.", layout, "DEFAULT")
    activation = parse_activation(options["fused_activation_function"])
    narrow = str(options.get("quantized_bias_type")) == "INT32"
    return Options(activation, bool(options.get("keep_num_dims", False)), narrow)


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


@rule("one value per output, below 2^52, of the dtype that quantized_bias_type names")
def wide_bias(graph: Graph, op: Op) -> str | None:
    """The bias of an int16 layer must be a constant int64 (or int32, if its options say so)."""
    bias = graph.optional(op, 2)
    if bias is None:
        return None
    wanted = DType.INT32 if op.options.narrow_sums else DType.INT64
    if bias.dtype is not wanted:
        return f"{bias.dtype.value}, quantized_bias_type {wanted.value}"
    if bias.data is None:
        return "computed at run time"
    largest = int(np.max(np.abs(bias.data.astype(np.float64))))
    return None if largest < _BIAS_LIMIT else f"a value of {largest}"


@rule("one scale, or one per output along axis 0 and zero point 0", QUANTIZE_HINT)
def filter_scales(graph: Graph, op: Op) -> str | None:
    """Filters must have one scale, or one per output and be symmetric."""
    units = graph.input(op, 1).shape[0]
    quantization = graph.input(op, 1).quantization
    if quantization is None or not all(0 < scale < np.inf for scale in quantization.scale):
        return "no scale"
    if quantization.per_tensor:
        return None
    if graph.input(op, 0).dtype is DType.UINT8:
        return f"{len(quantization.scale)} scales of uint8"
    if quantization.axis != 0 or len(quantization.scale) != units:
        return f"{len(quantization.scale)} scales along axis {quantization.axis}"
    points = set(quantization.zero_point) - {0}
    return f"zero point {min(points)}" if points else None


@rule("one value per output")
def bias_size(graph: Graph, op: Op) -> str | None:
    """The bias must have one value per output."""
    bias, units = graph.optional(op, 2), graph.input(op, 1).shape[0]
    if bias is None or bias.elements == units:
        return None
    return f"shape {list(bias.shape)} for {units} outputs"


@rule("zero point 0; real multipliers below 128 where filters are int16", QUANTIZE_HINT)
def wide_scales(graph: Graph, op: Op) -> str | None:
    """int16 tensors must be symmetric, and their scales sane."""
    tensors = [graph.input(op, 0), graph.output(op)]
    if graph.input(op, 1).dtype is DType.INT16:
        tensors.append(graph.input(op, 1))
    for tensor in tensors:
        if tensor.zero_point:
            return f"'{tensor.name}' has zero point {tensor.zero_point}"
    if not _is_real(graph, op) and (shift := int(np.max(_scaling(graph, op).shifts))) > 7:
        return f"a multiplier of about 2^{shift}"
    return None


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """(rows, units), or the input's shape with the last dimension replaced."""
    shape = graph.input(op, 0).shape
    units, depth = graph.input(op, 1).shape
    if op.options.keep_dims:
        return ((*shape[:-1], units),)
    return ((graph.input(op, 0).elements // depth, units),)


def _per_channel(graph: Graph, op: Op) -> bool:
    quantization = graph.input(op, 1).quantization
    return quantization is not None and not quantization.per_tensor


def _filter_offset(graph: Graph, op: Op) -> int:
    return 0 if _per_channel(graph, op) else -graph.input(op, 1).zero_point


def _narrow(graph: Graph, op: Op) -> bool:
    """Whether sums wrap around at 32 bits."""
    if graph.input(op, 0).dtype is not DType.INT16:
        return True
    return bool(op.options.narrow_sums) and graph.input(op, 1).dtype is DType.INT8


def _is_real(graph: Graph, op: Op) -> bool:
    """Whether the sums are multiplied in double: LiteRT, but for int16 filters."""
    wide = graph.input(op, 1).dtype is DType.INT16
    return graph.numerics is Numerics.LITERT_REF and not wide


def _reals(graph: Graph, op: Op) -> real_scaling.Doubles:
    """The factors that LiteRT's reference multiplies with: computed in double."""
    weights = graph.input(op, 1).quantization
    scales = np.array(weights.scale if weights else (1.0,), np.float64)
    return graph.input(op, 0).scale * scales / graph.output(op).scale


def _scaling(graph: Graph, op: Op) -> channels.Scaling:
    """Fixed-point factors of all others."""
    if _per_channel(graph, op):
        return channels.scaling(_reals(graph, op).tolist())
    # Per tensor, TFLite multiplies the two scales in float32 before it goes to double.
    product = float(np.float32(graph.input(op, 0).scale) * np.float32(graph.input(op, 1).scale))
    return channels.scaling([product / graph.output(op).scale])


def factors(graph: Graph, op: Op) -> tuple[real_scaling.Doubles | None, channels.Scaling]:
    """What sums are multiplied by: real factors (None where not in double), and fixed point."""
    if _is_real(graph, op):
        reals = _reals(graph, op)
        return reals, channels.scaling(reals.tolist())
    return None, _scaling(graph, op)


def symmetric(graph: Graph, op: Op) -> bool:
    """Whether the filters' zero point is 0."""
    return _filter_offset(graph, op) == 0


def _reach(graph: Graph, op: Op) -> int:
    """Largest distance of an output from its zero point."""
    out = graph.output(op)
    return max(abs(limit - out.zero_point) for limit in fixed_point.limits(out.dtype)) + 1


def _scaled(graph: Graph, op: Op, acc: Array) -> Array:
    if _is_real(graph, op):
        return real_scaling.multiply_real(acc, _reals(graph, op))
    scale = _scaling(graph, op)
    wide = not _narrow(graph, op)
    multiply = fixed_point.multiply_wide if wide else fixed_point.multiply(graph.numerics)
    return multiply(acc, scale.multipliers, scale.shifts)


def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Bit-exact numpy."""
    out = graph.output(op)
    filters = values[1].astype(np.int64) + _filter_offset(graph, op)
    x = values[0].astype(np.int64).reshape(-1, filters.shape[1]) - graph.input(op, 0).zero_point
    acc = x @ filters.T
    if values[2] is not None:
        acc = acc + values[2].reshape(-1).astype(np.int64)
    if _narrow(graph, op):
        acc = fixed_point.wrap_int32(acc)
    low, high = fixed_point.activation_range(op.options.activation, out)
    result = np.clip(_scaled(graph, op, acc) + out.zero_point, low, high)
    return (result.astype(out.dtype.value).reshape(out.shape),)


def reference_f32(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
    """Float32, summed in the order of the C kernel."""
    filters = values[1]
    x = values[0].reshape(-1, filters.shape[1])
    total = np.zeros((x.shape[0], filters.shape[0]), np.float32)
    for i in range(filters.shape[1]):
        total += x[:, i, None] * filters[None, :, i]
    if values[2] is not None:
        total += values[2].reshape(-1)
    low, high = fixed_point.float_range(op.options.activation)
    result = np.clip(total, np.float32(low), np.float32(high))
    return (result.reshape(graph.output(op).shape),)


def _sizes(graph: Graph, op: Op) -> tuple[tuple[str, int], ...]:
    units, depth = graph.input(op, 1).shape
    rows = graph.input(op, 0).elements // depth
    return ("rows", rows), ("in_depth", depth), ("out_depth", units)


def _bias(graph: Graph, op: Op) -> Arg:
    bias = graph.optional(op, 2)
    if bias is None:
        return NULL
    narrow = graph.input(op, 0).dtype is DType.INT16 and op.options.narrow_sums
    if narrow and bias.data is not None:
        return ConstArg("bias", bias.data.astype(np.int64), from_file=True)
    return TensorArg(op.inputs[2])


def lower(graph: Graph, op: Op) -> Lowered:
    """One call of an integer kernel of ``edgecnn_fully_connected.h``."""
    suffix = {DType.INT8: "s8", DType.UINT8: "u8", DType.INT16: "s16"}[graph.input(op, 0).dtype]
    if graph.input(op, 1).dtype is DType.INT16:
        suffix = "s16x16"
    scale, nearest = None, 0
    if not _is_real(graph, op):
        scale = _scaling(graph, op)
    elif suffix != "s16":
        scale, nearest = real_scaling.nearest(_reals(graph, op), _reach(graph, op)), 1
    scale_args = scale.args() if scale else ()
    if scale is None:
        scale, nearest = real_scaling.mantissas(_reals(graph, op)), 0
        suffix += "_exact"
        # Not "shifts": these reach further than those of fixed point.
        scale_args = ConstArg("mantissas", scale.multipliers), ConstArg("exponents", scale.shifts)
    fields = dict(channels.activation_fields(graph, op, op.options.activation))
    params = Params(
        "ec_fully_connected_params",
        (
            *_sizes(graph, op),
            ("in_offset", fields.pop("in_offset")),
            ("filter_offset", _filter_offset(graph, op)),
            *fields.items(),
            ("per_channel", scale.per_channel),
            ("nearest", nearest),
            ("narrow", int(suffix.startswith("s16") and _narrow(graph, op))),
        ),
    )
    args = (*tensor_args(op, 2), _bias(graph, op), *scale_args, *out_args(op))
    call = Call(f"ec_fully_connected_{suffix}", _HEADER, params, args)
    return Lowered(f"fully_connected_{suffix}", (call,))


def lower_f32(graph: Graph, op: Op) -> Lowered:
    """One call of ``ec_fully_connected_f32``."""
    low, high = fixed_point.float_range(op.options.activation)
    fields = (*_sizes(graph, op), ("act_min", low), ("act_max", high))
    params = Params("ec_fully_connected_f32_params", fields)
    args = (*tensor_args(op, 3), *out_args(op))
    call = Call("ec_fully_connected_f32", _HEADER, params, args)
    return Lowered("fully_connected_f32", (call,))


def _limits(value: DType, filters: tuple[DType, ...], *bias: DType) -> tuple[Rule, ...]:
    return (
        dtypes(1, *filters), dtypes(0, value, output=True), dtypes(2, *bias), per_tensor(0),
        filter_scales, bias_size,
    )  # fmt: skip


SPEC = OpSpec(
    parse,
    infer,
    {
        "int8": Variant(
            "fully_connected_s8", reference, lower, _limits(DType.INT8, (DType.INT8,), DType.INT32)
        ),
        "uint8": Variant(
            "fully_connected_u8", reference, lower,
            _limits(DType.UINT8, (DType.UINT8,), DType.INT32),
        ),
        "int16": Variant(
            "fully_connected_s16", reference, lower,
            (
                *_limits(
                    DType.INT16, (DType.INT8, DType.INT16), DType.INT64, DType.INT32
                ),
                wide_scales, wide_bias,
            ),
        ),
        "float32": Variant(
            "fully_connected_f32", reference_f32, lower_f32,
            (
                dtypes(1, DType.FLOAT32), dtypes(2, DType.FLOAT32),
                dtypes(0, DType.FLOAT32, output=True), bias_size,
            ),
        ),
    },
    (rank(0, 1, 8), rank(1, 2, 2), depth_divides, keeps_dims),
)  # fmt: skip

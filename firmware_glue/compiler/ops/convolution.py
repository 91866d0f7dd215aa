"""What the 2-D convolutions share: dtypes, their limits, the arithmetic, the kernel call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Op
from firmware_glue.compiler.ops import channels
from firmware_glue.compiler.ops.rules import QUANTIZE_HINT, dtypes, per_tensor
from firmware_glue.compiler.ops.spec import (
    NULL,
    Array,
    Call,
    Lowered,
    Overlap,
    Params,
    Planned,
    RowReach,
    Rows,
    Rule,
    TensorArg,
    Value,
    Variant,
    out_args,
    rule,
)

_PER_PRODUCT, _PER_OUTPUT = 6, 40
"""Instructions of the plain loops on a Cortex-M, roughly."""
_WIDE_BIAS = 1 << 46
"""Bound of int64 biases: TFLite's multiplication takes accumulators below 2⁴⁷."""
_SUFFIXES = {DType.INT8: "s8", DType.UINT8: "u8", DType.INT16: "s16", DType.FLOAT32: "f32"}


@dataclass(frozen=True)
class Family:
    """One convolution op.

    Attributes:
        name: of its C kernels and structs, without prefix and suffix.
        header: where they are.
        axis: of the filters: the output channels.
        data, bias: input positions; filters are input 1.
        fields: (graph, op) → the fields of the C struct before ``reverse`` and ``finish``.
        sums: (graph, op, input, filters) → the accumulators, of the dtype given.
        overlaps: (graph, op) → how the output may lie over the input.
        reach: (graph, op) → which input rows an output row is made of; None: no rows form.
        narrow_bias: LiteRT takes an int32 bias, and then sums in int32, for int16 activations too,
            where the options declare it (``narrow_bias``).
    """

    name: str
    header: str
    axis: int
    data: int
    bias: int
    fields: Callable[[Graph, Op], tuple[tuple[str, Value | Params], ...]]
    sums: Callable[[Graph, Op, Array, Array], Array]
    overlaps: Callable[[Graph, Op], tuple[Overlap, ...]]
    narrow_bias: bool = False
    reach: Callable[[Graph, Op], RowReach] | None = None

    def suffix(self, graph: Graph, op: Op) -> str:
        """The C kernel's suffix."""
        narrow = self.narrow_bias and op.options.narrow_bias
        dtype = graph.input(op, self.data).dtype
        return "s16b32" if dtype is DType.INT16 and narrow else _SUFFIXES[dtype]

    def reference(self, graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        """Bit-exact numpy; floats are summed in the C kernel's order."""
        x, filters, bias = values[self.data], values[1], values[self.bias]
        if x.dtype == np.float32:
            total = self.sums(graph, op, x, filters)
            total = total if bias is None else total + bias.reshape(-1)
            return (channels.clamp_real(total, op.options.activation),)
        x = x.astype(np.int64) - graph.input(op, self.data).zero_point
        filters = filters.astype(np.int64) + _filter_offset(graph, op)
        acc = self.sums(graph, op, x, filters)
        acc = acc if bias is None else acc + bias.reshape(-1).astype(np.int64)
        multiply: fixed_point.Multiply = fixed_point.multiply_wide
        if self.suffix(graph, op) != "s16":
            acc, multiply = fixed_point.wrap_int32(acc), fixed_point.multiply(graph.numerics)
        scale, out = channels.conv_scaling(graph, op, self.data), graph.output(op)
        result = fixed_point.wrap_int32(multiply(acc, scale.multipliers, scale.shifts))
        low, high = fixed_point.activation_range(op.options.activation, out)
        result = np.clip(fixed_point.wrap_int32(result + out.zero_point), low, high)
        return (result.astype(out.dtype.value),)

    def lower(self, graph: Graph, op: Op) -> Lowered:
        """One call of the kernel."""
        suffix = self.suffix(graph, op)
        real = suffix == "f32"
        struct = f"ec_{self.name}_float_params" if real else f"ec_{self.name}_params"
        if real:
            low, high = fixed_point.float_range(op.options.activation)
            finish = Params("ec_float_range", (("act_min", low), ("act_max", high)))
            scale_args: tuple[channels.Arg, ...] = (NULL, NULL)
        else:
            scale = channels.conv_scaling(graph, op, self.data)
            finish = self._quantized(graph, op, scale)
            scale_args = scale.args()
        fields = (*self.fields(graph, op), ("reverse", Planned.REVERSE), ("finish", finish))
        ids = (op.input_id(position) for position in (self.data, 1, self.bias))
        tensors = tuple(NULL if i < 0 else TensorArg(i) for i in ids)
        kernel = f"ec_{self.name}_{suffix}"
        call = Call(
            kernel, self.header, Params(struct, fields), (*tensors, *scale_args, *out_args(op))
        )
        return Lowered(
            kernel.removeprefix("ec_"), (call,), overlaps=self.overlaps(graph, op),
            rows=self._rows(graph, op, call),
        )  # fmt: skip

    def _rows(self, graph: Graph, op: Op, call: Call) -> Rows | None:
        if self.reach is None or graph.input(op, self.data).shape[0] != 1:
            return None
        out, filters = graph.output(op), graph.input(op, 1)
        products = out.shape[2] * filters.elements
        return Rows(
            replace(call, kernel=f"ec_{self.name}_rows_{self.suffix(graph, op)}"),
            (self.reach(graph, op),),
            row_instructions=_PER_PRODUCT * products + _PER_OUTPUT * out.elements // out.shape[1],
        )  # fmt: skip

    def _quantized(self, graph: Graph, op: Op, scale: channels.Scaling) -> Params:
        offsets = channels.activation_fields(graph, op, op.options.activation, self.data)
        fields = (
            offsets[0], ("filter_offset", _filter_offset(graph, op)), *offsets[1:],
            ("per_channel", scale.per_channel), ("all_right", scale.all_right),
        )  # fmt: skip
        return Params("ec_quantized", fields)

    def variants(self) -> dict[str, Variant]:
        """int8, int16, uint8 and float32."""
        scales = channels.weight_scales(self.axis)
        int8 = self._dtypes(DType.INT8, DType.INT8, DType.INT32)
        uint8 = self._dtypes(DType.UINT8, DType.UINT8, DType.INT32)
        biases = (DType.INT64, DType.INT32) if self.narrow_bias else (DType.INT64,)
        int16 = self._dtypes(DType.INT16, DType.INT8, *biases)
        declared = (declared_bias(self),) if self.narrow_bias else ()
        real = self._dtypes(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32)
        sane = multipliers(self)
        symmetric = channels.symmetric_filters
        limits = {
            "int8": (*int8, scales, symmetric, sane),
            "int16": (*int16, symmetric_int16, scales, symmetric, sane, wide_bias(self), *declared),
            "uint8": (*uint8, scales, one_scale, sane),
            "float32": (not_hybrid, *real),
        }
        size = channels.bias_size(self.axis, self.bias)
        return {
            dtype: Variant(
                f"{self.name}_{_SUFFIXES[DType(dtype)]}", self.reference, self.lower, (*rules, size)
            )
            for dtype, rules in limits.items()
        }

    def _dtypes(self, value: DType, filters: DType, *bias: DType) -> tuple[Rule, ...]:
        return (
            dtypes(1, filters), dtypes(self.bias, *bias), dtypes(0, value, output=True),
            per_tensor(self.data),
        )  # fmt: skip


def _filter_offset(graph: Graph, op: Op) -> int:
    tensor = graph.input(op, 1)
    return -tensor.zero_point if tensor.dtype is DType.UINT8 else 0


@rule("float32 filters", "quantize the activations too, or leave the filters in float32")
def not_hybrid(graph: Graph, op: Op) -> str | None:
    """Float inputs with integer filters (dynamic-range quantization) are not supported."""
    dtype = graph.input(op, 1).dtype
    return None if dtype is DType.FLOAT32 else f"{dtype.value} filters"


@rule("zero point 0", QUANTIZE_HINT)
def symmetric_int16(graph: Graph, op: Op) -> str | None:
    """int16 activations must be symmetric (zero point 0)."""
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0]
    bad = [t for t in tensors if t.dtype is DType.INT16 and t.zero_point]
    return f"'{bad[0].name}' has zero point {bad[0].zero_point}" if bad else None


@rule("one scale per tensor", QUANTIZE_HINT)
def one_scale(graph: Graph, op: Op) -> str | None:
    """uint8 filters must have one scale and one zero point."""
    quantization = graph.input(op, 1).quantization
    if quantization is None or not quantization.per_tensor:
        return f"{len(quantization.scale) if quantization else 0} scales"
    point = quantization.zero_point[0]
    return None if 0 <= point <= 255 else f"zero point {point}"


def narrow_bias(options: Mapping[str, Any]) -> bool:
    """Whether the schema's options declare an int32 bias."""
    return options.get("quantized_bias_type") == "INT32"


def declared_bias(family: Family) -> Rule:
    """What LiteRT checks, or else misreads the bias."""

    @rule("int32 with quantized_bias_type INT32, else int64")
    def declared(graph: Graph, op: Op) -> str | None:
        """The bias of int16 activations must have the dtype that the op's options declare."""
        bias = graph.optional(op, family.bias)
        if bias is None or (bias.dtype is DType.INT32) == op.options.narrow_bias:
            return None
        return f"{bias.dtype.value} bias"

    return declared


def multipliers(family: Family) -> Rule:
    """The factors from accumulator to output have a fixed-point form."""

    @rule("below 2^30; below 2^14 where accumulators have 64 bits", QUANTIZE_HINT)
    def sane(graph: Graph, op: Op) -> str | None:
        """Input scale · filter scale / output scale must not be huge."""
        shift = int(np.max(channels.conv_scaling(graph, op, family.data).shifts))
        most = 14 if family.suffix(graph, op) == "s16" else 30
        return None if shift <= most else f"about 2^{shift}"

    return sane


def wide_bias(family: Family) -> Rule:
    """int64 biases leave room in the accumulator."""

    @rule("below 2^46", QUANTIZE_HINT)
    def bounded(graph: Graph, op: Op) -> str | None:
        """int64 biases must be constants that 64-bit accumulators have room for."""
        bias = graph.optional(op, family.bias)
        if bias is None or bias.dtype is not DType.INT64:
            return None
        if bias.data is None:
            return "computed at run time"
        most = max(abs(int(v)) for v in (bias.data.min(), bias.data.max()))
        return None if most < _WIDE_BIAS else f"{most}"

    return bounded

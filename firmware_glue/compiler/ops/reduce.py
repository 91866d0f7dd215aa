"""The reduce family over any axes: MEAN, SUM, REDUCE_MAX, …: a table of (op, dtype) rows.

SUM of int8 and int16 follows LiteRT's optimized kernel (float32, ties away from zero): the
reference kernel of LiteRT 2.3.0 reads their bytes as uint8, which gives garbage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ir import Graph, Numerics, Op, Shape
from firmware_glue.compiler.ops import broadcast, strides
from firmware_glue.compiler.ops.rules import (
    constant,
    per_tensor,
    rank,
    same_dtype,
    same_quantization,
)
from firmware_glue.compiler.ops.spec import (
    MAX_DIMS,
    Array,
    Call,
    Lowered,
    OpSpec,
    Overlap,
    Params,
    Rule,
    Value,
    Variant,
    const_ints,
    known_ints,
    noted,
    out_args,
    rule,
    tensor_args,
)

SUFFIXES = {**broadcast.SUFFIXES, "bool": "u8"}
"""Dtype → the ending of a kernel's name. Bools are bytes of 0 and 1."""
_MOST_OUTPUTS = 1 << 20
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Options:
    """Whether reduced dimensions stay, with size 1."""

    keep_dims: bool


def parse(options: Mapping[str, Any]) -> Options:
    """Reads ReducerOptions."""
    return Options(bool(options["keep_dims"]))


@rule("axes of the input")
def axes_in_range(graph: Graph, op: Op) -> str | None:
    """Axes must exist in the input."""
    dims = len(graph.input(op, 0).shape)
    bad = [axis for axis in const_ints(graph, op, 1) or () if not -dims <= axis < dims]
    return f"axis {bad[0]} of {dims} dimensions" if bad and dims else None


def axes_of(graph: Graph, op: Op) -> tuple[int, ...]:
    """The axes in operand 1: from 0, sorted, each once."""
    dims = len(graph.input(op, 0).shape)
    return tuple(sorted({axis % dims for axis in known_ints(graph, op, 1)})) if dims else ()


def infer(graph: Graph, op: Op) -> tuple[Shape, ...]:
    """The input's shape without the reduced axes, or with 1 there."""
    axes = axes_of(graph, op)
    shape = graph.input(op, 0).shape
    if op.options.keep_dims:
        return (tuple(1 if i in axes else size for i, size in enumerate(shape)),)
    return (tuple(size for i, size in enumerate(shape) if i not in axes),)


def in_place(graph: Graph, op: Op, axes: tuple[int, ...]) -> tuple[Overlap, ...]:
    """How far the output may reach into the input.

    The kernel writes output i when the inputs of outputs 0 … i were read; those of output i start
    at the element where all reduced indices are 0, and later outputs start behind it.
    """
    x, y = graph.input(op, 0), graph.output(op)
    count = y.elements
    if count > _MOST_OUTPUTS:
        return ()
    first = tuple(slice(0, 1) if i in axes else slice(None) for i in range(len(x.shape)))
    view = strides.dummy(x.shape)[first]
    starts = np.zeros(view.shape, np.int64)
    for axis, size in enumerate(view.shape):
        along = np.arange(size) * view.strides[axis]
        starts += along.reshape([-1 if i == axis else 1 for i in range(view.ndim)])
    item_in, item_out = x.dtype.bits // 8, y.dtype.bits // 8
    room = starts.ravel()[1:] * item_in - np.arange(1, count) * item_out
    return (Overlap(op.inputs[0], op.outputs[0], -int(room.min(initial=x.nbytes))),)


def _count(graph: Graph, op: Op) -> int:
    return math.prod(graph.input(op, 0).shape[axis] for axis in axes_of(graph, op))


def _rows(graph: Graph, op: Op, x: Array) -> Array:
    """The input as (outputs, inputs per output), both in memory order."""
    axes = axes_of(graph, op)
    kept = [i for i in range(x.ndim) if i not in axes]
    return np.transpose(x, [*kept, *axes]).reshape(-1, _count(graph, op))


@dataclass(frozen=True)
class Row:
    """How one op reduces one dtype.

    Attributes:
        name: the kernel's name between "reduce_" and the dtype.
        compute: (graph, op, rows of (outputs, inputs per output)) → outputs.
        values: (graph, op) → fields of the parameter struct that are not 0.
    """

    name: str
    compute: Callable[[Graph, Op, Array], Array]
    values: Callable[[Graph, Op], Mapping[str, Value]] = lambda graph, op: {}
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Rows that depend on the op or the numerics; the name as docs print it."""

    name: str
    pick: Callable[[Graph, Op], Row]


def _params(graph: Graph, op: Op, values: Mapping[str, Value]) -> Params:
    axes = axes_of(graph, op)
    x = strides.dummy(graph.input(op, 0).shape)
    kept = [i for i in range(x.ndim) if i not in axes]
    kept_dims, (kept_steps,) = strides.collapse(
        [x.shape[i] for i in kept], [x.strides[i] for i in kept]
    )
    dims, (steps,) = strides.collapse([x.shape[i] for i in axes], [x.strides[i] for i in axes])
    numbers = ("sum_offset", "multiplier", "shift", "out_offset")
    return Params(
        "ec_reduce_params",
        (
            ("kept_rank", len(kept_dims)), ("kept_dims", strides.padded(kept_dims, 1)),
            ("kept_strides", strides.padded(kept_steps)),
            ("reduced_rank", len(dims)), ("reduced_dims", strides.padded(dims, 1)),
            ("reduced_strides", strides.padded(steps)),
            ("count", _count(graph, op)), *((name, values.get(name, 0)) for name in numbers),
            ("scale", values.get("scale", 0.0)), ("bias", values.get("bias", 0.0)),
        ),
    )  # fmt: skip


def _variant(dtype: str, entry: Row | Choice, rules: tuple[Rule, ...]) -> Variant:
    def pick(graph: Graph, op: Op) -> Row:
        return entry.pick(graph, op) if isinstance(entry, Choice) else entry

    def reference(graph: Graph, op: Op, values: tuple[Array, ...]) -> tuple[Array, ...]:
        out = graph.output(op)
        result = pick(graph, op).compute(graph, op, _rows(graph, op, values[0]))
        return (result.astype(out.dtype.value).reshape(out.shape),)

    def lower(graph: Graph, op: Op) -> Lowered:
        row = pick(graph, op)
        name = f"reduce_{row.name}_{SUFFIXES[dtype]}"
        args = (*tensor_args(op, 1), *out_args(op))
        params = _params(graph, op, row.values(graph, op))
        call = Call(f"ec_{name}", "edgecnn_reduce.h", params, args)
        return Lowered(name, (call,), overlaps=in_place(graph, op, axes_of(graph, op)))

    return Variant(f"reduce_{entry.name}_{SUFFIXES[dtype]}", reference, lower, rules)


def _mean_multiplier(graph: Graph, op: Op) -> tuple[int, int]:
    # 1/N goes into the multiplier, with as many bits as N has and the shift allows.
    multiplier, shift = _sum_multiplier(graph, op)
    count = _count(graph, op)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << bits) // count, shift - bits


def _sum_multiplier(graph: Graph, op: Op) -> tuple[int, int]:
    return fixed_point.quantize_multiplier(graph.input(op, 0).scale / graph.output(op).scale)


def _add(values: Array) -> Array:
    # cumsum adds from left to right, as the kernels do; sum would add in pairs.
    return np.cumsum(values, axis=1, dtype=values.dtype)[:, -1]


def _clamped(graph: Graph, op: Op, scaled: NDArray[np.int64]) -> Array:
    out = graph.output(op)
    shifted = fixed_point.wrap_int32(scaled + out.zero_point)
    return np.clip(shifted, *fixed_point.limits(out.dtype))


def _of_sums(graph: Graph, op: Op, sums: Array, multiplier: tuple[int, int]) -> Array:
    offset = graph.input(op, 0).zero_point * _count(graph, op)
    multiply = fixed_point.multiply(graph.numerics)
    return _clamped(graph, op, multiply(fixed_point.wrap_int32(sums - offset), *multiplier))


def means(graph: Graph, op: Op, sums: Array) -> Array:
    """What a MEAN of quantized values gives where the inputs of an output add up to ``sums``."""
    return _of_sums(graph, op, sums, _mean_multiplier(graph, op))


def _scaled_sum(multiplier_of: Callable[[Graph, Op], tuple[int, int]]) -> Row:
    def compute(graph: Graph, op: Op, rows: Array) -> Array:
        sums = rows.sum(axis=1, dtype=np.int64)
        return _of_sums(graph, op, sums, multiplier_of(graph, op))

    def values(graph: Graph, op: Op) -> Mapping[str, Value]:
        return _numbers(graph, op, multiplier_of(graph, op))

    return Row("sum", compute, values)


def _numbers(graph: Graph, op: Op, multiplier: tuple[int, int]) -> dict[str, int]:
    offset = int(fixed_point.wrap_int32(-graph.input(op, 0).zero_point * _count(graph, op)))
    return {
        "sum_offset": offset, "multiplier": multiplier[0], "shift": multiplier[1],
        "out_offset": graph.output(op).zero_point,
    }  # fmt: skip


def mean_numbers(graph: Graph, op: Op) -> Mapping[str, int]:
    """What a kernel needs for :func:`means`: the fields of ``ec_reduce_params`` by name."""
    return _numbers(graph, op, _mean_multiplier(graph, op))


def _real_factors(graph: Graph, op: Op) -> tuple[np.float32, np.float32]:
    x, y = graph.input(op, 0), graph.output(op)
    scale = np.float32(x.scale) / np.float32(y.scale)
    return scale, np.float32(-x.zero_point) * scale * np.float32(_count(graph, op))


def _real_sum(graph: Graph, op: Op, rows: Array) -> Array:
    scale, bias = _real_factors(graph, op)
    acc = fixed_point.wrap_int32(rows.astype(np.int64).sum(axis=1))
    rounded = fixed_point.round_half_away(acc.astype(np.float32) * scale + bias)
    return _clamped(graph, op, np.clip(rounded, -(2.0**30), 2.0**30).astype(np.int64))


def _real_values(graph: Graph, op: Op) -> Mapping[str, Value]:
    scale, bias = _real_factors(graph, op)
    return {"scale": float(scale), "bias": float(bias), "out_offset": graph.output(op).zero_point}


def _prod_multiplier(graph: Graph, op: Op) -> tuple[int, int]:
    x, y = graph.input(op, 0), graph.output(op)
    return fixed_point.quantize_multiplier(x.scale / y.scale ** (1 / _count(graph, op)))


def _scaled_product(graph: Graph, op: Op, rows: Array) -> Array:
    factors = rows.astype(np.int64) - graph.input(op, 0).zero_point
    multiplier, shift = _prod_multiplier(graph, op)

    def scaled(value: Array) -> NDArray[np.int64]:
        return fixed_point.wrap_int32(fixed_point.multiply_wide(value, multiplier, shift))

    acc = factors[:, 0]
    for column in factors.T[1:]:
        acc = scaled(acc * column)
    return _clamped(graph, op, scaled(acc))


def _prod_values(graph: Graph, op: Op) -> Mapping[str, Value]:
    multiplier, shift = _prod_multiplier(graph, op)
    offset = -graph.input(op, 0).zero_point
    zero = graph.output(op).zero_point
    return {"sum_offset": offset, "multiplier": multiplier, "shift": shift, "out_offset": zero}


def _mean_of_integers(graph: Graph, op: Op, rows: Array) -> Array:
    total, count = rows.sum(axis=1, dtype=np.int64), rows.shape[1]
    down = total // count
    # Towards zero, as C divides.
    return down + ((total < 0) & (down * count != total))


def _reduces_all(graph: Graph, op: Op) -> bool:
    return len(axes_of(graph, op)) == len(graph.input(op, 0).shape)


def _start(graph: Graph, op: Op) -> Mapping[str, Value]:
    return {"scale": 1.0} if _reduces_all(graph, op) else {"bias": _MOST}


def _real_extreme(graph: Graph, op: Op, rows: Array, pick: np.ufunc, sign: int) -> Array:
    # TFLite starts from the first input if all dimensions go, else from the largest finite number.
    if not _reduces_all(graph, op):
        return pick.reduce(rows, axis=1, initial=np.float32(sign * _MOST))
    return np.where(np.isnan(rows[:, 0]), np.float32(np.nan), pick.reduce(rows, axis=1))


_SUM, _MEAN = _scaled_sum(_sum_multiplier), _scaled_sum(_mean_multiplier)
_SUM_REAL = Row("sum_real", _real_sum, _real_values)
_PRODUCT = Row("product", _scaled_product, _prod_values)
_ADD = Row("add", lambda graph, op, rows: _add(rows))
_MUL = Row("mul", lambda graph, op, rows: np.cumprod(rows, axis=1, dtype=rows.dtype)[:, -1])
_MAX = Row("max", lambda graph, op, rows: rows.max(axis=1))
_MIN = Row("min", lambda graph, op, rows: rows.min(axis=1))
_MAX_F32 = Row("max", lambda graph, op, rows: _real_extreme(graph, op, rows, np.fmax, -1), _start)
_MIN_F32 = Row("min", lambda graph, op, rows: _real_extreme(graph, op, rows, np.fmin, 1), _start)
_MEAN_F32 = Row("mean", lambda graph, op, rows: _add(rows) / np.float32(rows.shape[1]))
_MEAN_INT = Row("mean", _mean_of_integers)


def _sum_row(graph: Graph, op: Op) -> Row:
    return _SUM_REAL if graph.numerics is Numerics.LITERT_REF else _SUM


def _prod_row(graph: Graph, op: Op) -> Row:
    quantization = graph.input(op, 0).quantization
    return _PRODUCT if quantization is not None and quantization.scale else _MUL


@rule("scale_in / scale_out below 2^30")
def scale_ratio(graph: Graph, op: Op) -> str | None:
    """The input's scale must not be that much coarser than the output's."""
    x, y = graph.input(op, 0), graph.output(op)
    return f"{x.scale:g} and {y.scale:g}" if x.scale / y.scale >= 2**30 else None


@rule("scale_in / scale_out^(1/N) from 2^-31 to 2^7, for N factors")
def factor_scale(graph: Graph, op: Op) -> str | None:
    """Each factor's scale must fit TFLite's multiplication of products."""
    if _prod_row(graph, op) is _MUL:
        return None
    if bad := per_tensor(0).check(graph, op):
        return bad
    shift = _prod_multiplier(graph, op)[1]
    x, y = graph.input(op, 0), graph.output(op)
    return None if shift <= 7 else f"{x.scale:g}, {y.scale:g}, N = {_count(graph, op)}"


@rule("no scale, or int8 or int16")
def plain_uint8(graph: Graph, op: Op) -> str | None:
    """LiteRT multiplies quantized int8 and int16, but not uint8."""
    return "quantized uint8" if _prod_row(graph, op) is _PRODUCT else None


_SUMS, _PRODUCTS = Choice("sum", _sum_row), Choice("product", _prod_row)
_QUANTIZED = ("int8", "uint8", "int16")
_SCALED = (per_tensor(0), scale_ratio)
_SAME = (same_quantization(lambda op: (0,)),)


def _family(rows: Mapping[str, tuple[Row | Choice, tuple[Rule, ...]]]) -> OpSpec:
    variants = {dtype: _variant(dtype, row, rules) for dtype, (row, rules) in rows.items()}
    limits = (rank(0, 0, MAX_DIMS), constant(1, "axes"), axes_in_range, same_dtype)
    return OpSpec(parse, infer, variants, limits)


def _extreme(row: Row, real: Row) -> OpSpec:
    integers = {dtype: (row, _SAME if dtype in _QUANTIZED else ()) for dtype in SUFFIXES}
    return _family({**integers, "float32": (real, ())})


SPECS = {
    "MEAN": _family(
        {
            **dict.fromkeys(_QUANTIZED, (_MEAN, _SCALED)),
            "int32": (_MEAN_INT, ()), "int64": (_MEAN_INT, ()), "float32": (_MEAN_F32, ()),
        }
    ),
    "SUM": noted(
        _family(
            {
                "int8": (_SUMS, _SCALED), "int16": (_SUMS, _SCALED), "uint8": (_SUM, _SCALED),
                "int32": (_ADD, ()), "int64": (_ADD, ()), "float32": (_ADD, ()), "bool": (_MAX, ()),
            }
        ),
        "LiteRT's reference kernel is broken here (it takes the bytes for uint8): this is what"
        " its optimised kernel gives.", "int8", "int16",
    ),
    "REDUCE_PROD": _family(
        {
            "int8": (_PRODUCTS, (factor_scale,)), "int16": (_PRODUCTS, (factor_scale,)),
            "uint8": (_PRODUCTS, (plain_uint8,)), "int32": (_MUL, ()), "int64": (_MUL, ()),
            "float32": (_MUL, ()), "bool": (_MIN, ()),
        }
    ),
    "REDUCE_MAX": _extreme(_MAX, _MAX_F32),
    "REDUCE_MIN": _extreme(_MIN, _MIN_F32),
    "REDUCE_ANY": _family({"bool": (_MAX, ())}),
    "REDUCE_ALL": _family({"bool": (_MIN, ())}),
}  # fmt: skip

"""The unary family: functions of one value, a table of op → dtype → how it is computed.

A row is a function of the real value with its C kernel for float32, and how integers get it: a
table of 256 entries (int8, uint8), 513 points (int16), or TFLite's own fixed-point steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgecnn.core.tflite.model import DType
from firmware_glue.compiler.ir import Tensor
from firmware_glue.compiler.ops import lut, rescale, unary_fixed, unary_special
from firmware_glue.compiler.ops import unary_float as real
from firmware_glue.compiler.ops.lut import Floats, from_real, interpolated, table8
from firmware_glue.compiler.ops.rules import per_tensor
from firmware_glue.compiler.ops.spec import (
    OpSpec,
    OptionError,
    Variant,
    no_options,
    noted,
    same_shape,
)
from firmware_glue.compiler.ops.unary_float import variant

_BYTES = ("int8", "uint8")


def _rounded(function: Callable[..., Any]) -> lut.Real:
    """A function computed in double and rounded to float32: what libm's float versions give."""

    def entries(options: Any, y: Tensor, x: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(function(x.astype(np.float64)), np.float32)

    return entries


def _logistic(options: Any, y: Tensor, x: Floats) -> Floats:
    # In float32 steps, as the reference: exp(−x), then 1 / (1 + that).
    with np.errstate(over="ignore"):
        e = np.exp(-x.astype(np.float64)).astype(np.float32)
        return np.asarray(np.float32(1) / (np.float32(1) + e), np.float32)


def _log(options: Any, y: Tensor, x: Floats) -> Floats:
    lowest = np.float32(-128 if y.dtype is DType.INT8 else -32768) - np.float32(y.zero_point)
    with np.errstate(all="ignore"):
        logs = np.log(x.astype(np.float64)).astype(np.float32)
    return np.where(x <= 0, lowest * np.float32(y.scale), logs)


def _rsqrt(options: Any, y: Tensor, x: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.where(
            x <= 0, np.float32(32767) * np.float32(y.scale), np.float32(1) / np.sqrt(x)
        ).astype(np.float32)


def _elu(x: Any) -> Any:
    return np.where(x < 0, np.expm1(x), x)


def _gelu(options: Any, y: Tensor, x: Floats) -> Floats:
    half = np.float32(0.5) * x
    with np.errstate(all="ignore"):
        if not options:
            inner = (x * np.float32(-math.sqrt(0.5))).astype(np.float64)
            return np.asarray(half * real.erfc(inner).astype(np.float32), np.float32)
        cubic = x + np.float32(0.044715) * x * x * x
        inner = (np.float32(0.7978846) * cubic).astype(np.float64)
        return np.asarray(half * (np.float32(1) + np.tanh(inner).astype(np.float32)), np.float32)


def _bytes(function: lut.Function, *rules: Any, dtypes: tuple[str, ...] = _BYTES) -> dict[str, Any]:
    return dict.fromkeys(dtypes, table8(function, *rules))


def _spec(
    variants: Mapping[str, Variant], parse: Callable[[Mapping[str, Any]], Any] = no_options
) -> OpSpec:
    return OpSpec(parse, same_shape, dict(variants))


def _float(name: str, function: Callable[..., Any], **integers: Variant) -> OpSpec:
    return _spec({**integers, "float32": variant(f"{name}_f32", function)})


def _relu(low: float, high: float | None, *, int16: bool) -> OpSpec:
    describe = unary_fixed.relu6 if high == 6.0 else unary_fixed.relu(low, high)
    whole = {} if not int16 else {"int16": _rescaled(describe)}
    if high is None:
        plain = variant("relu_f32", lambda x: np.where(x < low, low, x))
    else:
        plain = variant("clip_f32", real.clip, lambda options: (low, high))
    return _spec({**_bytes(unary_fixed.pieces(describe)), **whole, "float32": plain})


def _rescaled(describe: rescale.Describe) -> Variant:
    rules = (lut.same_dtypes, per_tensor(0), lut.symmetric)
    return rescale.variant(describe, "rescale_s16_s16", *rules)


def _fake_quant(options: Mapping[str, Any]) -> tuple[float, float, float]:
    low, high, bits = (options[name] for name in ("min", "max", "num_bits"))
    if not 2 <= bits <= 16 or options["narrow_range"] or not -np.inf < low < high < np.inf:
        raise OptionError(
            "FAKE_QUANT must have a usual range.",
            f"{bits} bits, {low:g} to {high:g}, narrow range {options['narrow_range']}",
            "2 to 16 bits, min < max, not narrow",
        )
    return real.nudged_range(low, high, bits)


_NO_REFERENCE = (
    "LiteRT has no reference kernel of this op: this is what its optimized kernel gives."
)
_LIBM = "By tanh, the reference's table hangs on its libm: single values may differ by 1."
SPECS = {
    "LOGISTIC": _spec({
        **_bytes(unary_fixed.by_numerics(from_real(_logistic), unary_fixed.logistic_micro),
                 unary_fixed.micro_output(1 / 256, -128)),
        "int16": unary_special.LOGISTIC,
        "float32": variant("logistic_f32", real.logistic),
    }),
    "TANH": _spec({
        **_bytes(unary_fixed.by_numerics(from_real(_rounded(np.tanh)), unary_fixed.tanh_micro),
                 unary_fixed.micro_output(1 / 128, 0)),
        "int16": unary_special.TANH,
        "float32": variant("tanh_f32", np.tanh),
    }),
    "RELU": _relu(0.0, None, int16=True),
    "RELU6": _relu(0.0, 6.0, int16=True),
    "RELU_N1_TO_1": _relu(-1.0, 1.0, int16=False),
    "RELU_0_TO_1": _relu(0.0, 1.0, int16=False),
    "LEAKY_RELU": _spec({
        **_bytes(unary_fixed.pieces(unary_fixed.leaky_relu)),
        "int16": _rescaled(unary_fixed.leaky_relu),
        "float32": variant("leaky_relu_f32", real.leaky_relu, lambda alpha: (alpha,)),
    }, lambda options: float(options["alpha"])),
    "HARD_SWISH": _spec({
        **_bytes(unary_fixed.hard_swish, unary_fixed.hard_swish_scale),
        "float32": variant("hard_swish_f32", real.hard_swish),
    }),
    "ELU": noted(
        _float("elu", _elu, **_bytes(from_real(_rounded(_elu)), dtypes=("int8",))),
        _NO_REFERENCE, "float32", "int8",
    ),
    "GELU": noted(_spec({
        **_bytes(from_real(_gelu)),
        "int16": interpolated(_gelu),
        "float32": unary_special.GELU,
    }, lambda options: bool(options["approximate"])), _LIBM, "int16"),
    "EXP": _float("exp", np.exp, int16=interpolated(_rounded(np.exp)),
                  **_bytes(from_real(_rounded(np.exp)), dtypes=("int8",))),
    "LOG": _float("log", np.log, int16=interpolated(_log),
                  **_bytes(from_real(_log), dtypes=("int8",))),
    "SQRT": _float("sqrt", np.sqrt, int16=unary_special.SQRT,
                   **_bytes(unary_fixed.sqrt, dtypes=("int8",))),
    "RSQRT": _float("rsqrt", lambda x: 1 / np.sqrt(x).astype(np.float32),
                    int16=interpolated(_rsqrt, unary_special.not_micro),
                    **_bytes(unary_fixed.rsqrt, dtypes=("int8",))),
    "ABS": _float("abs", np.abs, int16=unary_special.ABS,
                  **real.per_dtype("abs", np.abs, "int32"),
                  **_bytes(unary_fixed.pieces(unary_fixed.absolute), dtypes=("int8",))),
    "NEG": _float("neg", np.negative,
                  **real.per_dtype("neg", np.negative, "int8", "int16", "int32", "int64")),
    "SIGN": _float("sign", np.sign, **real.per_dtype("sign", np.sign, "int32")),
    "ZEROS_LIKE": _float("zeros", np.zeros_like,
                         **real.per_dtype("zeros", np.zeros_like, "int32", "int64")),
    "LOGICAL_NOT": _spec(real.per_dtype("not", np.logical_not, "bool")),
    "SQUARE": _float("square", np.square),
    "SIN": _float("sin", np.sin),
    "COS": _float("cos", np.cos),
    "FLOOR": _float("floor", np.floor),
    "CEIL": noted(_float("ceil", np.ceil), _NO_REFERENCE, "float32"),
    "ROUND": noted(_float("round", real.round_even), _NO_REFERENCE, "float32"),
    "FAKE_QUANT": _spec({
        "float32": variant("fake_quant_f32", real.fake_quant, lambda options: options),
    }, _fake_quant),
}  # fmt: skip

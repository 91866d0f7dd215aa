"""Helpers of ``<name>.h`` between real numbers and quantized inputs and outputs.

Inline functions: what firmware does not call takes no memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.io_info import IoInfo

_QUANTIZED = ("int8", "uint8", "int16", "uint16")

_QUANTIZE = """\
/* A real number as input {k} holds it: rounded as LiteRT's QUANTIZE does (halves away from zero),
 * clipped; NaN gives the lowest value. */
static inline {ctype} {n}_quantize_input{k}(float real) {{
    const float steps = real / {scale};
    int32_t whole;
    float rest;
    if (!(steps > {low})) {{
        return {least};
    }}
    if (steps >= {high}) {{
        return {most};
    }}
    whole = (int32_t)steps;
    rest = steps - (float)whole;
    if (rest >= 0.5f) {{
        ++whole;
    }} else if (rest <= -0.5f) {{
        --whole;
    }}
    return ({ctype})({sum});
}}
"""

_DEQUANTIZE = """\
/* The real number that a value of output {k} stands for. */
static inline float {n}_dequantize_output{k}({ctype} value) {{
    return {scale} * (float)({difference});
}}
"""


def conversions(name: str, inputs: Sequence[IoInfo], outputs: Sequence[IoInfo]) -> list[str]:
    """One function per quantized input and output.

    Args:
        name: prefix of all symbols.
        inputs: of the model, in order.
        outputs: as well.
    """
    made = [_quantize(name, k, io) for k, io in enumerate(inputs)]
    made += [_dequantize(name, k, io) for k, io in enumerate(outputs)]
    return [function for function in made if function]


def _quantize(name: str, k: int, io: IoInfo) -> str:
    if io.scale is None or io.zero_point is None or io.dtype not in _QUANTIZED:
        return ""
    limits, zero = np.iinfo(io.dtype), io.zero_point
    low, high = limits.min - zero, limits.max - zero
    return _QUANTIZE.format(
        n=name, k=k, ctype=text.CTYPES[io.dtype], scale=text.literal(io.scale),
        low=text.literal(float(low)), high=text.literal(float(high)),
        least=limits.min, most=limits.max, sum=_plus("whole", zero),
    )  # fmt: skip


def _dequantize(name: str, k: int, io: IoInfo) -> str:
    if io.scale is None or io.zero_point is None or io.dtype not in _QUANTIZED:
        return ""
    return _DEQUANTIZE.format(
        n=name, k=k, ctype=text.CTYPES[io.dtype], scale=text.literal(io.scale),
        difference=_plus("value", -io.zero_point),
    )  # fmt: skip


def _plus(variable: str, number: int) -> str:
    """A sum as one would write it: no ``x + 0``, no ``x - -128``."""
    if number == 0:
        return variable
    return f"{variable} {'+' if number > 0 else '-'} {abs(number)}"

"""``<name>_selftest.c``: a main that runs a compiled model on known inputs and prints PASS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.api import CompiledModel, IoInfo
from firmware_glue.compiler.emit import text

Array = NDArray[Any]

_HEAD = """\
/* {n} proves itself on the machine it runs on.
 *
 * `cc *.c && ./a.out` prints PASS and returns 0.
 *
 * Input: {source}.
 * Expected: what {judge} give.
 * {rule}
 */
#include "{n}.h"

#include <stdio.h>
#include <string.h>

#define SAMPLES {samples}

{memory}
static {n}_state state;
"""

_LCG = """\
/* lcg:1, the input that edgecnn bench uses as well: x = x * 1664525 + 1013904223, byte x >> 24. */
static uint8_t next_byte(void) {
    static uint32_t x = 1;
    x = x * 1664525u + 1013904223u;
    return (uint8_t)(x >> 24u);
}
"""
_NEXT = {
    "int8": ("const int b = next_byte();", "(int8_t)(b < 128 ? b : b - 256)"),
    "uint8": ("const uint8_t b = next_byte();", "b"),
    "int16": (
        "const int b = next_byte();\n        const int w = b + 256 * next_byte();",
        "(int16_t)(w < 32768 ? w : w - 65536)",
    ),
    "float32": ("const uint8_t b = next_byte();", "((float)b - 128.0f) / 128.0f"),
    "bool": ("const int b = next_byte();", "(uint8_t)(b / 128)"),
    "int32": ("const int b = next_byte();", "b / 32"),
    "int64": ("const int b = next_byte();", "b / 32"),
}
"""dtype → how ``edgecnn.core.lcg`` makes an element: what comes first, and its value."""

_INTEGERS = """\
static int wrong_output{k}(int sample) {{
    const {ctype} *got = {n}_output{k}(&state);
    const {ctype} *want = expected{k} + (size_t)sample * {n}_OUTPUT{k}_ELEMENTS;
    long wrong = 0;
    for (long i = 0; i < {n}_OUTPUT{k}_ELEMENTS; ++i) {{
        if ({differs}) {{
            if (wrong == 0) {{
                printf("output {k}, sample %d: element %ld is %ld, expected %ld\\n", sample, i,
                       (long)got[i], (long)want[i]);
            }}
            ++wrong;
        }}
    }}
    if (wrong != 0) {{
        printf("output {k}, sample %d: %ld of %ld elements are wrong\\n", sample, wrong,
               (long){n}_OUTPUT{k}_ELEMENTS);
    }}
    return wrong != 0;
}}
"""

_FLOATS = """\
static int wrong_output{k}(int sample) {{
    const float *got = {n}_output{k}(&state);
    const float allowed = {allowed};
    float worst = 0.0f;
    long wrong = 0;
    const uint32_t *bits = expected{k} + (size_t)sample * {n}_OUTPUT{k}_ELEMENTS;
    for (long i = 0; i < {n}_OUTPUT{k}_ELEMENTS; ++i) {{
        float want, gap;
        memcpy(&want, &bits[i], sizeof want);
        gap = got[i] < want ? want - got[i] : got[i] - want;
        worst = gap > worst ? gap : worst;
        /* Infinities and NaN are right where both are the same. */
        if (!(gap <= allowed) && memcmp(&got[i], &want, sizeof want) != 0 &&
            !(got[i] != got[i] && want != want)) {{
            if (wrong == 0) {{
                printf("output {k}, sample %d: element %ld is %.9g, expected %.9g\\n", sample, i,
                       (double)got[i], (double)want);
            }}
            ++wrong;
        }}
    }}
    printf("output {k}, sample %d: largest difference %.3g, allowed %.3g; %ld of %ld wrong\\n",
           sample, (double)worst, (double)allowed, wrong, (long){n}_OUTPUT{k}_ELEMENTS);
    return wrong != 0;
}}
"""

_MAIN = """\
int main(void) {{
    int wrong = 0;
    printf("{n}: edgecnn %s, %d sample(s)\\n", {n}_EDGECNN_VERSION, SAMPLES);
    if ({n}_init(&state, {given}) != {n}_OK) {{
        puts("{n}_init failed\\nFAIL");
        return 1;
    }}
    for (int sample = 0; sample < SAMPLES; ++sample) {{
        {n}_reset(&state);
{fill}
        if ({n}_invoke(&state) != {n}_OK) {{
            puts("{n}_invoke failed\\nFAIL");
            return 1;
        }}
{check}
    }}
    puts(wrong != 0 ? "FAIL" : "PASS");
    return wrong != 0;
}}
"""


@dataclass(frozen=True)
class Expected:
    """What a self-test runs and what has to come out.

    Attributes:
        source: where the inputs come from, for the comment.
        outputs: one list of arrays per sample, in the model's order.
        inputs: as well; None: one sample, ``lcg:1``, which the C makes again.
        judge: whose outputs they are.
        lsb: what integers may differ by.
        relative: what floats may differ by, as a fraction of the output's largest value.
    """

    source: str
    outputs: Sequence[Sequence[Array]] = field(repr=False)
    inputs: Sequence[Sequence[Array]] | None = field(default=None, repr=False)
    judge: str = "LiteRT's reference kernels"
    lsb: int = 0
    relative: float = 1e-3


def selftest_c(model: CompiledModel, expected: Expected) -> str:
    """The file's text, without its banner.

    Args:
        model: what it calls.
        expected: the samples; their dtypes are the model's.
    """
    name = model.name
    kinds = sorted({io.dtype == "float32" for io in model.outputs})
    rules = "\n * ".join(_rule(expected, floats=kind) for kind in kinds)
    memory, given = _memory(model)
    parts = [
        _HEAD.format(
            n=name, source=text.comment(expected.source), judge=expected.judge, rule=rules,
            samples=len(expected.outputs), memory=memory,
        )
    ]  # fmt: skip
    parts += [_LCG] if expected.inputs is None else _arrays("input", expected.inputs)
    parts += _arrays("expected", expected.outputs)
    parts += [
        _check(name, k, io, expected, max(_largest(row[k]) for row in expected.outputs))
        for k, io in enumerate(model.outputs)
    ]
    check = [f"        wrong += wrong_output{k}(sample);" for k in range(len(model.outputs))]
    fill = [_fill(name, k, io, lcg=expected.inputs is None) for k, io in enumerate(model.inputs)]
    parts.append(_MAIN.format(n=name, given=given, fill="\n".join(fill), check="\n".join(check)))
    return "\n".join(parts)


def _rule(expected: Expected, *, floats: bool) -> str:
    if floats:
        return f"Floats may differ by {expected.relative:.3g} of the output's largest value."
    return f"Integers may differ by {expected.lsb}." if expected.lsb else "Integers must be equal."


def _memory(model: CompiledModel) -> tuple[str, str]:
    """The arrays that the model gets, and the arguments of its init."""
    name, rows, given = model.name, [], []
    for region in model.plan.region_names:
        rows.append(f"{name}_ALIGNED static uint8_t in_{region}[{name}_{region.upper()}_BYTES];")
        given.append(f"in_{region}")
    if model.blob:
        body = text.array_body(np.frombuffer(model.blob, np.uint8))
        size = f"{name}_WEIGHTS_BYTES"
        rows.append(f"{name}_ALIGNED static const uint8_t weights_blob[{size}] = {{\n{body}\n}};")
        given += ["weights_blob", size]
    return "\n".join(rows), ", ".join(given)


def _arrays(name: str, samples: Sequence[Sequence[Array]]) -> list[str]:
    """One array per tensor, all samples after each other; floats as bits, exact for any value."""
    parts = []
    for k, tensors in enumerate(zip(*samples, strict=True)):
        data = np.concatenate([np.ascontiguousarray(value).ravel() for value in tensors])
        note = " /* float32 as bits */" if data.dtype == np.float32 else ""
        data = data.view(np.uint32) if data.dtype == np.float32 else data
        data = data.view(np.uint8) if data.dtype == np.bool_ else data
        kind = text.CTYPES[data.dtype.name]
        body = text.array_body(data)
        parts.append(f"static const {kind} {name}{k}[{data.size}] = {{{note}\n{body}\n}};\n")
    return parts


def _fill(name: str, k: int, io: IoInfo, *, lcg: bool) -> str:
    elements = f"{name}_INPUT{k}_ELEMENTS"
    if not lcg:
        return (
            f"        memcpy({name}_input{k}(&state), input{k} + (size_t)sample * {elements},\n"
            f"               {name}_INPUT{k}_BYTES);"
        )
    first, value = (part.replace("\n    ", "\n        ") for part in _NEXT[io.dtype])
    return (
        f"        for (long i = 0; i < {elements}; ++i) {{\n"
        f"            {first}\n            {name}_input{k}(&state)[i] = {value};\n        }}"
    )


def _largest(values: Array) -> float:
    """The largest finite magnitude."""
    if values.dtype != np.float32:
        return 0.0
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _check(name: str, k: int, io: IoInfo, expected: Expected, largest: float) -> str:
    if io.dtype == "float32":
        allowed = text.literal(max(largest, 1e-6) * expected.relative)
        return _FLOATS.format(n=name, k=k, allowed=allowed)
    differs = "got[i] != want[i]"
    if expected.lsb and np.dtype(io.dtype).itemsize <= 2 and io.dtype != "bool":
        differs = f"got[i] - want[i] > {expected.lsb} || want[i] - got[i] > {expected.lsb}"
    return _INTEGERS.format(n=name, k=k, ctype=text.CTYPES[io.dtype], differs=differs)

"""What ``<name>.h`` offers: status codes, aligned memory, conversions of numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.emit.convert_c import conversions
from firmware_glue.compiler.emit.io_info import IoInfo
from tests.builders import ModelBuilder, tiny_classifier
from tests.firmware_glue.compiler.harness import compiler, run_tool, write

TYPES = (
    ("int8", 0.5, 0), ("int8", 1 / 255, -128), ("int8", 0.1, 127), ("uint8", 0.007, 131),
    ("uint8", 2.0, 0), ("int16", 1 / 32768, 0), ("int16", 3.0, 0),
)  # fmt: skip


def _values(scale: float, zero: int, dtype: str) -> np.ndarray:
    """Halves, their neighbours, limits, signed zeros, huge and tiny numbers, infinities."""
    limits, rng = np.iinfo(dtype), np.random.default_rng(3)
    steps = np.arange(limits.min - zero - 2, limits.max - zero + 3, 1 if limits.bits == 8 else 997)
    halves = ((steps + 0.5) * scale).astype(np.float32)
    near = [np.nextafter(halves, np.float32(sign * np.inf)) for sign in (-1, 1)]
    odd = [0.0, -0.0, 0.49999997, -0.49999997, 1e-45, -1e-40, 3e4, -3e4]
    wide = rng.normal(0, 2 * scale * limits.max, 300)
    return np.concatenate([halves, *near, np.float32(odd), wide]).astype(np.float32)


def _litert(values: np.ndarray, dtype: str, scale: float, zero: int) -> np.ndarray:
    build = ModelBuilder()
    x = build.tensor((1, len(values)), "float32", name="x")
    y = build.tensor((1, len(values)), dtype, scale, zero, name="y")
    build.op("QUANTIZE", [x], [y])
    reference = LiteRTPredictor(build.build([x], [y]), threads=1, resolver="reference")
    (result,) = reference.predict({"x": values[None]}).values()
    return result[0]


def _program(folder: Path) -> list[str]:
    """C that compares both directions for all types; its exit code says which one is wrong."""
    lines, body = ["#include <stdint.h>", "#include <string.h>"], []
    for k, (dtype, scale, zero) in enumerate(TYPES):
        io = IoInfo("t", (1,), dtype, 1, 0, "a", float(np.float32(scale)), zero)
        lines += conversions(f"m{k}", [io], [io])
        values = _values(scale, zero, dtype)
        wanted = _litert(values, dtype, scale, zero)
        extreme = np.float32([np.inf, -np.inf, np.nan, 3e38, -3e38])
        limits = np.iinfo(dtype)
        values = np.concatenate([values, extreme])
        low, high = limits.min, limits.max
        wanted = np.concatenate([wanted, [high, low, low, high, low]]).astype(dtype)
        back = np.float32(np.float32(scale) * (wanted.astype(np.float64) - zero))
        bits, real = values.view(np.uint32), back.view(np.uint32)
        for name, array in (("in", bits), ("q", wanted.astype(np.int64)), ("real", real)):
            kind = "int32_t" if name == "q" else "uint32_t"
            items = ", ".join(str(v) + ("" if name == "q" else "u") for v in array.tolist())
            lines.append(f"static const {kind} {name}{k}[{len(array)}] = {{{items}}};")
        body += [
            f"for (i = 0; i < {len(values)}; ++i) {{ memcpy(&x, &in{k}[i], 4);",
            f"  if (m{k}_quantize_input0(x) != q{k}[i]) return {2 * k + 1};",
            f"  x = m{k}_dequantize_output0(m{k}_quantize_input0(x));",
            f"  if (memcmp(&x, &real{k}[i], 4) != 0) return {2 * k + 2}; }}",
        ]
    main = ["int main(void) {", "int i; float x;", *body, "return 0; }", ""]
    return [*lines, *main]


def test_conversions_are_those_of_litert(tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text("\n".join(_program(tmp_path)))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-O1"]
    run_tool([*compiler(), *flags, source, "-o", program])
    run_tool([program])


def test_floats_have_nothing_to_convert() -> None:
    io = IoInfo("t", (1,), "float32", 4, 0, "a", None, None)
    assert conversions("m", [io], [io]) == []


USER = """
#include "tiny.h"
#include <stdio.h>
tiny_ALIGNED static uint8_t arena[tiny_ARENA_BYTES];
int main(void) {
    tiny_state state;
    tiny_status good = tiny_OK;
    if (tiny_init(&state, arena + 1) != tiny_BAD_ARGUMENT) return 1;
    if (tiny_init(&state, arena) != good) return 2;
    if (tiny_run_step(&state, tiny_STEP_COUNT) != tiny_BAD_ARGUMENT) return 3;
    tiny_input0(&state)[0] = tiny_quantize_input0(0.25f);
    if (tiny_invoke(&state) != tiny_OK) return 4;
    puts(tiny_EDGECNN_VERSION);
    return tiny_dequantize_output0(tiny_output0(&state)[0]) < 2.0f ? 0 : 5;
}
"""


@pytest.mark.parametrize("language", ["c99", "c++11"])
def test_the_header_serves_c_and_cpp(language: str, tmp_path: Path) -> None:
    kind = "c++" if "+" in language else "c"
    tool = "g++" if kind == "c++" else "gcc"
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}")
    sources = write(compile_model(read_model(tiny_classifier()), name="tiny"), tmp_path)
    (tmp_path / "main.c").write_text(USER)
    flags = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"]
    program = tmp_path / "main"
    files = [tmp_path / "main.c", *sources]
    run_tool([tool, "-x", kind, f"-std={language}", *flags, *files, "-o", program])
    run_tool([program])


def test_steps_say_what_they_use(tmp_path: Path) -> None:
    """Scratch and overwritten inputs as planned; state is marked unused only where it is."""
    model = compile_model(read_model(tiny_classifier()), name="tiny", kernels="dsp")
    steps = model.files["tiny.c"].split("/* Step ")[1:]
    assert len(steps) == len(model.program.steps)
    seen = set()
    for text, step in zip(steps, model.program.steps, strict=True):
        function = text.split("\n}\n")[0]
        assert ("(void)state;" in function) == ("state->" not in function)
        found = step.scratch is not None
        assert (" *   scratch " in text) == found
        if step.scratch is not None:
            size = model.program.buffers[step.scratch].nbytes
            assert f"scratch {size} bytes, at {model.plan.offsets[step.scratch]}\n" in text
        over = _covered(model.plan.offsets, model.program, step)
        assert (" *   overwrites " in text) == over
        seen |= {("scratch", found), ("over", over)}
    assert {("scratch", True), ("over", True)} <= seen


def _covered(offsets, program, step) -> bool:  # type: ignore[no-untyped-def]
    spans = [
        [range(offsets[home], offsets[home] + program.graph.tensors[t].nbytes)
         for t in ids if (home := program.homes.get(t)) is not None]
        for ids in (step.inputs, step.outputs)
    ]  # fmt: skip
    return any(set(a) & set(b) for a in spans[0] for b in spans[1])

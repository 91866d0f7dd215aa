"""What surrounds the steps: weights as a checked blob, profiling, sections."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import UnknownNameError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import (
    STRICT,
    Reference,
    compiler,
    random_inputs,
    run_tool,
    write,
)


def _compiled(**options: str) -> CompiledModel:
    return compile_model(read_model(tiny_classifier()), name="tiny", **options)


def _run(folder: Path, model: CompiledModel, main: str, *flags: str) -> None:
    sources = write(model, folder)
    (folder / "main.c").write_text(main)
    program = folder / "main"
    run_tool([*compiler(), "-std=c99", *STRICT, *flags, folder / "main.c", *sources, "-o", program])
    run_tool([program])


def _bytes(data: bytes) -> str:
    return ", ".join(str(b) for b in data)


def test_blob_is_checked_before_it_is_trusted(tmp_path: Path) -> None:
    model = _compiled(weights="blob")
    assert model.blob[:4] == b"ECNW" and "tiny_weights.c" not in model.files
    payload = model.blob[16:]
    assert int.from_bytes(model.blob[8:12], "little") == len(payload)
    assert int.from_bytes(model.blob[12:16], "little") == zlib.crc32(payload)
    assert f"#define tiny_WEIGHTS_BYTES {len(model.blob)}" in model.files["tiny.h"]
    data = tiny_classifier()
    inputs = random_inputs(read_model(data), np.random.default_rng(1))
    (want,) = Reference(data)(inputs)
    _run(
        tmp_path,
        model,
        f"""
#include "tiny.h"
#include <stddef.h>
static uint8_t arena[tiny_ARENA_BYTES] __attribute__((aligned(16)));
static uint8_t blob[tiny_WEIGHTS_BYTES] __attribute__((aligned(16))) = {{{_bytes(model.blob)}}};
static const int8_t in[] = {{{", ".join(map(str, inputs[0].ravel()))}}};
static const int8_t want[] = {{{", ".join(map(str, want.ravel()))}}};
int main(void) {{
    tiny_state s;
    if (tiny_init(&s, arena, NULL, sizeof blob) != -1) return 1;
    if (tiny_init(&s, arena, blob + 4, sizeof blob - 4) != -1) return 2;
    if (tiny_init(&s, arena, blob, sizeof blob - 1) != -2) return 3;
    for (unsigned i = 0; i < sizeof blob; i += 7) {{
        blob[i] = (uint8_t)(blob[i] ^ 0x10u);
        if (tiny_init(&s, arena, blob, sizeof blob) != -2) return 4;
        blob[i] = (uint8_t)(blob[i] ^ 0x10u);
    }}
    if (tiny_init(&s, arena, blob, sizeof blob) != 0) return 5;
    for (unsigned i = 0; i < sizeof in; ++i) tiny_input0(&s)[i] = in[i];
    if (tiny_invoke(&s) != 0) return 6;
    for (unsigned i = 0; i < sizeof want; ++i) if (tiny_output0(&s)[i] != want[i]) return 7;
    return 0;
}}
""",
    )


def test_profile_counts_every_step(tmp_path: Path) -> None:
    main = """
#include "tiny.h"
static uint8_t arena[tiny_ARENA_BYTES] __attribute__((aligned(16)));
static uint32_t now;
static uint32_t clock_of_test(void) { return now += 3; }
int main(void) {
    tiny_state s;
    if (tiny_init(&s, arena) != 0 || s.clock != 0) return 1;
    s.clock = clock_of_test;
    if (tiny_invoke(&s) != 0) return 2;
    for (int i = 0; i < tiny_STEP_COUNT; ++i) if (s.ticks[i] != 3) return 3;
    return now == 6u * tiny_STEP_COUNT ? 0 : 4;
}
"""
    _run(tmp_path, _compiled(), main, "-DEDGECNN_PROFILE")


def test_weights_go_to_a_section_of_their_own(tmp_path: Path) -> None:
    sources = write(_compiled(), tmp_path)
    weights = next(path for path in sources if path.name == "tiny_weights.c")
    done = run_tool(
        [*compiler(), "-std=c99", '-DEDGECNN_WEIGHTS_SECTION=".extflash"', "-S", weights, "-o", "-"]
    )
    assert ".extflash" in done.stdout and ".rodata" not in done.stdout


def test_unknown_place_for_weights() -> None:
    with pytest.raises(UnknownNameError, match="weights"):
        _compiled(weights="cloud")

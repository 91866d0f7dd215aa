"""The C of mutants that compile: no warning, clean under ASan and UBSan, equal for all kernels."""

from __future__ import annotations

import collections
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from tests.firmware_glue.compiler.fast.any_offer import SETS, take_any
from tests.fuzz.mutate import mutant

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_TOOL_SECONDS = 240
_RUN_SECONDS = 20
"""A model may well compute for long: then it is stopped, which is no failure."""
_TEXT_BYTES = 600_000
"""Longer programs are left out: sanitizers make the compiler slow."""

_RAN = """
static uint8_t *{name}_ran(void) {{
    static {name}_state state;
    void *arena = NULL;
    if (posix_memalign(&arena, {name}_ARENA_ALIGN, {name}_ARENA_BYTES) != 0) {{
        exit(3);
    }}
    memset(arena, 0, {name}_ARENA_BYTES);
    if ({name}_init(&state, arena) != 0) {{
        exit(4);
    }}
{inputs}
    if ({name}_invoke(&state) != 0) {{
        exit(4);
    }}
    return (uint8_t *)arena;
}}
"""
_FILLED = """\
    for (size_t i = 0; i < {name}_INPUT{k}_BYTES; ++i) {{
        ((uint8_t *)arena)[{name}_INPUT{k}_OFFSET + i] = (uint8_t)(i * 37 % 251);
    }}"""
_MAIN = """
int main(void) {{
    uint8_t *one = mutant_ran(), *two = other_ran();
{compared}
    free(one);
    free(two);
    return 0;
}}
"""
_COMPARED = """\
    if (memcmp(one + mutant_OUTPUT{k}_OFFSET, two + other_OUTPUT{k}_OFFSET,
               mutant_OUTPUT{k}_BYTES) != 0) {{
        return 5;
    }}"""


def sanitizing_compiler() -> str | None:
    """A C compiler of the host with sanitizers, or None."""
    found = shutil.which("cc")
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "a.c"
        source.write_text("int main(void) { return 0; }\n", encoding="ascii")
        done = subprocess.run(
            [found, *SANITIZE, str(source), "-o", str(source.with_suffix(""))],
            capture_output=True, check=False, timeout=_TOOL_SECONDS,
        )  # fmt: skip
    return found if done.returncode == 0 else None


def run_all(
    pool: Mapping[str, bytes], seed: int, numbers: Sequence[int], compiler: str, jobs: int = 2
) -> dict[int, str]:
    """Case number → ``ok``, ``slow`` (too long for a test), or what compiler or sanitizers say."""

    def one(number: int) -> str:
        _, data = mutant(pool, seed, number)
        with tempfile.TemporaryDirectory(prefix="edgecnn-fuzz-") as scratch:
            return run_one(data, Path(scratch), compiler, SETS[number % len(SETS)])

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(jobs) as executor:
        take_any(patch)
        return dict(zip(numbers, executor.map(one, numbers), strict=True))


def run_one(data: bytes, folder: Path, compiler: str, kernels: str) -> str:
    """Compiles a model to C in ``folder``, with the plain kernels and a set; runs and compares."""
    model = read_model(data)
    plain = compile_model(model, name="mutant")
    other = compile_model(model, name="other", kernels=kernels)
    files = {**plain.files, **other.files}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if sum(len(text) for name, text in files.items() if name[:7] != "edgecnn") > _TEXT_BYTES:
        return "slow"
    # One translation unit, but each file's own macros.
    sources = [name for name in sorted(files) if name.endswith(".c")]
    unit = "#define _POSIX_C_SOURCE 200112L\n#include <stdlib.h>\n#include <string.h>\n"
    unit += "".join(f'#undef ALIGNED\n#include "{name}"\n' for name in sources)
    compared = "\n".join(_COMPARED.format(k=k) for k in range(len(plain.outputs)))
    unit += _ran(plain) + _ran(other) + _MAIN.format(compared=compared)
    (folder / "all.c").write_text(unit, encoding="ascii")
    command = [compiler, "-std=c99", "-O1", "-g1", *STRICT, *SANITIZE, "all.c", "-o", "all", "-lm"]
    built = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_TOOL_SECONDS
    )
    if built.returncode != 0:
        return f"does not compile: {built.stderr[:1500]}"
    try:
        ran = subprocess.run(
            ["./all"], cwd=folder, capture_output=True, text=True, errors="replace", check=False,
            timeout=_RUN_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "slow"
    return "ok" if ran.returncode == 0 else f"exit {ran.returncode}: {ran.stderr[:1500]}"


def _ran(model: CompiledModel) -> str:
    """A C function that runs a model on some bytes, where any will do, and on zeros elsewhere."""
    inputs = (k for k, io in enumerate(model.inputs) if io.dtype in ("int8", "uint8"))
    filled = "\n".join(_FILLED.format(name=model.name, k=k) for k in inputs)
    return _RAN.format(name=model.name, inputs=filled)


def summary(results: Mapping[int, str]) -> str:
    """Counts, and one example of each first line that is no success."""
    kinds = collections.Counter(text for text in results.values() if text in ("ok", "slow"))
    lines = [f"{len(results)} programs: {dict(kinds)}"]
    lines += [f"case {number}: {text}" for number, text in results.items() if text not in kinds]
    return "\n".join(lines)

"""The C of mutants that compile: no warning, and clean under ASan and UBSan on zero inputs."""

from __future__ import annotations

import collections
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.fuzz.mutate import mutant

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_TOOL_SECONDS = 240
_RUN_SECONDS = 20
"""A model may well compute for long: then it is stopped, which is no failure."""
_TEXT_BYTES = 400_000
"""Longer programs are left out: sanitizers make the compiler slow."""

_MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static mutant_state state;
    void *arena = NULL;
    if (posix_memalign(&arena, mutant_ARENA_ALIGN, mutant_ARENA_BYTES) != 0) {
        return 3;
    }
    memset(arena, 0, mutant_ARENA_BYTES);
    if (mutant_init(&state, arena) != 0 || mutant_invoke(&state) != 0) {
        return 4;
    }
    free(arena);
    return 0;
}
"""


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
            return run_one(data, Path(scratch), compiler)

    with ThreadPoolExecutor(jobs) as executor:
        return dict(zip(numbers, executor.map(one, numbers), strict=True))


def run_one(data: bytes, folder: Path, compiler: str) -> str:
    """Compiles a model to C in ``folder``, that to a program, and runs it."""
    compiled = compile_model(read_model(data), name="mutant")
    for name, text in compiled.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    if (
        sum(len(text) for name, text in compiled.files.items() if name[:7] != "edgecnn")
        > _TEXT_BYTES
    ):
        return "slow"
    # One translation unit, but each file's own macros.
    sources = [name for name in sorted(compiled.files) if name.endswith(".c")]
    unit = "#define _POSIX_C_SOURCE 200112L\n#include <stdlib.h>\n"
    unit += "".join(f'#undef ALIGNED\n#include "{name}"\n' for name in sources)
    (folder / "all.c").write_text(unit + _MAIN, encoding="ascii")
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


def summary(results: Mapping[int, str]) -> str:
    """Counts, and one example of each first line that is no success."""
    kinds = collections.Counter(text for text in results.values() if text in ("ok", "slow"))
    lines = [f"{len(results)} programs: {dict(kinds)}"]
    lines += [f"case {number}: {text}" for number, text in results.items() if text not in kinds]
    return "\n".join(lines)

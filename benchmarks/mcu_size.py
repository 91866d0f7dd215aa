"""Code and weights of the three levels of ``--optimize``, by both compilers, and what they cost."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.mcu import models
from benchmarks.record import Record, conditions, shared
from edgecnn.core.errors import TargetError
from firmware_glue.compiler.api import OPTIMIZE
from firmware_glue.device.board import load_board
from firmware_glue.device.toolchain import find_toolchain
from targets.base import BenchReport, ModelFile, RunOptions
from targets.table import get_target

NOTE = (
    "Bytes of code and weights of the same model at each level of --optimize, built in the same"
    " run; instructions of one inference on lcg:1 as times those of speed. Models marked * are nets"
    " of the same layers and shapes, ours in their weights."
)
COLUMNS = (
    "model", "core", "compiler",
    *(f"{level} {what}" for what in ("code", "flash") for level in OPTIMIZE),
    "balanced instructions", "size instructions",
)  # fmt: skip
CORES = ("cortex-m4", "cortex-m0plus", "cortex-m55", "cortex-m3", "rv32imc")
"""One per set of kernels."""
_COMPILERS = ("zig", "gcc")


def run() -> Record | None:
    """Builds and counts all; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    cores = [core for core in CORES if core != "cortex-m55" or shutil.which("qemu-system-arm")]
    pairs = [(core, name) for core in cores for name in _COMPILERS if _installed(core, name)]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for tiny, model in models(folder, Path(scratch)):
            name = tiny.name if tiny.file else f"{tiny.name}*"
            rows += [(name, *pair, *_cells(model, *pair)) for pair in pairs]
    whole = len(pairs) == len(CORES) * len(_COMPILERS)
    return Record("mcu_size", COLUMNS, tuple(rows), NOTE, conditions(), whole)


def _installed(core: str, compiler: str) -> bool:
    try:
        find_toolchain(load_board(core), compiler)
    except TargetError:
        return False
    return True


def _cells(model: ModelFile, core: str, compiler: str) -> list[object]:
    target = get_target(core)
    found = [
        target.benchmark(model, RunOptions(optimize=level, toolchain=compiler))
        for level in OPTIMIZE
    ]
    counts = [report.instructions or 0 for report in found]
    return [
        *(report.code_bytes for report in found), *(map(_flash, found)),
        *(round(count / counts[0], 3) for count in counts[1:]),
    ]  # fmt: skip


def _flash(report: BenchReport) -> int:
    return (report.code_bytes or 0) + (report.weight_bytes or 0)

"""Flash at the three levels of ``--optimize``, by both compilers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.mcu import models
from benchmarks.record import Record, conditions, shared
from benchmarks.tflm import CORES
from edgecnn.core.errors import TargetError
from firmware_glue.compiler.api import OPTIMIZE, compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from targets.base import ModelFile

NOTE = (
    "Bytes of code, and of code and weights (flash), of one model at each level of --optimize, all"
    " built in the same run. Models marked * are nets of the same layers and shapes, ours in their"
    " weights: the originals are not at hand."
)
COLUMNS = (
    "model", "core", "compiler",
    *(f"{level} {what}" for what in ("code", "flash") for level in OPTIMIZE),
)  # fmt: skip
_COMPILERS = ("zig", "gcc")


def run() -> Record | None:
    """Builds all; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    compilers = [name for name in _COMPILERS if all(_installed(core, name) for core in CORES)]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for tiny, model in models(folder, Path(scratch)):
            name = tiny.name if tiny.file else f"{tiny.name}*"
            for core in CORES:
                rows += [(name, core, *cells) for cells in _cells(model, core, compilers)]
    return Record(
        "mcu_size", COLUMNS, tuple(rows), NOTE, conditions(), compilers == list(_COMPILERS)
    )


def _installed(core: str, compiler: str) -> bool:
    try:
        find_toolchain(load_board(core), compiler)
    except TargetError:
        return False
    return True


def _cells(model: ModelFile, core: str, compilers: list[str]) -> list[tuple[object, ...]]:
    """Each compiler's code and flash, by level."""
    board, found = load_board(core), []
    made = [
        compile_model(model.model, name="model", kernels=board.kernels, optimize=level)
        for level in OPTIMIZE
    ]
    for compiler in compilers:
        toolchain = find_toolchain(board, compiler)
        codes = [build_model(compiled, board, toolchain).size.code_bytes for compiled in made]
        pairs = zip(codes, made, strict=True)
        found.append((compiler, *codes, *(code + each.weight_bytes for code, each in pairs)))
    return found

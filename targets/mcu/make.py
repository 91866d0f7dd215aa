"""A model as C for a board, by what the user asked for; and the files that go with the C."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from firmware_glue.compiler.api import ARENA, CompiledModel, Region, compile_model, signed
from firmware_glue.device.board import Board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.toolchain import find_toolchain
from firmware_glue.licenses import license_texts
from targets.base import ModelFile, RunOptions
from targets.mcu.origin import origin
from targets.mcu.selftest import selftest
from targets.mcu.tune import StepCosts, cache_folder

Make = Callable[[str, int | None], CompiledModel]
"""(a value of ``OPTIMIZE``, bytes that the arena may take or None) → the model; see
:func:`firmware_glue.compiler.api.compile_model`."""


def maker(board: Board, model: ModelFile, options: RunOptions) -> Make:
    """How the model is compiled for ``board``, but for level and limit.

    Raises:
        MissingExtraError, TargetError: tuning was asked for, and what it needs is not installed.
    """
    name = model.path.stem if options.name is None else options.name
    tune = None
    if options.tune:
        options.progress.stage("tune")
        toolchain = find_toolchain(board, options.toolchain)
        emulator = find_emulator(board, options.emulator)
        tune = StepCosts(board, toolchain, emulator, cache_folder())

    def make(optimize: str, limit: int | None) -> CompiledModel:
        return compile_model(
            model.model,
            name=name,
            numerics=options.numerics,
            weights=options.weights,
            regions=[Region(*region) for region in options.regions] or _regions(board),
            kernels=board.kernels,
            optimize=optimize,
            max_ram=limit,
            tune=tune,
            origin=origin(model, board.name, replace(options, optimize=optimize)),
        )

    return make


def _regions(board: Board) -> Sequence[Region]:
    """The board's own memories for the arena."""
    named = board.memory.regions
    return [Region(region.name, region.bytes) for region in named] or ARENA


def c_files(
    target: str,
    model: ModelFile,
    compiled: CompiledModel,
    options: RunOptions,
    memory: Mapping[str, Any],
) -> dict[str, str | bytes]:
    """The files of a compiled model: C, licences, its memory map, its blob, its self-test."""
    files: dict[str, str | bytes] = {**compiled.files, **license_texts()}
    made_by = origin(model, target, options)
    files[f"{compiled.name}_memory.json"] = json.dumps(dict(memory) | made_by.to_json()) + "\n"
    if compiled.blob:
        files[f"{compiled.name}_weights.bin"] = compiled.blob
    if options.selftest:
        file = f"{compiled.name}_selftest.c"
        files[file] = signed(file, selftest(model, compiled), made_by)
    return files

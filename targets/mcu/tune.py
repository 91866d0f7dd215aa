"""What each step of a program costs on an emulated core, remembered between compilations.

The cache lies in ``$XDG_CACHE_HOME/edgecnn/tune`` (``~/.cache`` without it), one small JSON file
per program and core; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import ToolError
from edgecnn.core.files import write_json
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import TensorInfo
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.device.board import Board
from firmware_glue.device.emulate.base import Emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import Toolchain

_FORMAT = 1


@dataclass(frozen=True)
class StepCosts:
    """A callable: compiled model → instructions of each of its steps on ``lcg:1``.

    Attributes:
        board, toolchain, emulator: where it is measured.
        folder: of the cache.
    """

    board: Board
    toolchain: Toolchain
    emulator: Emulator
    folder: Path

    def __call__(self, compiled: CompiledModel) -> Sequence[int]:
        """Measures, or reads what was measured before.

        Raises:
            ToolError: the compiler failed, or the program crashed in the emulator.
        """
        path = self.folder / f"{self._key(compiled)}.json"
        known = _read(path, len(compiled.steps))
        if known is not None:
            return known
        built = build_model(compiled, self.board, self.toolchain)
        infos = [TensorInfo(io.name, io.shape, io.dtype) for io in compiled.inputs]
        inputs = [value.tobytes() for value in lcg_inputs(infos).values()]
        with self.emulator.open(built.program, self.board) as session:
            counts = session.run(inputs, count=True).per_step
        if len(counts) != len(compiled.steps):
            raise ToolError(
                self.emulator.description, 1, "it did not count the steps one by one",
                hint="choose another --emulator, or leave out --tune",
            )  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, list(counts))
        return counts

    def _key(self, compiled: CompiledModel) -> str:
        told = [
            _FORMAT, self.board.name, self.toolchain.description, self.emulator.description,
            self.toolchain.flags(self.board), compiled.optimize, sorted(compiled.files.items()),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def cache_folder() -> Path:
    """Where measured costs are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgecnn" / "tune"


def _read(path: Path, steps: int) -> Sequence[int] | None:
    """The stored costs; None where there are none, or the file is damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    good = isinstance(found, list) and len(found) == steps
    return found if good and all(type(n) is int and n >= 0 for n in found) else None

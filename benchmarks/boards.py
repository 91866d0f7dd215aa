"""MLPerf Tiny's models on emulated boards: ``edgecnn run --emulate``, and what fits where."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.mcu import models
from benchmarks.record import Record, conditions, shared
from firmware_glue.device.board import BOARDS
from firmware_glue.device.board_file import load_board

NOTE = (
    "edgecnn run --emulate: the image that would be flashed, in QEMU or rp2040js, spoken to"
    " over its line. Flash is the whole program, RAM all of it: planned (with the stack that is"
    " kept) and measured by the board itself (the stack as deep as it was). Counted are"
    " instructions (QEMU) or cycles (rp2040js), never time. Models marked * are nets of the same"
    " layers and shapes,"
    " ours in their weights."
)
COLUMNS = (
    "model", "board", "fits", "flash", "RAM planned", "RAM measured", "stack", "counted", "unit",
    "golden",
)  # fmt: skip


def run() -> Record | None:
    """Runs all; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    boards = [name for name in BOARDS if load_board(name).emulation is not None]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for tiny, model in models(folder, Path(scratch)):
            name = tiny.name if tiny.file else f"{tiny.name}*"
            file = Path(scratch) / f"{tiny.name}.tflite"
            file.write_bytes(model.data)
            rows += [(name, board, *_cells(file, board)) for board in boards]
    complete = all(row[2] == "no" or row[9] == "PASS" for row in rows)
    return Record("boards", COLUMNS, tuple(rows), NOTE, conditions(), complete)


def _cells(file: Path, board: str) -> tuple[object, ...]:
    command = [sys.executable, "-m", "edgecnn", "run", str(file), "-t", board, "--emulate"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        return (done.stderr.splitlines()[-2:], *[None] * 6, "not run")
    said = json.loads(done.stdout)
    fits, bench = said["fits"], said["bench"]
    used = (fits["flash"]["total_bytes"], fits["ram"]["total_bytes"])
    if not fits["fits"]:
        return "no", *used, None, None, None, None, ""
    golden = "PASS" if said["golden"]["replayed"] else "FAIL"
    if bench is None:
        return "yes", *used, None, None, None, None, golden
    measured = fits["measured"]
    return (
        "yes", *used, measured["total_bytes"], measured["stack_bytes"],
        int(bench["samples"][-1]), bench["unit"], golden,
    )  # fmt: skip

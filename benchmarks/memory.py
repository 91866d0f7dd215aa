"""The arena that the memory planner finds for real models, against the lower bound."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.record import Record, conditions, shared
from edgecnn.core.errors import UnsupportedModelError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model

NOTE = (
    "Arena of the generated C, one region, every model of the shared folder that compiles to C."
    " The bound: bytes live at once at some step, less what kernels can save by writing over"
    " their input; no plan of this order of steps is smaller. Sum: all live tensors of the model"
    " side by side. Backwards: steps that write their output from the end. ms: the whole"
    " compilation in memory, planning included."
)


def run() -> Record | None:
    """Compiles each model once; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    rows = []
    paths = {path.name: path for path in sorted((folder / "models").rglob("*.tflite"))}
    for path in paths.values():
        row = None if path.stem.endswith("_edgetpu") else _row(path)
        if row is not None:
            rows.append(row)
    columns = ("model", "steps", "sum", "arena", "bound", "gap %", "backwards", "ms")
    return Record("memory", columns, tuple(rows), NOTE, conditions())


def _row(path: Path) -> tuple[str | int | float, ...] | None:
    model = read_model(path.read_bytes())
    started = time.perf_counter()
    try:
        compiled = compile_model(model, name="model")
    except UnsupportedModelError:
        return None
    elapsed = (time.perf_counter() - started) * 1e3
    arena, bound = compiled.plan.arena_bytes, compiled.plan.lower_bound_bytes
    whole = sum(b.nbytes for b in compiled.program.buffers if b.parent is None)
    gap = round(100 * (arena / bound - 1), 2) if bound else 0.0
    return (
        path.stem, len(compiled.steps), whole, arena, bound, gap, len(compiled.plan.reversed),
        round(elapsed),
    )  # fmt: skip

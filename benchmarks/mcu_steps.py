"""Where the instructions go on a Cortex-M4: op by op, against TensorFlow Lite Micro's shares."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.mcu import models
from benchmarks.record import Record, conditions, shared
from benchmarks.tflm import CORES, TinyModel
from targets.base import BenchReport, ModelFile, RunOptions
from targets.table import get_target

NOTE = (
    "Cortex-M4, --optimize speed, one inference on lcg:1. A step that runs several ops counts for"
    " the first of them that has weights. TFLM's shares are of CMSIS-NN at the project's defaults;"
    " ops below a per cent were not told apart there. Models marked * are nets of the same layers."
)
COLUMNS = ("model", "op", "steps", "instructions", "share", "TFLM", "TFLM share", "fewer")
_CORE = CORES[0]
_PAIR = ("CONV_2D", "DEPTHWISE_CONV_2D")
_WEIGHTED = (*_PAIR, "FULLY_CONNECTED")


def run() -> Record | None:
    """Counts every model once; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for tiny, model in models(folder, Path(scratch)):
            rows += _rows(tiny, model, get_target(_CORE).benchmark(model, RunOptions()))
    return Record("mcu_steps", COLUMNS, tuple(rows), NOTE, conditions())


def _rows(tiny: TinyModel, model: ModelFile, report: BenchReport) -> list[tuple[object, ...]]:
    ours: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    operators = model.model.main.operators
    codes = [[operators[index].code for index in step.ops] for step in report.per_step]
    # Where some convolutions are one step with a depthwise one, both kinds count together.
    together = any(set(_PAIR) <= set(found) for found in codes)
    for step, found in zip(report.per_step, codes, strict=True):
        code = next((c for c in found if c in _WEIGHTED), found[0] if found else "")
        code = " + ".join(_PAIR) if together and code in _PAIR else code
        ours[code] += step.instructions or 0
        steps[code] += 1
    total, peer = sum(ours.values()), tiny.cores[_CORE].instructions
    name = tiny.name if tiny.file else f"{tiny.name}*"
    rows: list[tuple[object, ...]] = []
    for code, count in ours.most_common():
        shares = [tiny.shares.get(part) for part in code.split(" + ")]
        known = [share for share in shares if share is not None]
        share = sum(known) if len(known) == len(shares) else None
        theirs = None if share is None else round(peer * share)
        rows.append(
            (name, code, steps[code], count, f"{100 * count / total:.1f} %", theirs,
             None if share is None else f"{100 * share:.0f} %",
             None if theirs is None else round(theirs / count, 2))
        )  # fmt: skip
    return rows

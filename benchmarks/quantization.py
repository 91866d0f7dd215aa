"""What int8 costs: every net by every tool, on the same data by the same evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.cells import (
    Cell,
    Selection,
    Subject,
    cells_of,
    lost,
    named,
    read_selection,
    versions,
)
from benchmarks.nets import NETS, Net
from benchmarks.record import Record, conditions, shared
from benchmarks.retrain import retrain
from benchmarks.tasks import CALIBRATION, SCENES, task_of
from benchmarks.tools import FLOAT, TOOLS

COLUMNS = (
    "net", "tool", "metric", "value", "n", "drop_points", "low", "high", "bytes", "seconds",
    "ours_is_better_by", "better_low", "better_high", "versions",
)  # fmt: skip
NOTE = (
    f"Points are 100 × (float − quantized). Every tool gets the same {CALIBRATION} samples of the"
    " training split, as many of each class. Every .tflite runs in LiteRT with its default"
    f" kernels, one image at a time: all 10,000 CIFAR-10 test images, {SCENES:,} unseen scenes for"
    " the detector (mAP at IoU 0.5), 900 recordings of the spoken digits at nine places"
    " in the window each (a recording's score is the share that was right). ONNX Runtime's and"
    " NNCF's models run in ONNX Runtime and OpenVINO, where some ops stay float. 95 % intervals"
    " are paired: the adjusted Wald interval for matched pairs, for mAP a bootstrap over images."
    " --auto decides by the labelled validation split, as edgecnn quantize --auto does."
    " 'ours_is_better_by' compares ours --auto with that tool in the same way. ai-edge-quantizer"
    " is fed all samples as one batch, and one by one as its examples do: there a moving average"
    " smooths its ranges. Seconds: quantizing alone, without imports, on the machine named in"
    " 'conditions', each tool in a process of its own."
)
_BEST = "auto"


def run(selection: Selection | None = None) -> Record | None:
    """Makes the table; None where the shared data are not at hand."""
    selection = selection or Selection()
    if shared() is None:
        return None
    rows: list[tuple[Any, ...]] = []
    for row in NETS:
        if selection.retrain and (not selection.nets or row.name in selection.nets):
            retrain(row)
        if not row.file.is_file():
            print(f"{row.name}: no weights yet, python -m benchmarks.retrain {row.name}")
            continue
        cells = cells_of(_subject(row), selection)
        rows += [_line(row.title, cell, cells) for cell in cells]
    whole = selection.limit is None and len(rows) == len(NETS) * len(TOOLS)
    return Record("quantization", COLUMNS, tuple(rows), NOTE, conditions(), whole=whole)


def selection_of(arguments: Sequence[str]) -> Selection:
    """Reads the command line's options."""
    nets, tools = ([item.name for item in items] for items in (NETS, TOOLS))
    return read_selection(arguments, "quantization", nets, tools)


def _subject(row: Net) -> Subject:
    return Subject(row.name, row.title, row.file, partial(task_of, row), TOOLS)


def _line(title: str, cell: Cell, cells: Sequence[Cell]) -> tuple[Any, ...]:
    if cell.made is None or cell.scored is None:
        return (title, cell.tool.title, *([None] * (len(COLUMNS) - 3)), versions(cell))
    metric = cell.scored
    return (
        title,
        cell.tool.title,
        metric.name,
        round(metric.value, 5),
        metric.n,
        *lost(named(cells, FLOAT.name), cell),
        cell.made.size,
        cell.made.seconds,
        *lost(named(cells, _BEST), cell),
        versions(cell),
    )

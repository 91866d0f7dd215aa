"""One model by several tools: quantized, run on the test data, scored."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.peers.venvs import DEFAULT_FOLDER, PeerFailedError
from benchmarks.tasks import Task
from benchmarks.tools import FLOAT, Files, Made, Tool, make, read
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.metric import Metric
from quantization.parity import drop


@dataclass(frozen=True)
class Selection:
    """What of a table to make.

    Attributes:
        nets, tools: names; empty: all.
        limit: test samples; None: all.
        folder: where peers, decoded images and made models are kept.
        reuse: take models that an earlier run made from the same weights.
        retrain: train the nets anew first.
    """

    nets: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    limit: int | None = None
    folder: Path = DEFAULT_FOLDER
    reuse: bool = False
    retrain: bool = False


@dataclass(frozen=True)
class Subject:
    """A model to quantize.

    Attributes:
        name, title: for options and tables.
        file: the model.
        task: cache folder → its data and judge.
        tools: what to quantize it with; the one named ``float`` gives the reference.
    """

    name: str
    title: str
    file: Path
    task: Callable[[Path], Task]
    tools: Sequence[Tool]


@dataclass(frozen=True)
class Cell:
    """A model quantized by a tool: made and scored, or why not."""

    tool: Tool
    made: Made | None = None
    scored: Metric | None = None
    failed: str = ""


def cells_of(subject: Subject, selection: Selection) -> list[Cell]:
    """One model by every tool: the chosen ones made now, the others as an earlier run left them."""
    chosen_net = not selection.nets or subject.name in selection.nets
    key = hashlib.sha256(subject.file.read_bytes()).hexdigest()[:12]
    part = "all" if selection.limit is None else str(selection.limit)
    folder = selection.folder / "made" / f"{subject.name}-{key}-{part}"
    folder.mkdir(parents=True, exist_ok=True)
    task = subject.task(selection.folder)
    task = replace(task, test=task.test[: selection.limit])
    calibration, test, tuning = task.save(folder)
    float32 = folder / FLOAT.name / FLOAT.result
    base = Files(subject.file, float32, calibration, test, tuning, folder, selection.folder)
    cells = []
    for tool in subject.tools:
        chosen = chosen_net and (not selection.tools or tool.name in selection.tools)
        files = replace(base, folder=folder / tool.name)
        cell = _cell(tool, files, task, chosen=chosen, reuse=selection.reuse)
        if cell is not None:
            print(f"{subject.name} {tool.name}: {told(cell)}", flush=True)
            cells.append(cell)
    return cells


def _cell(tool: Tool, files: Files, task: Task, *, chosen: bool, reuse: bool) -> Cell | None:
    made = None
    if reuse or not chosen:
        try:
            made = read(tool, files.folder)
        except OSError:
            made = None
    # The float file is every other tool's input and the reference.
    if made is None and not chosen and tool.name != FLOAT.name:
        return None
    try:
        made = made or make(tool, files, task.test)
    except (PeerFailedError, EdgecnnError) as error:
        return Cell(tool, failed=str(error))
    return Cell(tool, made, task.score(made.outputs))


def lost(reference: Cell | None, cell: Cell) -> tuple[float | None, ...]:
    """Points that ``cell`` lost against ``reference``, low and high end; None where unknown."""
    if reference is None or reference.scored is None or cell.scored is None or cell is reference:
        return (None, None, None)
    found = drop(reference.scored, cell.scored)
    return tuple(round(value, 3) for value in (found.points, found.low, found.high))


def named(cells: Sequence[Cell], name: str) -> Cell | None:
    """The cell of that tool."""
    return next((cell for cell in cells if cell.tool.name == name), None)


def told(cell: Cell) -> str:
    """One line."""
    if cell.made is None or cell.scored is None:
        return f"failed: {cell.failed}"
    metric = cell.scored
    return f"{metric.name} {metric.value:.4f}, {cell.made.size:,} bytes, {cell.made.seconds} s"


def versions(cell: Cell) -> str:
    """The tool's versions, or why there is no model."""
    if cell.made is None:
        return f"failed: {cell.failed}"
    return ", ".join(f"{key} {value}" for key, value in cell.made.versions.items())


def read_selection(
    arguments: Sequence[str], subject: str, nets: Sequence[str], tools: Sequence[str]
) -> Selection:
    """Reads ``--nets``, ``--tools``, ``--limit``, ``--peer-dir``, ``--reuse``, ``--retrain``."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {subject}")
    for key, known in {"nets": nets, "tools": tools}.items():
        settings: dict[str, Any] = {"nargs": "+", "choices": known, "default": []}
        parser.add_argument(f"--{key}", **settings, metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--limit", type=int, help="test samples")
    parser.add_argument("--peer-dir", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--reuse", action="store_true", help="keep what an earlier run made")
    parser.add_argument("--retrain", action="store_true", help="train the nets anew first")
    given = parser.parse_args(list(arguments))
    return Selection(
        tuple(given.nets),
        tuple(given.tools),
        given.limit,
        given.peer_dir,
        given.reuse,
        given.retrain,
    )

"""Instructions, RAM and flash on microcontroller cores against TensorFlow Lite Micro."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

from benchmarks.record import Record, conditions, shared
from benchmarks.standins import stand_in
from benchmarks.tflm import CORES, MODELS, Peer, TinyModel
from firmware_glue.compiler.api import stream_curve
from firmware_glue.device.board_file import load_board
from targets.base import BenchReport, ModelFile, RunOptions
from targets.model_file import load_model_file
from targets.table import get_target

NOTE = (
    "One inference on lcg:1 after a warm-up, instructions counted by the emulator, default"
    " numerics. speed: --optimize speed; streamed: the same with the smallest arena that"
    " costs at most a tenth more instructions; size: --optimize size. TFLM: tflite-micro 90b983c2"
    " with CMSIS-NN 4ab83cc3, arm-none-eabi-gcc 12.2, project defaults on the M4 and -O3 on the"
    " M0+ and the M55, counted by QEMU 7.2 -icount shift=0. Instructions, not cycles. RAM = arena"
    " + static data + stack. Flash = code + what is kept of the model (TFLM keeps the whole file,"
    " ours filters and biases as stored, with the requantization interleaved). 'fewer"
    " instructions' is TFLM / ours, above 1 is better; the other ratios are ours / TFLM, below 1"
    " is better; the size build is compared with TFLM's -Os code on the M4. 'left' is ours / what"
    " our kernels reach alone. Models marked * are nets of the same layers and shapes, ours in"
    " their weights: the originals are not at hand."
)
COLUMNS = (
    "model", "core", "mode", "instructions", "TFLM", "fewer instructions", "left", "RAM",
    "TFLM RAM", "RAM ratio", "code", "TFLM code", "code ratio", "flash", "TFLM flash",
    "flash ratio", "bit-exact",
)  # fmt: skip
_RATIOS = ("fewer instructions", "left", "RAM ratio", "code ratio", "flash ratio")
MODES = ("speed", "streamed", "size")
#: What chains may cost in instructions.
_DEARER = 1.1


def run() -> Record | None:
    """Measures every model on every core; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    cores = [core for core in CORES if core != "cortex-m55" or shutil.which("qemu-system-arm")]
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for tiny, model in models(folder, Path(scratch)):
            for core in cores:
                reports = dict(zip(MODES, measured(core, model), strict=True))
                rows += [_row(tiny, core, mode, report) for mode, report in reports.items()]
    rows += [
        _mean(core, mode, [row for row in rows if row[1:3] == (core, mode)])
        for core in cores
        for mode in MODES
    ]
    return Record("mcu", COLUMNS, tuple(rows), NOTE, conditions(), len(cores) == len(CORES))


def measured(core: str, model: ModelFile) -> tuple[BenchReport, BenchReport, BenchReport]:
    """One model on one core in all modes."""
    target = get_target(core)
    speed = target.benchmark(model, RunOptions())
    streamed = speed
    most = (speed.instructions or 0) * _DEARER
    for limit in smaller_arenas(core, model):
        found = target.benchmark(model, RunOptions(regions=(("arena", limit),)))
        if (found.instructions or 0) <= most:
            streamed = found
            break
    return speed, streamed, target.benchmark(model, RunOptions(optimize="size"))


def smaller_arenas(core: str, model: ModelFile) -> list[int]:
    """Arenas of plans with chains that should be worth it, the smallest first."""
    points = stream_curve(model.model, kernels=load_board(core).kernels)
    return sorted(point.arena_bytes for point in points[1:] if point.factor <= 2 * _DEARER - 1)


def models(folder: Path, scratch: Path) -> Iterator[tuple[TinyModel, ModelFile]]:
    """MLPerf Tiny's files, or nets of the same layers."""
    for tiny in MODELS:
        path = folder / "models/mlperf_tiny" / tiny.file
        if not tiny.file:
            path = scratch / f"{tiny.name}.tflite"
            path.write_bytes(stand_in(tiny.name))
        yield tiny, load_model_file(path)


def ram_bytes(report: BenchReport) -> int:
    """Arena, static data and stack."""
    return sum(part or 0 for part in (report.arena_bytes, report.static_bytes, report.stack_bytes))


def _row(tiny: TinyModel, core: str, mode: str, report: BenchReport) -> tuple[object, ...]:
    peer: Peer = tiny.cores[core]
    ours, ram = report.instructions or 0, ram_bytes(report)
    code, kept = report.code_bytes or 0, report.weight_bytes or 0
    peer_code = tiny.size_code_bytes if (core, mode) == (CORES[0], "size") else peer.code_bytes
    peer_flash = peer_code + tiny.file_bytes
    return (
        tiny.name if tiny.file else f"{tiny.name}*", core, mode,
        ours, peer.instructions, round(peer.instructions / ours, 2),
        round(ours / peer.reachable, 2),
        ram, peer.ram_bytes, round(ram / peer.ram_bytes, 2),
        code, peer_code, round(code / peer_code, 2),
        code + kept, peer_flash, round((code + kept) / peer_flash, 2),
        "yes" if report.bit_exact else "no",
    )  # fmt: skip


def _mean(core: str, mode: str, rows: Sequence[Sequence[object]]) -> tuple[object, ...]:
    """Geometric means of the ratios."""
    cells: list[object] = []
    for number, column in enumerate(COLUMNS):
        values = [float(str(row[number])) for row in rows] if column in _RATIOS else []
        cells.append(round(prod(values) ** (1 / len(values)), 2) if values else None)
    return ("geometric mean", core, mode, *cells[3:])

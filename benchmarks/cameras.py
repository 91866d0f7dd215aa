"""Several cameras in one process that share one model, beside a process for each camera.

``python -m benchmarks cameras [--pairs N]``: clip and models are made here, every run is a process
of its own, runs are alternated.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.camera_clip import HEIGHT, WIDTH, write_clip
from benchmarks.camera_models import write_detector
from benchmarks.camera_runs import SKIPPED, Scene, alternated
from benchmarks.record import Record, conditions

PAIRS = 5
COUNTS = (1, 2, 4)
#: The model's CPU time over the decoding's.
RATIOS = (0.7, 4.0)
_FRAMES = 240
_COLUMNS = (
    "cell", "cameras", "FPS of all", "of one alone", "CPU ms a frame", "slowest camera, FPS",
    "fastest", "age p95 ms", "dropped", "MiB",
)  # fmt: skip
NOTE = (
    f"{WIDTH} x {HEIGHT} mp4v made by the benchmark, uint8 detectors of 300 x 300; {_FRAMES} frames"
    f" in all, the first {SKIPPED} apart, each camera reads the same clip. Medians of {PAIRS}"
    " alternated runs, each in a fresh process. N x decoding: as fast as the files go, with a model"
    " of N times the CPU time of decoding. Real time: each clip at its own 30 frames a second,"
    " newest frame only, with the slower model: what it cannot look at is dropped, and the cameras"
    " get equal shares. Processes: one edgecnn detect for each camera, side by side; MiB is the sum"
    " of their peaks."
)


@dataclass(frozen=True)
class CamerasSelection:
    """How often each run is made."""

    pairs: int = PAIRS


def selection_of(arguments: Sequence[str]) -> CamerasSelection:
    """Reads the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cameras")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    return CamerasSelection(parser.parse_args(arguments).pairs)


def run(chosen: CamerasSelection | None = None) -> Record:
    """Measures all cells, one after the other."""
    pairs = (chosen or CamerasSelection()).pairs
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-cameras-") as scratch:
        folder = Path(scratch)
        clip = write_clip(folder / "clip.mp4", _FRAMES)
        probe = Scene(clip, write_detector(folder, 0.0), 200).parts()
        for ratio in RATIOS:
            model = write_detector(folder, ratio * probe["decoding"]["cpu_ms"])
            rows += _rows(f"{ratio:g} x decoding", Scene(clip, model, _FRAMES), pairs)
        rows += _rows("real time", Scene(clip, model, _FRAMES // 2), pairs, "realtime")
    return Record("cameras", _COLUMNS, tuple(rows), NOTE, conditions(), pairs >= PAIRS)


def _rows(cell: str, scene: Scene, pairs: int, *options: str) -> list[tuple[Any, ...]]:
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        f"{count}": partial(_together, scene, count, *options) for count in COUNTS
    }
    most = COUNTS[-1]
    runs[f"{most} processes"] = partial(_processes, scene, most, *options)
    taken = alternated(runs, pairs)
    alone = median(pair["1"]["fps"] for pair in taken)
    rows = []
    for name in runs:
        each = [pair[name] for pair in taken]

        def middle(key: str, each: Sequence[dict[str, Any]] = each) -> float:
            return median(one[key] for one in each)

        rows.append(
            (
                cell, name, round(middle("fps"), 1), f"{middle('fps') / alone:.2f}",
                round(middle("cpu_ms"), 2), round(middle("slowest"), 1),
                round(middle("fastest"), 1), round(middle("age_ms"), 1), round(middle("dropped")),
                round(middle("mib")),
            )
        )  # fmt: skip
    return rows


def _together(scene: Scene, count: int, *options: str) -> dict[str, Any]:
    """One process with so many cameras; together they look at the scene's frames."""
    each = replace(scene, frames=scene.frames if options else scene.frames // count)
    said = each.ours(f"cameras={count}", *options)
    summary = said["summary"]
    cameras = summary.get("cameras", {"": summary}).values()
    rates = [camera["fps"] for camera in cameras]
    return {
        "fps": said["fps"],
        "cpu_ms": said["cpu_ms"],
        "slowest": min(rates),
        "fastest": max(rates),
        "age_ms": max(camera["age_ms"]["p95"] for camera in cameras),
        "dropped": said["dropped"],
        "mib": said["peak_mib"],
    }


def _processes(scene: Scene, count: int, *options: str) -> dict[str, Any]:
    """So many processes at once, each with one camera."""
    with ThreadPoolExecutor(count) as threads:
        waiting = [threads.submit(_together, scene, 1, *options) for _ in range(count)]
        each = [future.result() for future in waiting]
    rates = [one["fps"] for one in each]
    return {
        "fps": sum(rates),
        "cpu_ms": sum(one["cpu_ms"] for one in each) / count,
        "slowest": min(rates),
        "fastest": max(rates),
        "age_ms": max(one["age_ms"] for one in each),
        "dropped": sum(one["dropped"] for one in each),
        "mib": sum(one["mib"] for one in each),
    }

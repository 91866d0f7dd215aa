"""The camera loop against its bound, its goals, and the loops that others write.

``python -m benchmarks camera [--pairs N] [--cells NAME …] [--peer-dir FOLDER]``: clip and models
are made here, every run is a process of its own, pairs are alternated.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.camera_cells import (
    COLUMNS,
    Figure,
    file_figures,
    overload_figures,
    realtime_figures,
    recorded_figures,
)
from benchmarks.camera_clip import FPS, HEIGHT, WIDTH, write_clip
from benchmarks.camera_models import write_detector
from benchmarks.camera_peer import peer_figures
from benchmarks.camera_runs import SKIPPED, Scene, alternated
from benchmarks.peers.venvs import DEFAULT_FOLDER
from benchmarks.record import Record, conditions
from edgecnn.camera.bound import usable_cores

PAIRS = 9
#: The model's CPU time over the decoding's.
RATIOS = (0.25, 0.7, 1.0, 1.5, 4.0)
_CLIP_FRAMES = 420
_RUN_S = 0.8
_REALTIME_FRAMES = 90
#: Slower than a camera of 30 frames a second.
_OVERLOAD_MS = 50.0
_OVERLOAD_FRAMES = 70
_MOST_MIB = 200.0
NOTE = (
    f"{WIDTH} x {HEIGHT} mp4v made by the benchmark (texture that moves), uint8 detectors of"
    " 300 x 300 with as many layers as the cost asks for; five boxes on each frame. Medians of"
    f" {PAIRS} pairs; in each the runs alternate, every one in a fresh process, the first"
    f" {SKIPPED} frames of each apart. Ours: edgecnn detect with a JSON line for each frame, by its"
    " own function; CPU time is the whole process's. The bound: the least of the rates of decoding"
    " alone (cv2.VideoCapture), of preprocessing and inference alone, and of cores / CPU time a"
    " frame. Plain: benchmarks/peers/camera_plain.py, OpenCV (INTER_LINEAR) and LiteRT one after"
    " the other, nothing printed. Real time: the clip at its own 30 frames a second, newest frame"
    " only. At the model's pace: decoding with a sleep behind each frame, as long as inference"
    " takes. Cells: N x decoding: as fast as the file goes, with a model of N times the CPU time"
    " of decoding."
)


@dataclass(frozen=True)
class CameraSelection:
    """What is run.

    Attributes:
        pairs: of each cell.
        cells: names of :data:`CELLS`.
        folder: where the peers' Pythons are.
    """

    pairs: int = PAIRS
    cells: tuple[str, ...] = ()
    folder: Path = DEFAULT_FOLDER

    @property
    def whole(self) -> bool:
        """Whether it is the table as it is published."""
        return self.pairs >= PAIRS and not self.cells


@dataclass(frozen=True)
class _Stage:
    """What all cells share: a folder, the clip, what decoding a frame of it takes, how often."""

    folder: Path
    clip: Path
    decoding_ms: float
    chosen: CameraSelection

    def scene(self, model_ms: float, frames: int | None = None) -> Scene:
        """A model of that cost, looking for about as long as a run should take."""
        frame_ms = max(model_ms, self.decoding_ms)
        fitting = SKIPPED + max(60, round(_RUN_S * 1e3 / frame_ms))
        return Scene(
            self.clip,
            write_detector(self.folder, model_ms),
            min(frames or fitting, _CLIP_FRAMES),
        )


def selection_of(arguments: Sequence[str]) -> CameraSelection:
    """Reads the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks camera")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--cells", nargs="+", choices=tuple(CELLS), default=())
    parser.add_argument("--peer-dir", type=Path, default=DEFAULT_FOLDER)
    given = parser.parse_args(arguments)
    return CameraSelection(given.pairs, tuple(given.cells), given.peer_dir)


def run(chosen: CameraSelection | None = None) -> Record:
    """Measures the chosen cells, one after the other."""
    chosen = chosen or CameraSelection()
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-camera-") as scratch:
        folder = Path(scratch)
        clip = write_clip(folder / "clip.mp4", _CLIP_FRAMES)
        probe = Scene(clip, write_detector(folder, 0.0), 200).parts()
        stage = _Stage(folder, clip, probe["decoding"]["cpu_ms"], chosen)
        for name in chosen.cells or CELLS:
            print(f"camera: {name}", flush=True)
            rows += [row for cell, figure in CELLS[name](stage) for row in [figure.row(cell)]]
    return Record("camera", COLUMNS, tuple(rows), NOTE, conditions(), chosen.whole)


def _file(ratio: float, stage: _Stage) -> list[tuple[str, Figure]]:
    scene = stage.scene(ratio * stage.decoding_ms)
    runs = {"ours": scene.ours, "plain": scene.plain, "parts": scene.parts}
    pairs = alternated(runs, stage.chosen.pairs)
    cell = f"{ratio:g} x decoding"
    return [(cell, figure) for figure in file_figures(ratio, pairs, usable_cores())]


def _realtime(stage: _Stage) -> list[tuple[str, Figure]]:
    scene = stage.scene(stage.decoding_ms, _REALTIME_FRAMES)
    runs = {
        "without": partial(scene.ours, "realtime"),
        "record": partial(_written, stage, scene, "record=segments", "realtime"),
        "video": partial(_written, stage, scene, "video=all.mp4", "realtime"),
    }
    pairs = alternated(runs, stage.chosen.pairs)
    found = []
    for key, what in (("record", "--record"), ("video", "-o")):
        both = [{"without": pair["without"], "with": pair[key]} for pair in pairs]
        found += [("real time", figure) for figure in realtime_figures(what, both)]
    return found


def _recording(stage: _Stage) -> list[tuple[str, Figure]]:
    scene = stage.scene(stage.decoding_ms, 140)
    runs = {
        "record": partial(_written, stage, scene, "record=segments"),
        "video": partial(_written, stage, scene, "video=all.mp4"),
    }
    pairs, cores = alternated(runs, stage.chosen.pairs), usable_cores()
    record, video = ([pair[key] for pair in pairs] for key in ("record", "video"))
    figures = (
        *recorded_figures("--record", record, cores, 0.9),
        *recorded_figures("-o", video, cores, None),
    )
    return [("recording", figure) for figure in figures]


def _written(stage: _Stage, scene: Scene, output: str, *options: str) -> dict[str, Any]:
    """A run with an output, which is deleted afterwards; the run must have written something.

    Raises:
        RuntimeError: nothing was written.
    """
    kind, _, name = output.partition("=")
    with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
        said = scene.ours(*options, f"{kind}={Path(folder) / name}")
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    if not written:
        raise RuntimeError(f"{output}: nothing was written")
    return said


def _overload(stage: _Stage) -> list[tuple[str, Figure]]:
    scene = stage.scene(_OVERLOAD_MS, _OVERLOAD_FRAMES)
    alone = replace(scene, frames=2 * SKIPPED)
    runs = {"ours": partial(scene.ours, "realtime"), "parts": alone.parts}
    pairs = alternated(runs, stage.chosen.pairs)
    return [("overload", figure) for figure in overload_figures(pairs, 1e3 / FPS)]


def _memory(stage: _Stage) -> list[tuple[str, Figure]]:
    scene = stage.scene(stage.decoding_ms, 200)
    runs = [scene.ours()["peak_mib"] for _ in range(min(stage.chosen.pairs, 3))]
    return [("memory", Figure("peak of the process, MiB", tuple(runs), most=_MOST_MIB))]


def _ultralytics(stage: _Stage) -> list[tuple[str, Figure]]:
    figures = peer_figures(stage.clip, stage.folder, stage.chosen.folder, stage.chosen.pairs)
    return [("ultralytics", figure) for figure in figures]


#: Name → what measures it.
CELLS: Mapping[str, Callable[[_Stage], list[tuple[str, Figure]]]] = MappingProxyType(
    {
        **{f"file-{ratio:g}": partial(_file, ratio) for ratio in RATIOS},
        "realtime": _realtime,
        "recording": _recording,
        "overload": _overload,
        "memory": _memory,
        "ultralytics": _ultralytics,
    }
)

"""What viewers of the live page cost the loop: its rate, CPU time and memory.

``python -m benchmarks page [--pairs N] [--cells NAME …]``: every run is ``edgecnn detect`` in a
fresh process, with the viewers in another one; runs are alternated.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from benchmarks.camera_cells import COLUMNS, Figure
from benchmarks.camera_clip import HEIGHT, WIDTH, write_clip
from benchmarks.camera_models import write_detector
from benchmarks.camera_runs import Run, alternated
from benchmarks.record import Record, conditions

PAIRS = 3
CELLS = ("camera", "file")
_ROOT = Path(__file__).parents[1]
_MODEL_MS = 6.0
_CLIP_FRAMES = 1000
_SECONDS = 10.0
#: Seconds at the start that are not counted: the first frames, and the viewers' coming.
_SETTLING_S = 2.0
#: Viewers who read, and who take nothing.
WATCHED = {"no page": None, "0 viewers": (0, 0), "1 viewer": (1, 0), "20 viewers": (19, 1)}
_MOST_LOSS = 5.0
_MOST_GROWTH_MB = 30.0
_TIMEOUT_S = 120.0
NOTE = (
    f"edgecnn detect --json --serve with a uint8 detector of 300 x 300 that takes {_MODEL_MS:g} ms"
    f" of CPU time, a process for each run; {PAIRS} rounds in which the runs alternate; medians."
    f" camera: --source test (1280 x 720, 30 frames a second), {_SECONDS:g} s. file: {_CLIP_FRAMES}"
    f" frames of {WIDTH} x {HEIGHT} mp4v as fast as they go, which keeps all cores busy. 20"
    " viewers: 19 that take /live as fast as it comes, one that takes nothing; all in one other"
    " process on the same machine, of the lowest priority, which mostly throws bytes away unread."
    f" Rates are those after the first {_SETTLING_S:g} s; loss: against the run of the same round"
    " without the page. CPU: of the whole process, for each frame. Growth: resident memory at the"
    " end less that when the first seconds were over."
)


@dataclass(frozen=True)
class PageSelection:
    """What is run: rounds, and names of :data:`CELLS`."""

    pairs: int = PAIRS
    cells: tuple[str, ...] = CELLS

    @property
    def whole(self) -> bool:
        """Whether it is the table as it is published."""
        return self.pairs >= PAIRS and set(self.cells) == set(CELLS)


def selection_of(arguments: Sequence[str]) -> PageSelection:
    """Reads the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks page")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    given = parser.parse_args(arguments)
    return PageSelection(given.pairs, tuple(given.cells))


def run(chosen: PageSelection | None = None) -> Record:
    """Measures the chosen cells, one after the other."""
    chosen = chosen or PageSelection()
    rows: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory(prefix="edgecnn-page-") as scratch:
        folder = Path(scratch)
        model = write_detector(folder, _MODEL_MS)
        for cell in chosen.cells:
            source = ("--source", "test", "--max-seconds", str(_SECONDS))
            if cell == "file":
                source = ("--source", str(write_clip(folder / "clip.mp4", _CLIP_FRAMES)))
            words = (*source, "--model", str(model))
            runs: dict[str, Run] = {
                name: partial(_watched, folder, words, viewers) for name, viewers in WATCHED.items()
            }
            print(f"page: {cell}", flush=True)
            rounds = alternated(runs, chosen.pairs)
            rows += [figure.row(f"{cell}, {name}") for name in runs for figure in _of(name, rounds)]
    return Record("page", COLUMNS, tuple(rows), NOTE, conditions(), chosen.whole)


def _of(name: str, rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> list[Figure]:
    """The figures of one kind of run."""

    def each(key: str) -> tuple[float, ...]:
        return tuple(done[name][key] for done in rounds)

    figures = [Figure("frames a second", each("fps")), Figure("CPU ms a frame", each("cpu_ms"))]
    if name != "no page":
        lost = tuple(100 * (1 - done[name]["fps"] / done["no page"]["fps"]) for done in rounds)
        figures.append(Figure("loss of rate, %", lost, most=_MOST_LOSS))
    figures.append(Figure("memory, MB", each("memory_mb")))
    figures.append(Figure("growth of memory, MB", each("growth_mb"), most=_MOST_GROWTH_MB))
    if WATCHED[name] not in (None, (0, 0)):
        figures.append(Figure("frames a second that a viewer gets", each("seen_fps")))
    return figures


def _watched(
    folder: Path, words: tuple[str, ...], viewers: tuple[int, int] | None
) -> dict[str, float]:
    """One run of the loop, with those who watch it."""
    serve = ("--no-serve",) if viewers is None else ("--serve", "127.0.0.1:0")
    command = [sys.executable, "-m", "edgecnn", "detect", "--json", *words, *serve]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (
        (folder / "lines").open("w+", encoding="utf-8") as lines,
        (folder / "said").open("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdout=lines, stderr=said, cwd=_ROOT, env=quiet) as loop,
    ):
        watching = _join(said, loop, viewers) if viewers and any(viewers) else None
        memory = _memory_while(loop, lines)
        seen = watching.communicate(timeout=_TIMEOUT_S)[0] if watching is not None else "{}"
        if loop.returncode:
            raise RuntimeError(Path(said.name).read_text(encoding="utf-8"))
        lines.seek(0)
        texts = [json.loads(line) for line in lines]
    return {**_rate(texts[:-1]), **memory, "seen_fps": json.loads(seen).get("frames_a_second", 0)}


def _join(
    said: IO[str], loop: subprocess.Popen[bytes], viewers: tuple[int, int]
) -> subprocess.Popen[str]:
    """Waits for the page, and starts those who watch it."""
    deadline = time.monotonic() + _TIMEOUT_S
    while loop.poll() is None and time.monotonic() < deadline:
        found = re.search(r"http://([\d.]+):(\d+)/", Path(said.name).read_text(encoding="utf-8"))
        if found:
            words = [found[1], found[2], *map(str, viewers), str(_TIMEOUT_S)]
            command = [sys.executable, "-m", "benchmarks.page_viewers", *words]
            return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
        time.sleep(0.02)
    raise RuntimeError(f"no page: {Path(said.name).read_text(encoding='utf-8')}")


def _memory_while(loop: subprocess.Popen[bytes], lines: IO[str]) -> dict[str, float]:
    """Resident memory at the end, and how much it has grown since the loop had settled; CPU."""
    status, stat = Path(f"/proc/{loop.pid}/statm"), Path(f"/proc/{loop.pid}/stat")
    began_s: float | None = None
    settled = last = 0.0
    frames = cpu_s = first_frames = first_cpu_s = 0.0
    while loop.poll() is None:
        time.sleep(0.1)
        try:
            pages = int(status.read_text("ascii").split()[1])
            ticks = sum(map(int, stat.read_text("ascii").rpartition(")")[2].split()[11:13]))
        except (OSError, IndexError):
            continue
        if not pages:
            continue
        last, cpu_s = pages * os.sysconf("SC_PAGE_SIZE") / 1e6, ticks / os.sysconf("SC_CLK_TCK")
        frames = _count(lines)
        if frames and began_s is None:
            began_s = time.monotonic()
        if began_s is not None and time.monotonic() - began_s > _SETTLING_S and not settled:
            settled, first_frames, first_cpu_s = last, frames, cpu_s
    return {
        "memory_mb": last,
        "growth_mb": last - settled,
        "cpu_ms": (cpu_s - first_cpu_s) * 1e3 / max(frames - first_frames, 1),
    }


def _count(lines: IO[str]) -> int:
    with Path(lines.name).open("rb") as stream:
        return sum(1 for _ in stream)


def _rate(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Frames a second, those of the first seconds apart."""
    times = [datetime.fromisoformat(result["time"]).timestamp() for result in results]
    counted = [moment for moment in times if moment > times[0] + _SETTLING_S]
    return {"fps": (len(counted) - 1) / (counted[-1] - counted[0])}

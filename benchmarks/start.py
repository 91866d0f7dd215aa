"""How long the command line takes to start, against an empty Python."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.record import Record, conditions

RUNS = 15
NOTE = (
    f"Median of {RUNS} processes, interleaved: python -c pass, then python -m edgecnn --help."
    " Milliseconds of wall time."
)


def run() -> Record:
    """Times both in turn, so that noise hits both alike."""
    commands = {
        "empty Python": [sys.executable, "-c", "pass"],
        "edgecnn --help": [sys.executable, "-m", "edgecnn", "--help"],
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            samples[name].append((time.perf_counter() - started) * 1e3)
    rows = tuple((name, round(statistics.median(times), 1)) for name, times in samples.items())
    extra = ("difference", round(rows[1][1] - rows[0][1], 1))
    return Record("start", ("what", "ms"), (*rows, extra), NOTE, conditions())

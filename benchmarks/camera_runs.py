"""Runs of the camera's benchmark, each in a fresh process, and how they are alternated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.venvs import PeerFailedError, run_script

_ROOT = Path(__file__).parents[1]
#: Frames at the start that are not counted: caches and threads settle.
SKIPPED = 20
TIMEOUT_S = 300

Run = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Scene:
    """A clip, a model, and how many frames of it are looked at."""

    clip: Path
    model: Path
    frames: int

    def ours(self, *options: str) -> dict[str, Any]:
        """``edgecnn detect``; see :mod:`benchmarks.camera_child` for options and figures."""
        return _child("loop", *self._words(), *options)

    def parts(self) -> dict[str, Any]:
        """Decoding, preprocessing with inference, and inference, each alone."""
        return _child("parts", *self._words())

    def plain(self) -> dict[str, Any]:
        """The loop that everybody writes first."""
        return run_script(Path(sys.executable), "camera_plain", *self._words())

    def _words(self) -> tuple[str, ...]:
        return str(self.clip), str(self.model), str(self.frames), str(SKIPPED)


def alternated(runs: Mapping[str, Run], pairs: int) -> list[dict[str, dict[str, Any]]]:
    """Every run once a pair, in an order that turns, so that what drifts hits all alike."""
    names, taken = list(runs), []
    for number in range(pairs):
        shift = number % len(names)
        order = names[shift:] + names[:shift]
        done = {name: runs[name]() for name in order}
        taken.append({name: done[name] for name in names})
    return taken


def _child(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.camera_child", *words]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=_ROOT, env=quiet, timeout=TIMEOUT_S
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise PeerFailedError(lines[-1] if lines else f"exit code {done.returncode}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))

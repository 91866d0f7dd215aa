"""A Python of its own for each peer: pinned versions, none of which is a dependency of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent
DEFAULT_FOLDER = Path.home() / ".cache" / "edgecnn-bench"
TIMEOUT_S = 3600


@dataclass(frozen=True)
class Environment:
    """What a peer's Python holds."""

    name: str
    requirements: tuple[str, ...]


AI_EDGE_QUANTIZER = Environment(
    "ai-edge-quantizer",
    ("ai-edge-quantizer==0.10.0", "ai-edge-litert==2.3.0", "numpy==2.4.6"),
)
ONNX_RUNTIME = Environment(
    "onnxruntime",
    (
        "onnxruntime==1.31.1",
        "onnx==1.23.2",
        "tf2onnx==1.17.0",
        "tensorflow-cpu==2.21.0",
        "sympy==1.14.0",
        "numpy==2.4.6",
    ),
)

NNCF = Environment("nncf", ("nncf==3.4.0", "openvino==2026.4.1", "numpy==2.4.6"))

# AGPL-3.0: a program beside ours, never a part.
ULTRALYTICS = Environment(
    "ultralytics", ("ultralytics==8.4.190", "torch==2.14.1", "torchvision==0.29.1")
)

ULTRALYTICS_LITERT = Environment(
    "ultralytics-litert", (*ULTRALYTICS.requirements, "ai-edge-litert==2.3.0")
)

TRACKERS = Environment(
    "trackers", ("supervision==0.27.0", "trackers==2.1.0", "norfair==2.1.1", "numpy==2.4.6")
)

# Calls a function that numpy 2 no longer has.
MOTMETRICS = Environment("motmetrics", ("motmetrics==1.4.0", "numpy==1.26.4", "pandas==2.3.3"))


class PeerFailedError(Exception):
    """A peer did not do it; the text is its last line."""


def python_of(environment: Environment | None, folder: Path) -> Path:
    """The interpreter, made on first use; None stands for this one.

    Raises:
        PeerFailedError: pip could not install the peer.
    """
    if environment is None:
        return Path(sys.executable)
    home = folder / "venvs" / environment.name
    stamp, wanted = home / "requirements.txt", "\n".join(environment.requirements)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    print(f"making a Python for {environment.name} in {home}", flush=True)
    _run([sys.executable, "-m", "venv", str(home)])
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input")
    _run([str(python), *pip, *environment.requirements])
    stamp.write_text(wanted, "utf-8")
    return python


def run_script(python: Path, script: str, *arguments: str | Path) -> dict[str, Any]:
    """Runs ``peers/<script>.py`` in ``python``.

    Returns:
        What :mod:`benchmarks.peers.measure` printed: seconds, peak_mib, versions.

    Raises:
        PeerFailedError: it failed.
    """
    lines = _run([str(python), str(SCRIPTS / f"{script}.py"), *map(str, arguments)])
    said = [line for line in lines.splitlines() if line.startswith("{")]
    return dict(json.loads(said[-1]))


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise PeerFailedError(f"took more than {TIMEOUT_S} s") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise PeerFailedError(lines[-1] if lines else f"exit code {done.returncode}")
    return done.stdout

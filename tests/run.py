"""Running the real command line and Python in processes of their own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared() -> Path:
    """The folder of real data and models; tests that need it skip where it is missing."""
    folder = Path(os.environ.get("EDGECNN_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set EDGECNN_SHARED)")
    return folder


def python(*arguments: str, cwd: Path | None = None, timeout: float = 240.0, **env: str):
    """Runs this interpreter with the checkout importable."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def edgecnn(*arguments: str | Path, cwd: Path | None = None, timeout: float = 240.0, **env: str):
    """Runs ``edgecnn ARGUMENTS`` in a process of its own."""
    return python(
        "-m", "edgecnn", *(str(item) for item in arguments), cwd=cwd, timeout=timeout, **env
    )


def in_process(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs ``edgecnn ARGUMENTS`` in this process: TensorFlow is imported once for many runs."""
    from edgecnn.cli import main

    out, err = io.StringIO(), io.StringIO()
    words = [str(item) for item in arguments]
    with (
        contextlib.chdir(cwd or ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

"""Runs a program to its end: with a time limit, its output kept, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProgramRun:
    """How a program ended: its exit code (None: it was stopped), and all that it printed."""

    code: int | None
    text: str


def run_to_end(
    command: Sequence[str],
    folder: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> ProgramRun:
    """Runs ``command`` in ``folder``, with no input; judging the exit code is the caller's.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        timeout_s: seconds until it is stopped, with all that it started.
        environment: its variables; None: ours.

    Raises:
        OSError: it cannot be started.
    """
    # Output goes to a file: a pipe would stay open, and be waited for, while a grandchild lives.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.returncode is None:
                _stop(process)
        log.seek(0)
        return ProgramRun(code, log.read().decode("utf-8", "replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)  # the program and what it started
    else:
        process.kill()
    process.wait()

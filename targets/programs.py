"""Runs external programs: always with a time limit, and with errors in one form."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import ToolError


@dataclass(frozen=True)
class Finished:
    """A program that ended: its exit code and everything it printed (stdout, then stderr)."""

    returncode: int
    text: str


def run_program(
    tool: str, command: Sequence[str | Path], *, timeout_s: float, cwd: Path, hint: str
) -> Finished:
    """Runs ``command`` and waits; judging the exit code is the caller's.

    Raises:
        ToolError: it cannot be started or takes longer than ``timeout_s``.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(tool, None, f"no result after {timeout_s:g} s", hint=hint) from error
    except OSError as error:
        raise ToolError(tool, error.errno or 1, str(error.strerror or error), hint=hint) from error
    return Finished(done.returncode, f"{done.stdout}\n{done.stderr}")

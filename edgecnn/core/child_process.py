"""This Python once more, for what may take its process down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence


def run_child(
    arguments: Sequence[str], data: bytes, *, timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs Python with ``arguments`` and ``data`` on its stdin; judging the end is the caller's.

    Packages are found where they are found here, and none in the current folder.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it was stopped after ``timeout_s``.
    """
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        input=data,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )

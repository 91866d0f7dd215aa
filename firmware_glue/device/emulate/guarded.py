"""Emulators as processes that end with this one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import IO


def start_guarded(
    command: Sequence[str], log: IO[bytes], descriptors: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Starts a program that runs until it is stopped, and says what goes wrong in ``log``.

    Where this process is killed outright, the program is too (Linux, with util-linux's setpriv);
    otherwise it would run for ever.

    Raises:
        OSError: it cannot be started.
    """
    guard = shutil.which("setpriv")
    return subprocess.Popen(
        [*((guard, "--pdeathsig", "KILL") if guard else ()), *command],
        pass_fds=tuple(descriptors),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
    )


def stop_guarded(process: subprocess.Popen[bytes]) -> None:
    """Ends the program and waits for it; may be called again."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()

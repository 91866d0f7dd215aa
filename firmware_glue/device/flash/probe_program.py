"""Runs pyOCD or OpenOCD in a folder of its own, and reads what it left there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgecnn.core.errors import TargetError, ToolError
from firmware_glue.device.flash.cures import explain
from firmware_glue.device.flash.host import Host
from firmware_glue.device.process import run_to_end

BASE_S = 120.0
READ_BACK = "flash.bin"
_BYTES_PER_S = 2000
"""Less than the slowest probes do: full-speed HID, one word at a time."""


def run_probe_program(
    tool: str,
    command: Sequence[str],
    host: Host,
    *,
    files: Mapping[str, bytes],
    timeout_s: float,
    failed: Callable[[str], bool],
) -> bytes:
    """Runs ``command`` in a new folder that holds ``files``.

    Args:
        tool: the program's name for messages.
        command: names files without a folder, so that no path has to be quoted.
        host: the system, for the cure.
        files: name → content.
        timeout_s: seconds until the program is stopped.
        failed: whether the output tells of a failure that the exit code does not.

    Returns:
        The content of :data:`READ_BACK`, if the program wrote it; else nothing.

    Raises:
        TargetError: it failed, and the cause is known.
        ToolError: it failed, took too long, or could not be started.
    """
    with tempfile.TemporaryDirectory(prefix="edgecnn-flash-") as name:
        folder = Path(name)
        for file_name, content in files.items():
            (folder / file_name).write_bytes(content)
        try:
            run = run_to_end(command, folder, timeout_s)
        except OSError as error:
            raise ToolError(
                tool, error.errno or 1, str(error), hint=f"install {tool} again"
            ) from error
        if run.code is None:
            raise ToolError(
                tool, None, run.text, hint="unplug the board, plug it in again and repeat"
            )
        if run.code != 0 or failed(run.text):
            raise explain(tool, run.code, run.text, host)
        result = folder / READ_BACK
        return result.read_bytes() if result.exists() else b""


def probe_timeout_s(size: int = 0) -> float:
    """How long connecting, and then writing or reading ``size`` bytes of flash, may take."""
    return BASE_S + size / _BYTES_PER_S


def check_size(tool: str, data: bytes, size: int) -> bytes:
    """``data`` if the probe gave all of it.

    Raises:
        TargetError: less was read.
    """
    if len(data) != size:
        raise TargetError(
            f"{tool} read {len(data)} bytes of flash, expected {size}",
            hint="plug the board in again and repeat",
        )
    return data

"""Which QEMU runs a board's core: the program, its version, and what to install."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from edgecnn.core.errors import TargetError
from firmware_glue.device.board import Board

_PROGRAMS = {"thumb": "qemu-system-arm", "riscv": "qemu-system-riscv32"}
_PACKAGES = {"thumb": "qemu-system-arm", "riscv": "qemu-system-misc"}


def has_qemu(board: Board) -> bool:
    """Whether the QEMU for the board's core is installed."""
    return shutil.which(_PROGRAMS[board.isa]) is not None


def qemu_program(board: Board) -> str:
    """The path of the QEMU for the board's core.

    Raises:
        TargetError: it is not installed.
    """
    name = _PROGRAMS[board.isa]
    found = shutil.which(name)
    if found is None:
        raise TargetError(
            f"emulating '{board.name}' in QEMU needs '{name}', which is not installed",
            hint=f"install it (Debian, Ubuntu: apt install {_PACKAGES[board.isa]};"
            " macOS: brew install qemu; Windows: choco install qemu)",
        )
    return found


@cache
def qemu_version(program: str) -> str:
    """The version that the program gives."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown version"
    words = done.stdout.split()
    return words[words.index("version") + 1][:40] if "version" in words[:-1] else "unknown version"

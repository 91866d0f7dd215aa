"""Flashing through a debug probe with pyOCD, called as a program (Apache-2.0, https://pyocd.io)."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from edgecnn.core.errors import EdgecnnError, MissingExtraError, TargetError
from edgecnn.core.progress import Progress
from firmware_glue.device.board import Board
from firmware_glue.device.flash.base import FILE_NAME, BoardChoice, FlashPlan, flashing_of
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.formats.hex import write_hex
from firmware_glue.device.flash.host import Host
from firmware_glue.device.flash.probe_program import (
    READ_BACK,
    check_size,
    probe_timeout_s,
    run_probe_program,
)

_FILE = f"{FILE_NAME.lower()}.hex"


class PyOcd:
    """``pyocd flash``; reads flash back with ``savemem``, the program left running."""

    name = "pyocd"

    def missing(self, host: Host) -> EdgecnnError | None:
        """pyOCD, from the extra ``flash``."""
        return (
            None if _program(host) else MissingExtraError("flashing with pyOCD", "pyocd", "flash")
        )

    def plan(self, board: Board, image: FlatImage, choice: BoardChoice, host: Host) -> FlashPlan:
        """One HEX file, one command, then flash read back."""
        command = (*_command(host), "flash", *_where(board, choice), _FILE)
        content = write_hex(image)
        steps = (
            f"write {_FILE} ({len(content)} bytes) to a folder of its own",
            f"run {' '.join(command)}",
            f"read {len(image.data)} bytes of flash back and compare them",
        )
        return FlashPlan(board, self.name, command, _FILE, content, image, steps, choice)

    def write(self, plan: FlashPlan, host: Host, progress: Progress) -> None:
        """Runs the command.

        Raises:
            TargetError, ToolError: no pyOCD, no probe, or it failed.
        """
        if missing := self.missing(host):
            raise missing
        files = {plan.file_name: plan.content}
        self._run(plan.command, host, files, probe_timeout_s(plan.bytes))

    def read(self, board: Board, size: int, choice: BoardChoice, host: Host) -> bytes:
        """Flash from its origin on, read while the program runs.

        A locked chip stays as it is: pyOCD would else unlock it by erasing it.

        Raises:
            TargetError, ToolError: no pyOCD, no probe, or it failed.
        """
        if missing := self.missing(host):
            raise missing
        where = (*_where(board, choice), "-M", "attach")
        options = ("-O", "auto_unlock=false", "-O", "resume_on_disconnect=true")
        save = f"savemem 0x{board.memory.flash_origin:08x} {size} {READ_BACK}"
        command = (*_command(host), "commander", *where, *options, "-c", save)
        data = self._run(command, host, {}, probe_timeout_s(size))
        return check_size("pyocd", data, size)

    def reset(self, board: Board, choice: BoardChoice, host: Host) -> None:
        """Starts the program again.

        Raises:
            TargetError, ToolError: no pyOCD, no probe, or it failed.
        """
        if missing := self.missing(host):
            raise missing
        self._run((*_command(host), "reset", *_where(board, choice)), host, {}, probe_timeout_s())

    def _run(
        self, command: tuple[str, ...], host: Host, files: dict[str, bytes], timeout_s: float
    ) -> bytes:
        return run_probe_program(
            "pyocd", command, host, files=files, timeout_s=timeout_s, failed=_failed
        )


def _program(host: Host) -> tuple[str, ...] | None:
    """The program on PATH, or the one that is installed beside us, PATH or not."""
    if found := host.which("pyocd"):
        return (found,)
    if find_spec("pyocd") is not None:
        return (sys.executable, "-m", "pyocd")
    return None


def _command(host: Host) -> tuple[str, ...]:
    program = _program(host)
    return ("pyocd",) if program is None or len(program) == 1 else program


def _where(board: Board, choice: BoardChoice) -> tuple[str, ...]:
    """The part and the probe; ``-W``: do not wait for a probe for ever."""
    target = flashing_of(board).pyocd_target
    if not target:
        raise TargetError(
            f"'{board.name}' has no 'flashing.pyocd_target'",
            hint="add it to the board's TOML (pyocd list --targets)",
        )
    probe = ("--uid", choice.serial_number) if choice.serial_number else ()
    return ("--target", target, "-W", *probe)


def _failed(text: str) -> bool:
    """The exit code is 0 even after leaving out data that pyOCD knows no flash region for."""
    return "Failed to add data chunk" in text

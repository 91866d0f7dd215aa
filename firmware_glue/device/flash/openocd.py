"""Flashing through a debug probe with OpenOCD, called as a program (GPL, https://openocd.org)."""

from __future__ import annotations

from edgecnn.core.errors import EdgecnnError, TargetError
from edgecnn.core.progress import Progress
from firmware_glue.device.board import Board
from firmware_glue.device.flash.base import FILE_NAME, BoardChoice, FlashPlan, flashing_of
from firmware_glue.device.flash.formats.flat import FlatImage
from firmware_glue.device.flash.formats.hex import write_hex
from firmware_glue.device.flash.host import LINUX, MACOS, Host
from firmware_glue.device.flash.probe_program import (
    READ_BACK,
    check_size,
    probe_timeout_s,
    run_probe_program,
)

_FILE = f"{FILE_NAME.lower()}.hex"
_VERIFIED = "** Verified OK **"
_NO_PORTS = ("-c", "gdb_port disabled; tcl_port disabled; telnet_port disabled")
"""Two boards at once, or a debugger that runs elsewhere, must not fight about port numbers."""


class OpenOcd:
    """``program FILE verify reset exit``; reads flash back with ``dump_image``."""

    name = "openocd"

    def missing(self, host: Host) -> EdgecnnError | None:
        """OpenOCD, from the system."""
        if host.which("openocd"):
            return None
        cures = {LINUX: "sudo apt install openocd", MACOS: "brew install openocd"}
        other = "install it from https://openocd.org and put its bin folder on PATH"
        return TargetError(
            "flashing with OpenOCD needs 'openocd', which is not installed",
            hint=cures.get(host.system, other),
        )

    def plan(self, board: Board, image: FlatImage, choice: BoardChoice, host: Host) -> FlashPlan:
        """One HEX file, one command, then flash read back."""
        program = f"program {_FILE} verify reset exit"
        command = (*_start(board, choice), "-c", program)
        content = write_hex(image)
        steps = (
            f"write {_FILE} ({len(content)} bytes) to a folder of its own",
            f"run {' '.join(_quoted(part) for part in command)}",
            f"read {len(image.data)} bytes of flash back and compare them",
        )
        return FlashPlan(board, self.name, command, _FILE, content, image, steps, choice)

    def write(self, plan: FlashPlan, host: Host, progress: Progress) -> None:
        """Runs the command.

        Raises:
            TargetError, ToolError: no OpenOCD, no probe, or it failed.
        """
        files = {plan.file_name: plan.content}
        self._run(plan.command, host, files, probe_timeout_s(plan.bytes), _VERIFIED)

    def read(self, board: Board, size: int, choice: BoardChoice, host: Host) -> bytes:
        """Flash from its origin on, read while the program runs.

        Raises:
            TargetError, ToolError: no OpenOCD, no probe, or it failed.
        """
        dump = f"init; dump_image {READ_BACK} 0x{board.memory.flash_origin:08x} {size}; shutdown"
        command = (*_start(board, choice), "-c", dump)
        data = self._run(command, host, {}, probe_timeout_s(size), "")
        return check_size("openocd", data, size)

    def reset(self, board: Board, choice: BoardChoice, host: Host) -> None:
        """Starts the program again.

        Raises:
            TargetError, ToolError: no OpenOCD, no probe, or it failed.
        """
        command = (*_start(board, choice), "-c", "init; reset run; shutdown")
        self._run(command, host, {}, probe_timeout_s(), "")

    def _run(
        self,
        command: tuple[str, ...],
        host: Host,
        files: dict[str, bytes],
        timeout_s: float,
        wanted: str,
    ) -> bytes:
        if missing := self.missing(host):
            raise missing
        return run_probe_program(
            "openocd",
            command,
            host,
            files=files,
            timeout_s=timeout_s,
            failed=lambda text: wanted not in text,
        )


def _start(board: Board, choice: BoardChoice) -> tuple[str, ...]:
    """The program, its configuration files, and which probe."""
    files = flashing_of(board).openocd
    if not files:
        raise TargetError(
            f"'{board.name}' has no 'flashing.openocd'",
            hint="add OpenOCD's configuration files to the board's TOML, interface first",
        )
    command = ["openocd"]
    for number, file in enumerate(files):
        command += ("-f", file)
        if number == 0 and choice.serial_number:
            command += ("-c", f"adapter serial {choice.serial_number}")
    return (*command, *_NO_PORTS)


def _quoted(part: str) -> str:
    return f'"{part}"' if " " in part else part

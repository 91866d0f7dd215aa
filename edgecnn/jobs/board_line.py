"""A board that answers: emulated, or real and reached over its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import UsageError
from firmware_glue.device.board import BOARDS, Board
from firmware_glue.device.emulate.board import start_board
from firmware_glue.device.emulate.emulated_clock import emulated_clock
from firmware_glue.device.firmware import Firmware
from firmware_glue.device.flash.ports import find_port
from firmware_glue.device.link.client import BoardClient
from firmware_glue.device.link.open import open_line
from firmware_glue.device.link.pty import is_pty
from targets.mcu.on_board import DeviceClock
from targets.table import chosen_target

_THIS_MACHINE = re.compile(r"tcp://(?:127\.|localhost[:/]|\[::1\])")


@dataclass(frozen=True)
class ReachedBoard:
    """A board, and what its clock's microseconds stand for."""

    client: BoardClient
    clock: DeviceClock
    description: str


def named_board(name: str | None, board_file: Path | None) -> Board:
    """The board that a user named or described.

    Raises:
        UsageError: neither, or a target that is no board.
        UnknownNameError, TargetError: no such target; the file is wrong.
    """
    target = chosen_target(name, board_file)
    board = getattr(target, "board", None)
    if not isinstance(board, Board) or board.line is None:
        raise UsageError(
            f"'{target.name}' is no board: it has no line",
            hint=f"choose one of {', '.join(BOARDS)}, or describe yours with --board-file",
        )
    return board


def require_line(device: str | None) -> None:
    """Refuses a device that is no board's line, nor its drive.

    Raises:
        UsageError: ``user@host`` or ``local``.
    """
    if device == "local" or (device is not None and "@" in device and "://" not in device):
        raise UsageError(
            f"-d {device}: a microcontroller board is reached over a serial line",
            hint="give a path (/dev/ttyACM0), COMn or tcp://host:port, or leave -d out",
        )


def device_of(board: Board, device: str | None) -> str:
    """The line to a real board: what the user named, else the port that its USB ids lead to.

    The folder of the board's drive, which ``-d`` may name as well, is no line.

    Raises:
        UsageError: ``user@host`` or ``local``, which are no lines of a board.
        TargetError: no such port, or several.
    """
    require_line(device)
    if device is None or Path(device).is_dir():
        return find_port(board)
    return device


def require_emulation(board: Board) -> None:
    """Refuses a board that no emulator runs.

    Raises:
        UsageError: it is one.
    """
    if board.emulation is None:
        raise UsageError(
            f"no emulator is known to run a whole '{board.name}'",
            hint="edgecnn targets says which boards are emulated; edgecnn bench counts on its core",
        )


def serial_baud(board: Board) -> int:
    """The bits per second of the board's line."""
    return board.line.baud if board.line is not None else 115200


@contextmanager
def real_board(board: Board, device: str | None) -> Iterator[ReachedBoard]:
    """A real board whose line is open.

    Raises:
        TargetError: the port is not there, may not be opened, or is in use.
        MissingExtraError: pyserial is not installed.
    """
    where = device_of(board, device)
    line = open_line(where, serial_baud(board))
    try:
        yield ReachedBoard(BoardClient(line), _clock_behind(where, board), where)
    finally:
        line.close()


def _clock_behind(where: str, board: Board) -> DeviceClock:
    """What the times of a board behind ``where`` are: an emulator's are never a latency.

    A pseudo-terminal and a port of this machine are what ``edgecnn emulate`` gives out; boards
    that nothing flashes are there in emulators alone.
    """
    counted = emulated_clock(board)
    local = is_pty(where) or _THIS_MACHINE.match(where) is not None
    if counted is None or not (local or board.flashing is None):
        return DeviceClock("ms", 1e-3, where)
    return DeviceClock(counted.unit, counted.per_us, f"emulator:{board.name}")


@contextmanager
def emulated_board(firmware: Firmware) -> Iterator[ReachedBoard]:
    """An emulator that has booted the image.

    Raises:
        TargetError: the board has no emulator, or that is not installed.
        ToolError: the emulator ended.
    """
    with start_board(firmware.board, firmware.image) as machine:
        clock = DeviceClock(machine.unit, machine.per_us, f"emulator:{firmware.board.name}")
        line = machine.line()
        try:
            yield ReachedBoard(BoardClient(line), clock, machine.description)
        finally:
            line.close()

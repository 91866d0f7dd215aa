"""Boards emulated as a whole: the very image that would be flashed, behind a line."""

from __future__ import annotations

from typing import Protocol

from edgecnn.core.errors import TargetError
from firmware_glue.device.board import Board
from firmware_glue.device.link.base import Line


class EmulatedBoard(Protocol):
    """A board that runs in an emulator; a context that ends it.

    Attributes:
        description: the emulator, its version and the machine, for the conditions of a benchmark.
        unit: what its clock counts: ``instructions`` or ``cycles``, never time.
        per_us: how many of the unit a microsecond of the board's own clock stands for.
    """

    description: str
    unit: str
    per_us: float

    def __enter__(self) -> EmulatedBoard:
        """The board itself."""

    def __exit__(self, *_exception: object) -> None:
        """Ends the emulator."""

    def line(self) -> Line:
        """A connection to the board's line. There is one at a time: close it before the next.

        Raises:
            ToolError: the emulator has ended.
        """

    def reset(self) -> None:
        """Resets the board as its pin would.

        Raises:
            ToolError: the emulator has ended.
        """

    def executed(self) -> int:
        """How much has been executed since the start, in :attr:`unit`.

        Raises:
            ToolError: the emulator has ended.
        """

    def close(self) -> None:
        """Ends the emulator; may be called again."""


def start_board(board: Board, image: bytes) -> EmulatedBoard:
    """Starts ``board`` with an ELF image in its memory.

    Raises:
        TargetError: no emulator is known for the board, it is not installed, or the image is
            damaged.
        ToolError: the emulator does not start.
    """
    by = board.emulation.by if board.emulation is not None else ""
    if by == "qemu":
        from firmware_glue.device.emulate.board_qemu import start_qemu_board

        return start_qemu_board(board, image)
    if by == "rp2040js":
        from firmware_glue.device.emulate.board_rp2040js import start_rp2040js_board

        return start_rp2040js_board(board, image)
    raise TargetError(
        f"no emulator is known to run a whole '{board.name}'",
        hint="edgecnn targets says which boards are emulated",
    )

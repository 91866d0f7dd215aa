"""``edgecnn logs`` and ``edgecnn reset``: what a board says, and starting it anew."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.core.errors import TargetError
from edgecnn.jobs.board_line import device_of, real_board, serial_baud
from firmware_glue.device.board import Board
from firmware_glue.device.flash.plan import reset_by_probe
from firmware_glue.device.link.open import open_line

_WAIT_S = 0.5
_LONGEST = 4096


def text_lines(board: Board, device: str | None) -> Iterator[str]:
    """What the board says, line by line, for ever; bytes that are no text are shown in hex.

    Raises:
        TargetError: the port is not there, may not be opened, or went away.
    """
    line = open_line(device_of(board, device), serial_baud(board))
    held = b""
    try:
        while True:
            held += line.read(_WAIT_S)
            *whole, held = held.split(b"\n")
            if len(held) > _LONGEST:
                whole, held = [*whole, held], b""
            yield from (_shown(part) for part in whole)
    finally:
        line.close()


def _shown(data: bytes) -> str:
    text = data.rstrip(b"\r").decode("ascii", "backslashreplace")
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def reset_board(board: Board, device: str | None) -> str:
    """Starts the board's program anew, over its line, or through its probe if it is silent.

    A line that the user named may lead elsewhere than to the board at the probe: it is asked alone.

    Returns:
        The line's name, or the program that drove the probe.

    Raises:
        TargetError: the board does not answer, and no probe reaches it.
    """
    try:
        with real_board(board, device) as reached:
            reached.client.reset()
            return reached.description
    except TargetError as silent:
        if board.flashing is None or device is not None:
            raise
        try:
            return reset_by_probe(board)
        except TargetError as error:
            raise TargetError(silent.message, hint=silent.hint, details=(error.message,)) from error

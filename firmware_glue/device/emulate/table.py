"""Which emulator runs which kind of board; each is imported on use."""

from __future__ import annotations

from edgecnn.core.errors import UnknownNameError
from firmware_glue.device.board import EMULATORS, Board
from firmware_glue.device.emulate.base import Emulator


def find_emulator(board: Board) -> Emulator:
    """The emulator that ``board`` asks for.

    Raises:
        MissingExtraError: it is not installed.
        UnknownNameError: there is no such emulator.
    """
    if board.emulator.kind == "unicorn-arm":
        from firmware_glue.device.emulate.unicorn_arm import find_unicorn

        return find_unicorn()
    raise UnknownNameError("emulator", board.emulator.kind, EMULATORS)

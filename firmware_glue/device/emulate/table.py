"""Which emulator runs which board; each is imported on use."""

from __future__ import annotations

from importlib.util import find_spec

from edgecnn.core.errors import UnknownNameError
from firmware_glue.device.board import Board
from firmware_glue.device.emulate.base import Emulator

EMULATORS = ("auto", "unicorn", "qemu")


def find_emulator(board: Board, name: str = "auto") -> Emulator:
    """The emulator of that name; ``auto``: unicorn where it has the core, else QEMU.

    Raises:
        MissingExtraError, TargetError: it is not installed, or cannot run the board's core.
        UnknownNameError: there is no such emulator.
    """
    if name not in EMULATORS:
        raise UnknownNameError("emulator", name, EMULATORS)
    if name == "qemu" or (name == "auto" and not _unicorn_serves(board)):
        from firmware_glue.device.emulate.qemu_machine import find_qemu

        return find_qemu(board)
    from firmware_glue.device.emulate.unicorn_machine import find_unicorn

    return find_unicorn(board)


def _unicorn_serves(board: Board) -> bool:
    """Unicorn has the core, and it is installed or QEMU would not serve either."""
    from firmware_glue.device.emulate.qemu_machine import qemu_serves

    if not board.emulator.unicorn:
        return False
    return find_spec("unicorn") is not None or not qemu_serves(board)

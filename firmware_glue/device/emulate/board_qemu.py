"""Whole boards in QEMU: its virtual clock is the number of executed instructions."""

from __future__ import annotations

import struct

from edgecnn.core.errors import TargetError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.board_process import BoardProcess, ProcessBoard
from firmware_glue.device.emulate.emulated_clock import QEMU_PER_US
from firmware_glue.device.emulate.qemu_program import qemu_program, qemu_version
from firmware_glue.device.emulate.qmp import Qmp
from firmware_glue.device.flash.formats.flat import FlatImage, flatten

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_SEGMENT = struct.Struct("<8I")
_LOAD, _ALL_ACCESS = 1, 7


class QemuBoard(ProcessBoard):
    """See :class:`firmware_glue.device.emulate.board.EmulatedBoard`.

    The core sleeps when the program waits, and so does QEMU; the machine's time then is the
    host's. A reset by the program, by its watchdog or by :meth:`reset` boots the image again.
    """

    unit = "instructions"
    per_us = QEMU_PER_US

    def __init__(self, board: Board, image: bytes, *, tcp: bool = False) -> None:
        emulation = board.emulation
        if emulation is None:
            raise TargetError(
                f"nothing says which of QEMU's machines is '{board.name}'",
                hint="add [emulation] to the board's TOML",
            )
        program = qemu_program(board)
        memory = board.memory
        flat = flatten(read_elf(image), memory.flash_origin, memory.flash_bytes)
        self.description = f"QEMU {qemu_version(program)} ({emulation.machine})"
        self._process = BoardProcess("qemu", board.name, tcp=tcp)
        file = self._process.folder / "image.elf"
        file.write_bytes(_as_flashed(image, flat))
        line, control = self._process.line_door, self._process.control_door
        command = (
            program, "-M", emulation.machine, *emulation.arguments, "-kernel", str(file),
            "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none",
            "-nic", "none", "-icount", "shift=0",
            # It waits for the first client, so that no byte of the greeting is lost.
            "-chardev", f"socket,id=line,server=on,wait=on,{line.qemu}", "-serial", "chardev:line",
            "-chardev", f"socket,id=qmp,server=on,wait=off,{control.qemu}",
            "-mon", "chardev=qmp,mode=control",
        )  # fmt: skip
        link = self._process.start(command)
        self._qmp = self._process.asked(lambda deadline: Qmp(link, deadline))

    def reset(self) -> None:
        """See :class:`EmulatedBoard`."""
        self._process.asked(lambda deadline: self._qmp.ask("system_reset", deadline))

    def executed(self) -> int:
        """See :class:`EmulatedBoard`."""
        return self._process.asked(self._stopped_count)

    def _stopped_count(self, deadline: float) -> int:
        """A running machine's count lacks what it has executed since QEMU looked last."""
        self._qmp.ask("stop", deadline)
        count = self._qmp.instructions(deadline)
        self._qmp.ask("cont", deadline)
        return count


def _as_flashed(image: bytes, flat: FlatImage) -> bytes:
    """The image as one segment: gaps hold what flash would hold, and not what QEMU's memory does.

    The header keeps the core and the entry (ELF specification 1.2, figures 1-3 and 2-1).
    """
    fields = list(_HEADER.unpack_from(image))
    fields[5:] = [_HEADER.size, 0, fields[7], _HEADER.size, _SEGMENT.size, 1, 0, 0, 0]
    offset = _HEADER.size + _SEGMENT.size
    size = len(flat.data)
    segment = _SEGMENT.pack(_LOAD, offset, flat.origin, flat.origin, size, size, _ALL_ACCESS, 4)
    return _HEADER.pack(*fields) + segment + flat.data


def start_qemu_board(board: Board, image: bytes) -> QemuBoard:
    """QEMU with ``image`` as the board's flash.

    Raises:
        TargetError: QEMU is not installed, or the image is damaged.
        ToolError: QEMU does not start.
    """
    return QemuBoard(board, image)

"""A Raspberry Pi Pico in rp2040js, an emulator for Node.js that counts the core's cycles."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from typing import Any

from edgecnn.core.errors import TargetError
from firmware_glue.device.board import Board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.board_process import BoardProcess, ProcessBoard
from firmware_glue.device.emulate.emulated_clock import cycles_per_us
from firmware_glue.device.emulate.gdb import LinkError
from firmware_glue.device.emulate.node_packages import find_rp2040js
from firmware_glue.device.flash.formats.flat import flatten

_RUNNER = "rp2040js_runner.cjs"


class Rp2040jsBoard(ProcessBoard):
    """See :class:`firmware_glue.device.emulate.board.EmulatedBoard`.

    It boots as the chip does: the boot ROM's checksum of the first 256 bytes, the second-stage boot
    loader, the program. While the core sleeps, its time is the host's.

    Args:
        board: one with an RP2040.
        image: the ELF file.
        pace_baud: bytes for the UART come at that rate of the board's own time, whether it takes
            them or not, as they do from a real sender; 0: as fast as it takes them.
        tcp: connections over TCP even where there is something better.
    """

    unit = "cycles"

    def __init__(
        self, board: Board, image: bytes, *, pace_baud: int = 0, tcp: bool = False
    ) -> None:
        line, memory = board.line, board.memory
        if line is None or (line.kind == "uart" and line.peripheral != "UART0"):
            raise TargetError(
                f"rp2040js reaches '{board.name}' over USB or UART0 only",
                hint="correct [line] in the board's TOML",
            )
        package = find_rp2040js()
        flat = flatten(read_elf(image), memory.flash_origin, memory.flash_bytes)
        self.description = f"rp2040js {package.version}"
        self.per_us = cycles_per_us(board)
        self._process = BoardProcess("rp2040js", board.name, tcp=tcp)
        file = self._process.folder / "flash.bin"
        file.write_bytes(flat.data)
        options = {
            "module": str(package.folder),
            "image": str(file),
            "line": self._process.line_door.node,
            "control": self._process.control_door.node,
            "port": line.kind,
            "paceBaud": pace_baud,
        }
        with as_file(files(__package__) / _RUNNER) as runner:
            self._control = self._process.start((package.node, str(runner), json.dumps(options)))

    def reset(self) -> None:
        """See :class:`EmulatedBoard`."""
        self._ask("reset")

    def executed(self) -> int:
        """See :class:`EmulatedBoard`."""
        return self._count("cycles")

    def overruns(self) -> int:
        """How many bytes came to a full UART, and were lost: only where bytes are paced."""
        return self._count("overruns")

    def _count(self, what: str) -> int:
        count = self._ask("count").get(what)
        if not isinstance(count, int):
            raise self._process.failure(LinkError(f"the runner gave {count!r} as {what}"))
        return count

    def _ask(self, command: str) -> dict[str, Any]:
        def ask(deadline: float) -> dict[str, Any]:
            self._control.send(command.encode() + b"\n")
            line = self._control.until(b"\n", 0, deadline)
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            if not isinstance(answer, dict) or "error" in answer:
                raise LinkError(f"the runner said {line[:80]!r}")
            return answer

        return self._process.asked(ask)


def start_rp2040js_board(board: Board, image: bytes) -> Rp2040jsBoard:
    """rp2040js with ``image`` as the board's flash.

    Raises:
        TargetError: Node.js or rp2040js is not installed, or the image does not fit.
        ToolError: it does not start.
    """
    return Rp2040jsBoard(board, image)

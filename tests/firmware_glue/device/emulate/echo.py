"""Builds the program of echo.c for a board."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from firmware_glue.device.board import Board
from firmware_glue.device.families import CHIP_HEADERS, FAMILIES, chip_files, config_header
from firmware_glue.device.flash.boot2 import finish_boot2
from firmware_glue.device.link.base import Line
from firmware_glue.device.toolchain import Toolchain, start_up_sources

APP = "edgecnn_app"
CAUSES = ("unknown", "power", "pin", "software", "watchdog")
_CHIPS = files("firmware_glue.device") / "app" / "chips"


def echo_sources(board: Board) -> dict[str, str]:
    """Files of the echo program by path: main, start-up, the chip's drivers."""
    drivers = {name: (_CHIPS / name).read_text() for name in (*CHIP_HEADERS, *chip_files(board))}
    own = {"main.c": (Path(__file__).parent / "echo.c").read_text()}
    own["board_config.h"] = config_header(board)
    app = {f"{APP}/{name}": text for name, text in (drivers | own).items()}
    return {**start_up_sources(board), **app}


def build_echo(board: Board, toolchain: Toolchain) -> bytes:
    """The ELF image of the echo program."""
    image = toolchain.build(
        board,
        echo_sources(board),
        flags=["-DEDGECNN_FIRMWARE", f"-I{APP}", "-Wall", "-Wextra", "-Wconversion", "-Werror"],
    )
    return finish_boot2(image) if FAMILIES[board.family].checksummed_boot else image


def with_line(board: Board, **changes: object) -> Board:
    """The board with another line."""
    assert board.line is not None
    return replace(board, line=replace(board.line, **changes))


def cpu_s(process: int) -> float:
    """Seconds of the processor that a process has taken; 0 where the system does not say."""
    path = Path(f"/proc/{process}/stat")
    if not path.exists():
        return 0.0
    words = path.read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Talk:
    """A conversation with the program over a line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._received = b""

    def say(self, data: bytes) -> None:
        """Sends."""
        self.line.write(data)

    def hear(self, size: int, limit_s: float = 60.0) -> bytes:
        """That many bytes; fewer when they do not come."""
        deadline = time.monotonic() + limit_s
        while len(self._received) < size and time.monotonic() < deadline:
            self._received += self.line.read(0.5)
        found, self._received = self._received[:size], self._received[size:]
        return found

    def greeting(self) -> str:
        """The cause of the reset that the program tells of when it starts."""
        said = self.hear(2)
        assert said[:1] == b"G", said
        return CAUSES[int(said[1:])]

    def cause(self, limit_s: float = 60.0) -> str:
        """The same, asked for until it comes: what is sent before a USB host listens is lost."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            self.say(b"g")
            said = self.hear(2, 0.5)
            if said:
                while self.hear(1, 0.5):  # answers to what was asked more than once
                    pass
                return CAUSES[int(said[1:])]
        raise AssertionError("no answer")

    def echo(self, data: bytes) -> bytes:
        """What comes back of ``data``."""
        self.say(b"e" + struct.pack("<H", len(data)) + data)
        return self.hear(len(data))

    def compute(self, millions: int) -> None:
        """Has the program run a loop of two instructions that often."""
        self.say(b"c" + bytes([millions]))
        assert self.hear(1) == b"c"

    def clock(self) -> int:
        """The program's clock, microseconds."""
        self.say(b"t")
        return self._word()

    def lost(self) -> int:
        """How many bytes the program's ring had no room for."""
        self.say(b"l")
        return self._word()

    def _word(self) -> int:
        return int(struct.unpack("<I", self.hear(4))[0])

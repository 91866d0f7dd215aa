"""What emulated boards have in common: a process, its log, a line and a second connection."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self, TypeVar

from edgecnn.core.errors import ToolError
from firmware_glue.device.emulate.doorway import Doorway
from firmware_glue.device.emulate.gdb import Link, LinkError
from firmware_glue.device.emulate.guarded import start_guarded, stop_guarded
from firmware_glue.device.link.tcp import TcpLine

_START_S = 60.0
_ANSWER_S = 60.0
_HINT = "is [emulation] in the board's TOML right? if so, please report this with the lines above"
_Answer = TypeVar("_Answer")


class BoardProcess:
    """An emulator with an image: a line for the board's bytes, and a connection to command it.

    Args:
        tool: what messages call it.
        name: the board's.
        tcp: connections over TCP even where there is something better.
    """

    def __init__(self, tool: str, name: str, *, tcp: bool = False) -> None:
        self._tool = tool
        self._name = name
        self.folder = Path(tempfile.mkdtemp(prefix="edgecnn-board-"))
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as the process does)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Link | None = None
        self._first: TcpLine | None = None
        # A board that nobody closes must not leave a process or a folder behind.
        self._folder_end = weakref.finalize(self, shutil.rmtree, self.folder, True)
        self._process_end: Callable[[], object] = self._folder_end
        self._doors = tuple(Doorway(self.folder, door, tcp=tcp) for door in ("line", "control"))

    @property
    def line_door(self) -> Doorway:
        """Where the program has to listen for the board's line."""
        return self._doors[0]

    @property
    def control_door(self) -> Doorway:
        """Where the program has to listen for commands."""
        return self._doors[1]

    @property
    def pid(self) -> int:
        """The program's number; 0: it was not started."""
        return self._process.pid if self._process is not None else 0

    def start(self, command: Sequence[str]) -> Link:
        """Starts the program, and connects both; the board runs from the line's connection on.

        Raises:
            ToolError: it does not start, or ends at once.
        """
        try:
            self._process = start_guarded(command, self.log)
        except OSError as error:
            self.close()
            raise ToolError(self._tool, error.errno or 1, str(error), hint=_HINT) from error
        self._process_end = weakref.finalize(self, stop_guarded, self._process)
        try:
            self._first = self._connect_line()
            self._control = Link(self._connect(self.control_door))
        except BaseException:
            self.close()
            raise
        return self._control

    def line(self) -> TcpLine:
        """See :class:`EmulatedBoard`. The first one was there before the board's first byte."""
        line, self._first = self._first, None
        return line if line is not None else self._connect_line()

    def _connect_line(self) -> TcpLine:
        return TcpLine(self._connect(self.line_door), f"the emulated {self._name}'s line")

    def _connect(self, door: Doorway) -> socket.socket:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return door.connect(min(deadline, time.monotonic() + 0.5))
            except OSError as error:  # TimeoutError is one
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise self.failure(error) from error

    def asked(self, ask: Callable[[float], _Answer]) -> _Answer:
        """What ``ask`` returns, given the deadline for an answer.

        Raises:
            ToolError: the emulator has ended, or does not answer.
        """
        try:
            return ask(time.monotonic() + _ANSWER_S)
        except (LinkError, TimeoutError) as error:
            raise self.failure(error) from error

    def failure(self, cause: BaseException) -> ToolError:
        """Ends the program; the error says what it printed last."""
        ended = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):  # it ends a moment after its connections
                self._process.wait(2.0)
            ended = self._process.poll()
        text = ""
        if not self.log.closed:
            self.log.seek(0)
            text = self.log.read().decode("utf-8", "replace")
        self.close()
        code = None if isinstance(cause, TimeoutError) and ended is None else (ended or 1)
        return ToolError(self._tool, code, f"{text}\n{cause}", hint=_HINT)

    def close(self) -> None:
        """Ends the program and removes what it left; may be called again."""
        for connection in (self._first, self._control):
            if connection is not None:
                connection.close()
        self._process_end()
        self._folder_end()
        self.log.close()


class ProcessBoard:
    """What emulated boards of every kind do with their process, which ``_process`` is."""

    _process: BoardProcess

    def __enter__(self) -> Self:
        """The board itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Ends the emulator."""
        self.close()

    @property
    def pid(self) -> int:
        """The number of the emulator's process."""
        return self._process.pid

    def line(self) -> TcpLine:
        """See :class:`firmware_glue.device.emulate.board.EmulatedBoard`."""
        return self._process.line()

    def close(self) -> None:
        """Ends the emulator; may be called again."""
        self._process.close()

"""Pseudo-terminals: a line to one by its path, and both ends of a new one. Not on Windows."""

from __future__ import annotations

import os
import select
import sys
import time
from typing import Any

from edgecnn.core.errors import TargetError

HAS_PTY = sys.platform != "win32"
_CHUNK = 1 << 16
_WRITE_S = 10.0


def is_pty(path: str) -> bool:
    """Whether a path names a pseudo-terminal, by the names of Linux and macOS."""
    return path.startswith(("/dev/pts/", "/dev/ttys"))


class FileLine:
    """A line over an open terminal's file descriptor, which is closed with it.

    Args:
        file: the descriptor.
        description: what messages call it.
    """

    def __init__(self, file: int, description: str) -> None:
        self.description = description
        self._file: int | None = file
        os.set_blocking(file, False)

    def read(self, timeout_s: float) -> bytes:
        """See :class:`Line`."""
        file = self._open_file()
        try:
            if not select.select([file], [], [], timeout_s)[0]:
                return b""
            data = os.read(file, _CHUNK)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise self._gone(str(error)) from error
        if not data:
            raise self._gone("the other side closed it")
        return data

    def write(self, data: bytes) -> None:
        """See :class:`Line`."""
        left = self.write_for(data, _WRITE_S)
        if left:
            raise self._gone(f"it takes no bytes ({left} are left)")

    def write_for(self, data: bytes, seconds: float) -> int:
        """Writes as long as bytes are taken; returns how many are left.

        Args:
            data: what to send.
            seconds: how long to wait for room, each time there is none.

        Raises:
            TargetError: the line is gone.
        """
        file, rest = self._open_file(), memoryview(data)
        deadline = time.monotonic() + seconds
        while rest:
            try:
                rest = rest[os.write(file, rest) :]
                deadline = time.monotonic() + seconds
            except BlockingIOError:
                wait_s = deadline - time.monotonic()
                if wait_s <= 0:
                    break
                select.select([], [file], [], wait_s)
            except OSError as error:
                raise self._gone(str(error)) from error
        return len(rest)

    def close(self) -> None:
        """See :class:`Line`."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open_file(self) -> int:
        if self._file is None:
            raise self._gone("it was closed here")
        return self._file

    def _gone(self, why: str) -> TargetError:
        return TargetError(
            f"the line {self.description} is gone: {why}",
            hint="is the program at the other end (edgecnn emulate) still running?",
        )


def open_pty(path: str) -> FileLine:
    """Opens a pseudo-terminal by its path, raw: no echo, no translation of bytes.

    Raises:
        TargetError: it cannot be opened, or this system has none.
    """
    _need_pty()
    import tty

    try:
        file = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:
        raise TargetError(
            f"the line {path} cannot be opened: {error}",
            hint="start the other end first (edgecnn emulate prints the path)",
        ) from error
    if not os.isatty(file):
        os.close(file)
        raise TargetError(f"{path} is no terminal", hint="give the path that was printed")
    tty.setraw(file)
    return FileLine(file, path)


class PtyPair:
    """A new pseudo-terminal. Clients open :attr:`path`; we hold the other end.

    The clients' end is held open here as well, so that the line outlives a client that goes.

    Raises:
        TargetError: this system has none.
    """

    def __init__(self) -> None:
        _need_pty()
        import tty

        ends: Any = os.openpty()
        master, self._slave = ends
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.line = FileLine(master, self.path)

    def close(self) -> None:
        """Ends both."""
        self.line.close()
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1


def _need_pty() -> None:
    if not HAS_PTY:
        raise TargetError(
            "Windows has no pseudo-terminals", hint="use TCP: a device is then tcp://host:port"
        )

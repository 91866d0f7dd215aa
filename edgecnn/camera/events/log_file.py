"""A file that lines are appended to, for weeks: rotated away, filled up, torn by a crash."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from edgecnn.core.errors import UsageError


class LogFile:
    """Lines appended to a file, each by one write, so that a reader never sees half of one.

    A line is in the system's hands as soon as :meth:`append` returns: it survives the end of this
    process, however that comes. It is not forced onto the disk (a power failure may cost what the
    system had not written yet, some seconds as a rule); that is done when the file is closed.

    A file that was renamed or deleted (logrotate) is begun anew at the next line. A line that a
    crash left without its end is ended before the next one.

    Args:
        path: the file; its folder is made.

    Raises:
        UsageError: it cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._torn = False
        try:
            self._open()
        except OSError as error:
            raise UsageError(
                f"cannot write to the event log '{path}': {error.strerror or error}",
                hint="give --events the path of a file in a folder that you may write to",
            ) from error
        mode = os.fstat(self._descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
            self._release()
            raise UsageError(
                f"the event log '{path}' is no file",
                hint="--events - writes to standard output",
            )
        self.found_torn = self._torn

    def append(self, line: str) -> None:
        """Writes one line, which ends with a newline, or nothing.

        Raises:
            OSError: it could not be written; the next one may be.
        """
        if self._descriptor < 0 or self._moved():
            self._release()
            self._open()
        data = (b"\n" if self._torn else b"") + line.encode("utf-8")
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            self._take_back(written)
            raise
        self._torn = False

    def close(self) -> None:
        """Forces what was written onto the disk, as far as the file can; may be called twice."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # a terminal has no disk; a full one was said
                os.fsync(self._descriptor)
            self._release()

    def _open(self) -> None:
        """Opens the file for appending and looks whether its last line is whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"):  # a pipe must not hold us up
            flags |= getattr(os, name, 0)
        self._descriptor = os.open(self._path, flags, 0o666)
        found = os.fstat(self._descriptor)
        self._torn = False
        if stat.S_ISREG(found.st_mode) and found.st_size:
            os.lseek(self._descriptor, -1, os.SEEK_END)
            self._torn = os.read(self._descriptor, 1) != b"\n"

    def _moved(self) -> bool:
        """Whether the path names another file by now, or none."""
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return True
        ours = os.fstat(self._descriptor)
        return (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino)

    def _take_back(self, written: int) -> None:
        """Removes the part of a line that still found space."""
        if not written:
            return
        try:
            size = os.fstat(self._descriptor).st_size
            os.ftruncate(self._descriptor, size - written)
        except OSError:
            self._torn = True

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

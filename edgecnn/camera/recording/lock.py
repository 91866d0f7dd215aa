"""One process at a time records into a folder."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from edgecnn.core.errors import UsageError

_NAME = ".edgecnn-recording.lock"
# What the system says when another process holds the lock.
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class FolderLock:
    """Held until :meth:`release`, or until the process ends, however it does.

    Without it a second process would take the file that the first is writing for what a crash left
    behind. A lock file that a crash leaves is not locked, so it is in nobody's way. Where a file
    system has no locks, there is none.

    Args:
        folder: exists.

    Raises:
        UsageError: another process records into the folder.
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _NAME
        self._descriptor: int | None = None
        self.hold()

    def hold(self) -> None:
        """Takes the lock again if its file is gone: the folder was removed and came back.

        Raises:
            UsageError, OSError: as the class says.
        """
        while not self._ours():
            self._close()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _lock(descriptor)
            except OSError as error:
                if error.errno in _HELD:
                    os.close(descriptor)
                    raise UsageError(
                        f"another process records into '{self._folder}'",
                        hint="give each its own folder, or end the other one",
                    ) from error
            # The holder before may have removed the file between the two calls: then once more.
            self._descriptor = descriptor

    def release(self) -> None:
        """Gives it back, and removes its file. May be repeated."""
        if self._descriptor is None:
            return
        if sys.platform != "win32":  # there an open file cannot be removed
            with suppress(OSError):  # the disk may be gone
                if self._ours():
                    self._path.unlink()
            self._close()
        else:
            self._close()
            with suppress(OSError):
                self._path.unlink()

    def _ours(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

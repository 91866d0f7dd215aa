"""The disk is asked to keep what was written, about once a second, by a thread of its own."""

from __future__ import annotations

import errno
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

_EVERY_S = 1.0
# What file systems say that have no such call.
_NOT_KNOWN = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class BackgroundSync:
    """``fsync`` beside the writing: on a memory card it takes up to a second.

    Args:
        every_s: seconds between two of them, at least.
    """

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._last_s = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "edgecnn-sync")
        self._running: Future[None] | None = None

    def ask(self, descriptor: int) -> None:
        """Starts one if it is time and none is under way.

        Raises:
            OSError: the one before failed: the disk has not kept what was written.
        """
        now = time.monotonic()
        if now - self._last_s < self._every_s:
            return
        if self._running is not None:
            if not self._running.done():
                return
            running, self._running = self._running, None
            running.result()
        self._last_s = now
        # The file may be closed meanwhile, and its number be another file's.
        self._running = self._thread.submit(_sync, os.dup(descriptor))

    def settle(self) -> None:
        """Waits for one that is under way: some systems rename no file that is open.

        Its failure is that of a file which is closed: the closing has told it.
        """
        running, self._running = self._running, None
        with suppress(OSError):
            if running is not None:
                running.result()

    def close(self) -> None:
        """Waits for one that is under way, and ends the thread."""
        self.settle()
        self._thread.shutdown(wait=True)


def sync_now(descriptor: int) -> None:
    """Returns when the disk has kept what was written; at once where it cannot be asked to.

    Raises:
        OSError: it has not kept it.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_KNOWN:
            raise


def _sync(descriptor: int) -> None:
    try:
        sync_now(descriptor)
    finally:
        os.close(descriptor)

"""The board of this process behind a line in real time, for threads."""

from __future__ import annotations

import threading
import time

from edgecnn.core.errors import TargetError
from tests.firmware_glue.device.protocol.host_board import HostBoard

_PIECE_S = 0.02


class LiveLine:
    """A line to a :class:`HostBoard`; the board runs while somebody reads.

    Attributes:
        longest_wait_s: the longest that a reader asked to wait.
    """

    description = "live"

    def __init__(self, board: HostBoard) -> None:
        self._board, self._closed = board, False
        self._lock, self._written = threading.Lock(), threading.Event()
        self.longest_wait_s = 0.0

    def read(self, timeout_s: float) -> bytes:
        self.longest_wait_s = max(self.longest_wait_s, timeout_s)
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if self._closed:
                    raise TargetError("the board is gone", hint="start it again")
                self._board.run(20_000)
                if data := self._board.take():
                    return data
            left = deadline - time.monotonic()
            if left <= 0:
                return b""
            self._written.wait(min(left, _PIECE_S))
            self._written.clear()

    def write(self, data: bytes) -> None:
        with self._lock:
            self._board.feed(data)
        self._written.set()

    def close(self) -> None:
        self._closed = True

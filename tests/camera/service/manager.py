"""A stand-in of the service manager: its datagram socket."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path


class FakeManager:
    """Collects messages.

    Attributes:
        address: for ``NOTIFY_SOCKET``.
        said: lines that came up to now.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hear(self, wait_s: float = 0.0) -> list[str]:
        """Takes what is there; waits so long for a first message."""
        new: list[str] = []
        self._socket.settimeout(wait_s)
        with contextlib.suppress(BlockingIOError, TimeoutError):
            while True:
                new += self._socket.recv(1 << 16).decode().split("\n")
                self._socket.setblocking(False)
        self.said += new
        return new

    def until(self, line: str, wait_s: float = 60.0) -> None:
        """Waits for a line that begins so; fails if none comes."""
        end_s = time.monotonic() + wait_s
        while not any(said.startswith(line) for said in self.said):
            left_s = end_s - time.monotonic()
            assert left_s > 0, f"no {line} among {self.said}"
            self.hear(min(left_s, 1.0))

    def falls_silent(self, seconds: float) -> bool:
        """Whether there comes a time of so many seconds without a sign of life."""
        for _ in range(40):
            end_s, count = time.monotonic() + seconds, 0
            while count == 0 and (left_s := end_s - time.monotonic()) > 0:
                count += self.hear(left_s).count("WATCHDOG=1")
            if count == 0:
                return True
        return False

    def goes_on(self) -> None:
        """Fails unless there are signs of life."""
        for _ in range(3):
            self.said.clear()
            self.until("WATCHDOG=1")

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def managing(address: Path | str) -> Iterator[FakeManager]:
    manager = FakeManager(str(address))
    try:
        yield manager
    finally:
        manager.close()

"""Where a local program listens for us: opened before it starts, so that nothing races.

On POSIX a socket in a folder of our own, which no other user reaches; elsewhere TCP on a free port.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

_LOCAL = "127.0.0.1"
_PAUSE_S = 0.02


class Doorway:
    """An address that a program is told to listen at.

    Args:
        folder: for the socket; ours alone.
        name: of the socket.
        tcp: TCP even where there is something better.
    """

    def __init__(self, folder: Path, name: str, *, tcp: bool = False) -> None:
        self.path = None if tcp or os.name != "posix" else str(folder / name)
        self.port = 0
        if self.path is None:
            with socket.create_server((_LOCAL, 0)) as free:
                self.port = free.getsockname()[1]

    @property
    def qemu(self) -> str:
        """The address as QEMU's ``-chardev`` wants it."""
        if self.path is not None:
            return f"path={self.path}"
        return f"host={_LOCAL},port={self.port},nodelay=on"

    @property
    def node(self) -> str:
        """The address as an argument: a path, or a port."""
        return self.path or str(self.port)

    def connect(self, deadline: float) -> socket.socket:
        """A connection, as soon as the program listens.

        Raises:
            TimeoutError: it did not before the deadline (of ``time.monotonic``).
            OSError: this system cannot.
        """
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing listens")
            try:
                return self._try(left)
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(_PAUSE_S)

    def _try(self, timeout_s: float) -> socket.socket:
        if self.path is None:
            connection = socket.create_connection((_LOCAL, self.port), timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout_s)
            connection.connect(self.path)
        except BaseException:
            connection.close()
            raise
        return connection

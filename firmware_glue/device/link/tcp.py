"""A line over TCP: ``tcp://host:port``."""

from __future__ import annotations

import select
import socket

from edgecnn.core.errors import TargetError

_CONNECT_S = 5.0
_WRITE_S = 10.0
_CHUNK = 1 << 16


class TcpLine:
    """A connected socket, without Nagle's delay: it would hold back each request for 40 ms.

    Args:
        connection: connected; closed with the line.
        description: what messages call it.
    """

    def __init__(self, connection: socket.socket, description: str) -> None:
        self.description = description
        self._socket = connection
        connection.settimeout(_WRITE_S)
        if connection.family != getattr(socket, "AF_UNIX", None):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, timeout_s: float) -> bytes:
        """See :class:`Line`."""
        try:
            if not select.select([self._socket], [], [], timeout_s)[0]:
                return b""
            data = self._socket.recv(_CHUNK)
        except (OSError, ValueError) as error:  # ValueError: closed here
            raise self._gone(str(error)) from error
        if not data:
            raise self._gone("the other side closed it")
        return data

    def write(self, data: bytes) -> None:
        """See :class:`Line`."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._gone(str(error)) from error

    def close(self) -> None:
        """See :class:`Line`."""
        self._socket.close()

    def _gone(self, why: str) -> TargetError:
        return TargetError(
            f"the connection {self.description} is gone: {why}",
            hint="is the program at the other end (edgecnn emulate) still running?",
        )


def connect_tcp(host: str, port: int) -> TcpLine:
    """Connects.

    Raises:
        TargetError: nobody listens there.
    """
    description = f"tcp://{host}:{port}"
    try:
        connection = socket.create_connection((host, port), _CONNECT_S)
    except OSError as error:
        raise TargetError(
            f"{description} cannot be reached: {error}",
            hint="start the other end first (edgecnn emulate prints its address)",
        ) from error
    return TcpLine(connection, description)

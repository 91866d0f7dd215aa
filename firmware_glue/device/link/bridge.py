"""A line handed on to any client: behind a pseudo-terminal or a TCP port."""

from __future__ import annotations

import select
import socket
import threading
from types import TracebackType
from typing import Protocol

from edgecnn.core.errors import EdgecnnError, TargetError
from firmware_glue.device.link.base import Line
from firmware_glue.device.link.pty import HAS_PTY, PtyPair

_TURN_S = 0.5
"""How soon an idle bridge notices that it is to end."""
_CLIENT_S = 1.0
"""How long a client that reads nothing is waited for, before bytes are dropped."""
_CHUNK = 1 << 16


class ClientPort(Protocol):
    """Where clients come and go.

    Attributes:
        address: what a client is told to open.
    """

    address: str

    def read(self, timeout_s: float) -> bytes:
        """Returns what a client has sent, or ``b""``."""

    def write(self, data: bytes) -> None:
        """Sends to the client; bytes for nobody, or for one who does not read, are dropped."""

    def close(self) -> None:
        """Ends it."""


class PtyPort:
    """Clients open a pseudo-terminal, as if it were a serial port."""

    def __init__(self) -> None:
        self._pair = PtyPair()
        self.address = self._pair.path

    def read(self, timeout_s: float) -> bytes:
        """See :class:`ClientPort`."""
        return self._pair.line.read(timeout_s)

    def write(self, data: bytes) -> None:
        """See :class:`ClientPort`."""
        self._pair.line.write_for(data, _CLIENT_S)

    def close(self) -> None:
        """See :class:`ClientPort`."""
        self._pair.close()


class TcpPort:
    """Clients connect over TCP, one at a time: a new one takes the place of the old.

    Args:
        host: the address to listen on; other machines reach it only if it is not a local one.
        port: 0: any that is free.

    Raises:
        TargetError: the port is taken.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        try:
            self._listening = socket.create_server((host, port))
        except OSError as error:
            raise TargetError(
                f"cannot listen on {host}:{port}: {error}", hint="choose another port, or 0 for any"
            ) from error
        self.address = f"tcp://{host}:{self._listening.getsockname()[1]}"
        self._client: socket.socket | None = None

    def read(self, timeout_s: float) -> bytes:
        """See :class:`ClientPort`."""
        client = self._client
        try:
            ready = select.select(
                [self._listening, *([client] if client else [])], [], [], timeout_s
            )
            if self._listening in ready[0]:
                self._accept()
                return b""
            if client is None or client not in ready[0]:
                return b""
        except (OSError, ValueError) as error:  # closed by the other thread
            raise TargetError("the port was closed", hint="start again") from error
        try:
            data = client.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._leave(client)
        return data

    def write(self, data: bytes) -> None:
        """See :class:`ClientPort`."""
        client = self._client
        if client is None:
            return
        try:
            client.sendall(data)
        except OSError:
            self._leave(client)

    def close(self) -> None:
        """See :class:`ClientPort`."""
        self._listening.close()
        if self._client is not None:
            self._leave(self._client)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        client.settimeout(_CLIENT_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        old, self._client = self._client, client
        if old is not None:
            old.close()

    def _leave(self, client: socket.socket) -> None:
        if self._client is client:
            self._client = None
        client.close()


class Bridge:
    """Carries bytes between a line and whoever is its client, until it is closed.

    Two threads; both wait while nothing happens. Use it as a context manager.

    Args:
        line: to the board; closed by whoever opened it.
        port: where clients come; closed with the bridge.

    Attributes:
        device: what a client opens.
    """

    def __init__(self, line: Line, port: ClientPort) -> None:
        self.device = port.address
        self._line, self._port = line, port
        self._ended = threading.Event()
        self._failure: EdgecnnError | None = None
        self._threads = (
            threading.Thread(target=self._carry_up, name="bridge up", daemon=True),
            threading.Thread(target=self._carry_down, name="bridge down", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def serve(self) -> None:
        """Waits for the end: until another thread closes it, or an interrupt.

        Raises:
            TargetError: the line is gone.
        """
        while not self._ended.wait(_TURN_S):  # in pieces: Windows interrupts no endless wait
            pass
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends it; clients are disconnected."""
        self._ended.set()
        for thread in self._threads:
            thread.join(_TURN_S * 4 + _CLIENT_S)
        self._port.close()

    def __enter__(self) -> Bridge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _carry_up(self) -> None:
        try:
            while not self._ended.is_set():
                if data := self._line.read(_TURN_S):
                    self._port.write(data)
        except EdgecnnError as error:
            self._fail(error)

    def _carry_down(self) -> None:
        try:
            while not self._ended.is_set():
                if data := self._port.read(_TURN_S):
                    self._line.write(data)
        except EdgecnnError as error:
            self._fail(error)

    def _fail(self, error: EdgecnnError) -> None:
        if not self._ended.is_set():
            self._failure = error
        self._ended.set()


def open_bridge(line: Line, port: int | None = None) -> Bridge:
    """Opens a line for any client.

    Args:
        line: to the board.
        port: of TCP, on this machine alone; 0: any that is free; None: a pseudo-terminal, or where
            there is none (Windows) any port.

    Raises:
        TargetError: the port is taken.
    """
    if port is None and HAS_PTY:
        return Bridge(line, PtyPort())
    return Bridge(line, TcpPort(port=port or 0))

"""One who watches: gets what is newest as fast as it takes it, and never makes anybody wait."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from contextlib import suppress

#: What the system may hold for one viewer: a frame or two, so that what is shown is not old.
_SYSTEM_BYTES = 128 << 10
#: Events and notices that wait for one viewer; older ones give way.
_MOST_WAITING = 100


class Viewer:
    """The messages that wait for one open stream; used on the server's thread alone.

    Of frames, and of each other thing that has a newest state, the newest one waits; of what
    happened, the last hundred. What was handed to the transport is one message at most: a viewer
    that takes nothing holds a few hundred kilobytes, however long.

    Args:
        transport: of the stream; its head has been written.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._events: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._newest: dict[str, bytes] = {}
        self._paused = False
        self.sent = 0
        transport.set_write_buffer_limits(high=0)
        peer: socket.socket | None = transport.get_extra_info("socket")
        if peer is not None:
            with suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SYSTEM_BYTES)

    @property
    def waiting(self) -> int:
        """Bytes that wait, those with the transport included."""
        own = sum(map(len, (*self._events, *self._newest.values())))
        return own + self._transport.get_write_buffer_size()

    def tell(self, message: bytes) -> None:
        """Sends something that happened, in order with others of its kind."""
        self._events.append(message)
        self._flush()

    def show(self, kind: str, message: bytes) -> None:
        """Sends the newest state of something; it replaces what waits of the same kind."""
        self._newest[kind] = message
        self._flush()

    def pause(self) -> None:
        """The transport holds a message that is not on its way yet."""
        self._paused = True

    def resume(self) -> None:
        """The transport holds nothing any more."""
        self._paused = False
        self._flush()

    def _flush(self) -> None:
        while not self._paused and not self._transport.is_closing():
            if self._events:
                message = self._events.popleft()
            elif self._newest:
                message = self._newest.pop(next(iter(self._newest)))
            else:
                return
            self.sent += 1
            self._transport.write(message)  # calls pause() if not all of it went

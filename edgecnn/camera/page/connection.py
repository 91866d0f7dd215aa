"""One connection to the page's server: a request, its answer, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from edgecnn.camera.page.reply import Reply, error_reply
from edgecnn.camera.page.request import PageRequest, RefusedError, RequestReader
from edgecnn.camera.page.viewers import Viewer

#: So long a request may take to come, however slowly its bytes trickle.
ASKING_S = 5.0
#: So long a client may take nothing of what it asked for.
STALLED_S = 20.0
#: So long a refused client has to read why.
_LEAVING_S = 1.0
_PIECE = 256 << 10

#: What a connection is doing: its request comes; its answer is made or sent; a stream; refused.
State = Literal["asking", "answering", "streaming", "leaving"]


@dataclass(frozen=True)
class StreamReply:
    """An answer without an end.

    Attributes:
        head: its first bytes.
        join: gets the viewer once the head was written; what it returns is called at the end.
    """

    head: bytes
    join: Callable[[Viewer], Callable[[], None]]


@dataclass(frozen=True)
class FileReply:
    """A part of a file, which stands where the part begins; closed by who sends it."""

    head: bytes
    file: BinaryIO
    length: int


Answer = Reply | StreamReply | FileReply


class ConnectionOwner(Protocol):
    """What a connection needs of its server."""

    @property
    def files(self) -> Executor:
        """Threads that read files, since a disk may hang."""

    async def answer(self, request: PageRequest, local: str) -> Answer:
        """The answer to a request that came to this address of the machine.

        Raises:
            RefusedError: there is none but an error.
        """

    def arrived(self, connection: Connection) -> None:
        """The connection is open."""

    def admit(self, connection: Connection, state: State) -> None:
        """The connection wants to go on to this state.

        Raises:
            RefusedError: too many others are in it.
        """

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""

    def failed(self, error: BaseException) -> None:
        """An error of ours."""


class Connection(asyncio.Protocol):
    """Reads one request, answers it, closes. Runs on the server's thread.

    Args:
        owner: the server.
        remote, local: addresses of both sides.
        now_s: the loop's time.
    """

    def __init__(self, owner: ConnectionOwner, remote: str, local: str, now_s: float) -> None:
        self.remote, self.local = remote, local
        self.state: State = "asking"
        self.viewer: Viewer | None = None
        self._owner = owner
        self._reader = RequestReader()
        self._since_s = now_s
        self._seen = (-1, -1)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._leave: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._writable.set()
        self._owner.arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = None
        # What is still being answered ends by itself: a file must not be closed while it is read.
        self._writable.set()
        if self._leave is not None:
            self._leave()
            self._leave = None
        self._owner.gone(self)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self.state == "streaming":
            self.drop()  # nobody who watches has anything to say
        if self.state != "asking":
            return
        try:
            request = self._reader.feed(data)
            if request is None:
                return
            self._owner.admit(self, "answering")
        except RefusedError as error:
            self.refuse(error)
            return
        self._to("answering")
        self._task = asyncio.get_running_loop().create_task(self._answer(request))

    def eof_received(self) -> bool:
        """See :class:`asyncio.Protocol`; who has asked and says no more still gets an answer."""
        return self.state == "answering"

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._writable.clear()
        if self.viewer is not None:
            self.viewer.pause()

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._writable.set()
        if self.viewer is not None:
            self.viewer.resume()

    def refuse(self, error: RefusedError) -> None:
        """Says why, and leaves the client a moment to read it."""
        if self._transport is None or self.state == "leaving":
            return
        self._to("leaving")
        self._transport.write(error_reply(error).to_bytes())
        with suppress(OSError, NotImplementedError):
            # Closing at once would make the system throw away what was not read, and the answer.
            self._transport.write_eof()

    def close(self) -> None:
        """Closes once everything was handed to the system."""
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """Closes without a word."""
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now_s: float) -> None:
        """Ends what takes too long; called about twice a second."""
        if self._transport is None:
            return
        if self.state in ("answering", "streaming"):
            sent = self.viewer.sent if self.viewer is not None else 0
            seen = (sent, self._transport.get_write_buffer_size())
            if seen != self._seen or not seen[1]:
                self._seen, self._since_s = seen, now_s
        spent_s = now_s - self._since_s
        if self.state == "asking" and spent_s > ASKING_S:
            self.refuse(RefusedError(408, f"no whole request came within {ASKING_S:.0f} s"))
        elif spent_s > (_LEAVING_S if self.state == "leaving" else STALLED_S):
            self.drop()

    def _to(self, state: State) -> None:
        self.state, self._since_s = state, asyncio.get_running_loop().time()

    async def _answer(self, request: PageRequest) -> None:
        with_body = request.method != "HEAD"
        try:
            answer = await self._owner.answer(request, self.local)
            if isinstance(answer, StreamReply) and with_body:
                self._owner.admit(self, "streaming")
        except RefusedError as error:
            self.refuse(error)
            return
        except Exception as error:  # noqa: BLE001 - a bug of ours must end neither thread nor loop
            self._owner.failed(error)
            self.refuse(RefusedError(500, "the page's server has failed"))
            return
        if isinstance(answer, FileReply):
            await self._send_file(answer, with_body)
            return
        transport = self._transport
        if transport is None:
            return
        if isinstance(answer, Reply):
            transport.write(answer.to_bytes(with_body))
            transport.close()
            return
        transport.write(answer.head)
        if not with_body:
            transport.close()
            return
        self._to("streaming")
        self.viewer = Viewer(transport)
        self._leave = answer.join(self.viewer)

    async def _send_file(self, answer: FileReply, with_body: bool) -> None:
        """Sends the part, a piece at a time, as fast as it is taken."""
        loop = asyncio.get_running_loop()
        with answer.file:
            left = answer.length if with_body else 0
            if self._transport is not None:
                self._transport.write(answer.head)
            while left and self._transport is not None:
                size = min(left, _PIECE)
                piece = await loop.run_in_executor(self._owner.files, answer.file.read, size)
                if not piece or self._transport is None:
                    break  # it became shorter: the connection's end says so
                left -= len(piece)
                self._transport.write(piece)
                await self._writable.wait()
        if self._transport is not None:
            self._transport.close()

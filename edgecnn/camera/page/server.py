"""The page's server: a thread, its sockets, and who is let in.

What a stranger can do is bounded everywhere: how many connections there are, how fast new ones are
taken, how long a request may take. Those whose request has not come yet are few, and a new one
takes the place of the oldest: so somebody who asks at once is heard also while others hold
hundreds of connections open.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol

from edgecnn.camera.page.access import to_ip
from edgecnn.camera.page.bucket import Bucket
from edgecnn.camera.page.connection import Answer, Connection, State
from edgecnn.camera.page.request import PageRequest, RefusedError

#: Connections whose request has not come yet, all and of one address elsewhere; those with an
#: answer under way; streams, all and those of other machines.
_MOST_ASKING, _MOST_ASKING_EACH, _MOST_ANSWERED = 24, 8, 40
MOST_STREAMS, _MOST_REMOTE_STREAMS = 32, 24
#: New connections in a second, and at once.
_ACCEPTS_A_SECOND, _ACCEPTS_AT_ONCE = 150.0, 100.0
_SWEEP_S = 0.5
#: The pause after the system had no room for a connection.
_NO_ROOM_S = 0.5
_LAST_MESSAGE_S, _JOIN_S = 0.4, 1.0
_FULL = RefusedError(503, "too many are connected to the page; try again in a moment")


class RequestHandler(Protocol):
    """What the server serves. Everything is called on the server's thread."""

    async def answer(self, request: PageRequest, local: str) -> Answer:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""

    def tick(self) -> None:
        """About a second has passed."""

    def say_the_end(self) -> None:
        """The server closes: those who watch are told."""

    def failed(self, error: BaseException) -> None:
        """An error of ours."""


class PageServer:
    """Serves pages on a thread of its own; implements the connections' ``ConnectionOwner``.

    Args:
        sockets: bound and listening; closed here.
        handler: answers requests.
        files: threads that read files; ended here.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], handler: RequestHandler, files: Executor
    ) -> None:
        self._sockets, self._handler = tuple(sockets), handler
        self._connections: dict[Connection, None] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._accepts = Bucket(_ACCEPTS_A_SECOND, _ACCEPTS_AT_ONCE)
        self.files = files
        self._thread = threading.Thread(target=self._run, name="edgecnn-page", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def call(self, function: Callable[..., object], *arguments: object) -> bool:
        """Calls it on the server's thread, soon; False: the server is closed. Any thread."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return False
        return True

    def close(self) -> None:
        """Tells those who watch, closes everything and waits for at most a second. Idempotent."""
        self.call(self._stop.set)
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    async def answer(self, request: PageRequest, local: str) -> Answer:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        return await self._handler.answer(request, local)

    def admit(self, connection: Connection, state: State) -> None:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        busy = [one for one in self._connections if one.state in ("answering", "streaming")]
        streams = [one for one in busy if one.state == "streaming"]
        if state == "streaming":
            remote = sum(not _is_loopback(one.remote) for one in streams)
            full = not _is_loopback(connection.remote) and remote >= _MOST_REMOTE_STREAMS
            if full or len(streams) >= MOST_STREAMS:
                raise RefusedError(503, "too many watch already")
        elif len(busy) >= _MOST_ANSWERED:
            raise _FULL

    def arrived(self, connection: Connection) -> None:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        self._make_room(connection.remote)
        self._connections[connection] = None

    def gone(self, connection: Connection) -> None:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        self._connections.pop(connection, None)

    def failed(self, error: BaseException) -> None:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        self._handler.failed(error)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            for listener in self._sockets:
                listener.close()
            self.files.shutdown(wait=False, cancel_futures=True)
            self._loop.close()

    async def _serve(self) -> None:
        self._loop.set_exception_handler(self._unhandled)
        tasks = [self._loop.create_task(self._accept(listener)) for listener in self._sockets]
        tasks += [self._loop.create_task(self._sweep()), self._loop.create_task(self._tick())]
        for task in tasks:
            task.add_done_callback(self._ended)
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        self._handler.say_the_end()
        deadline_s = self._loop.time() + _LAST_MESSAGE_S
        while self._loop.time() < deadline_s and any(
            one.viewer is not None and one.viewer.waiting for one in self._connections
        ):
            await asyncio.sleep(0.02)
        for connection in tuple(self._connections):
            connection.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            now_s = self._loop.time()
            if not self._accepts.take(now_s):
                await asyncio.sleep(0.05)
                continue
            try:
                peer, address = await self._loop.sock_accept(listener)
            except ConnectionError:
                continue  # the client is gone again
            except OSError:
                # No descriptor or memory is left.
                await asyncio.sleep(_NO_ROOM_S)
                continue
            await self._welcome(peer, str(address[0]))

    async def _welcome(self, peer: socket.socket, remote: str) -> None:
        """Makes a connection of a socket."""
        try:
            peer.setblocking(False)
            local = str(peer.getsockname()[0])
            connection = Connection(self, remote, local, self._loop.time())
            await self._loop.connect_accepted_socket(lambda: connection, peer)
        except OSError:
            peer.close()

    def _make_room(self, remote: str) -> None:
        """Closes the oldest connection that has not asked yet where there are too many."""
        asking = [one for one in self._connections if one.state in ("asking", "leaving")]
        crowds = [(asking, _MOST_ASKING)]
        if not _is_loopback(remote):
            crowds.append(([one for one in asking if one.remote == remote], _MOST_ASKING_EACH))
        for crowd, most in crowds:
            if len(crowd) >= most:
                crowd[0].refuse(_FULL)
                crowd[0].drop()
                self.gone(crowd[0])

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            now_s = self._loop.time()
            for connection in tuple(self._connections):
                connection.sweep(now_s)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._handler.tick()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that should go on for ever does not."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._handler.failed(error)

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """What asyncio would print: a client that went away is none of our errors."""
        error = context.get("exception")
        if isinstance(error, BaseException) and not isinstance(error, OSError):
            self._handler.failed(error)


def _is_loopback(address: str) -> bool:
    ip = to_ip(address)
    return ip is not None and ip.is_loopback

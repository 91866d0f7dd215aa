"""A web server whose every byte a test decides."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket, str], None]

MULTIPART = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


class Server:
    """Answers each connection on a thread of its own.

    Attributes:
        requests: heads of the requests, as they came.
        over: set when the test is over; an answer that waits waits for it.
    """

    def __init__(
        self, answer: Answer, secure: Callable[..., socket.socket] | None, port: int = 0
    ) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.over = threading.Event()
        self._secure = secure
        self._listener = socket.create_server(("127.0.0.1", port))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, name="test-server", daemon=True).start()

    def url(self, login: str = "", path: str = "/video?token=hunter2") -> str:
        return f"http://{login and login + '@'}{self.address}{path}"

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(
                    target=self._one, args=(connection,), name="test-server", daemon=True
                ).start()

    def _one(self, connection: socket.socket) -> None:
        head = b""
        with contextlib.suppress(OSError):
            if self._secure is not None:
                connection = self._secure(connection, server_side=True)
        with connection, contextlib.suppress(OSError):
            while not head.endswith(b"\r\n\r\n"):
                data = connection.recv(4096)
                if not data:
                    return
                head += data
            self.requests.append(head.decode())
            self.answer(connection, head.decode())


@contextlib.contextmanager
def serving(
    answer: Answer, secure: Callable[..., socket.socket] | None = None, port: int = 0
) -> Iterator[Server]:
    server = Server(answer, secure, port)
    try:
        yield server
    finally:
        server.close()

"""One HTTP request whose answer may go on for weeks, with a limit on everything."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from email.message import Message
from email.parser import BytesParser
from urllib.parse import SplitResult, quote

_MOST_HEAD = 64 << 10
_MOST_LINE = 4096
_RECEIVE = 256 << 10


class NoHttpError(Exception):
    """The other side speaks no HTTP, or breaks off; inside this room alone.

    Its text is for messages: it has nothing of the URL.
    """


class HttpConnection:
    """Asks for a URL once and gives the body as it comes.

    Each step has a deadline as a whole: a server that sends a byte now and then does not get
    around it.

    Args:
        url: http or https.
        headers: to be sent beside Host.
        deadline_s: until when the answer's head must be there, monotonic.

    Raises:
        OSError: no connection, or too late (TimeoutError).
        NoHttpError: the answer is none.
    """

    def __init__(self, url: SplitResult, headers: dict[str, str], deadline_s: float) -> None:
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        left_s = max(deadline_s - time.monotonic(), 0.01)
        self._socket = socket.create_connection((host, port), left_s)
        self._buffer = bytearray()
        self._left: int | None = None
        self._chunked = self._ended = False
        try:
            if secure:
                self._socket = ssl.create_default_context().wrap_socket(
                    self._socket, server_hostname=host
                )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ask(url, headers)
            self._read_head(deadline_s)
        except BaseException:
            self.close()
            raise

    def receive(self, deadline_s: float) -> bytes:
        """The next bytes of the body; empty at its end.

        Raises:
            OSError: the connection broke, or nothing came in time.
            NoHttpError: the body's form is wrong.
        """
        if not self._chunked:
            if self._buffer:
                data = bytes(self._buffer)
                self._buffer.clear()
                return data
            return self._more(deadline_s)
        while not self._ended:
            if self._left is None:
                line = self._line(deadline_s)
                if not line.strip():
                    continue  # the line end behind a chunk
                try:
                    self._left = int(line.partition(b";")[0], 16)
                except ValueError:
                    raise NoHttpError("its chunks have no sizes") from None
                self._ended = self._left <= 0
                continue
            if not self._buffer:
                data = self._more(deadline_s)
                if not data:
                    break
                self._buffer += data
            data = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
            self._left = self._left - len(data) or None
            return data
        return b""

    def interrupt(self) -> None:
        """Wakes a thread that waits in :meth:`receive`; from any thread."""
        # A TLS socket's own method would drop its state under a reader's feet.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _ask(self, url: SplitResult, headers: dict[str, str]) -> None:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        target = quote(target, safe="%/?&=+,;:@!$'()*~[]")
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        host = f"{host}:{url.port}" if url.port else host
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"))

    def _read_head(self, deadline_s: float) -> None:
        lines = [self._line(deadline_s)]
        version, _, rest = lines[0].decode("latin-1").strip().partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/") or not (code.isascii() and code.isdigit()):
            raise NoHttpError("it does not answer in HTTP")
        while lines[-1].strip():
            lines.append(self._line(deadline_s))
            if sum(map(len, lines)) > _MOST_HEAD:
                raise NoHttpError("its answer's head has no end")
        self.status = int(code)
        self.reason = "".join(c for c in rest[4:60] if c.isprintable())
        self.headers: Message = BytesParser().parsebytes(b"".join(lines[1:]), True)
        self._chunked = "chunked" in str(self.headers.get("Transfer-Encoding", "")).lower()

    def _line(self, deadline_s: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            data = self._more(deadline_s)
            if not data:
                raise NoHttpError("it broke off in the middle of its answer")
            self._buffer += data
            if len(self._buffer) > _MOST_HEAD and self._buffer.find(b"\n") < 0:
                raise NoHttpError("its answer has a line without end")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _more(self, deadline_s: float) -> bytes:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._socket.recv(_RECEIVE)

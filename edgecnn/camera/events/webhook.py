"""Events to a webhook: each one is posted as JSON, and delivered when the answer is 2xx."""

from __future__ import annotations

import base64
import http.client
import io
import os
import socket
import ssl
import time
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

from edgecnn import __version__
from edgecnn.camera.events.address import Address, read_address
from edgecnn.camera.events.channel import DeliveryError, why_unreachable
from edgecnn.camera.events.event import Event
from edgecnn.core.errors import UsageError

TOKEN_VARIABLE = "EDGECNN_WEBHOOK_TOKEN"
#: What an attempt may take in all: name, connection, TLS, request and answer; seconds.
_TOTAL_S = 10.0
#: Of an answer only the status counts. Its body is read so that the connection can be kept; one
#: that is longer, or takes longer, is not worth it.
_MOST_ANSWER_BYTES = 65536
_BODY_S = 1.0
#: No server may ask for a longer pause, seconds.
_LONGEST_WAIT_S = 600.0
#: Refused now, not for ever: timeout, too early, too many requests.
_TRY_AGAIN = (408, 425, 429)


class _Stale(Exception):
    """The server closed a connection that was kept for the next event."""


class _TimedReader(io.RawIOBase):
    """Reads from a socket; all reads together end by the connection's deadline."""

    def __init__(self, timed: _TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        """See :class:`io.RawIOBase`."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """See :class:`io.RawIOBase`."""
        return self._timed.ready().recv_into(buffer)


class _TimedSocket:
    """What http.client needs of a socket, with one deadline for all that happens on it.

    A socket's own timeout is for a single call: a server that sends a byte now and then would hold
    an attempt for ever.
    """

    def __init__(self, sock: socket.socket, until_s: float) -> None:
        self._sock = sock
        self.until_s = until_s

    def ready(self) -> socket.socket:
        """The socket, its timeout set to what is left."""
        self._sock.settimeout(_left_s(self.until_s))
        return self._sock

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        self.ready().sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Reads the answer."""
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """Closes the socket."""
        self._sock.close()


class WebhookChannel:
    """Posts events to one URL; a connection is kept for the next event.

    Redirections are not followed: most servers answer the redirected request without having seen
    the event, and a token must not travel elsewhere.

    Args:
        address: http or https.
        authorization: the header's value; None: none is sent.
        context: how https is verified; None with http.
        total_s: what one attempt may take, seconds.
    """

    key = "webhook"
    tend_s: float | None = None

    def __init__(
        self,
        address: Address,
        authorization: str | None,
        context: ssl.SSLContext | None,
        total_s: float = _TOTAL_S,
    ) -> None:
        self._to, self._context, self._total_s = address, context, total_s
        # The path of many webhooks is their secret, and so it is not shown.
        self.address = f"{address.origin}/…"
        path = quote(address.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = quote(address.query, safe="/%:@!$&'()*+,;=~-._?")
        self._path = f"{path}?{query}" if query else path
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"edgecnn/{__version__}",
            "Accept": "*/*",
        }
        if authorization is not None:
            self._headers["Authorization"] = authorization
        self._kept: http.client.HTTPConnection | None = None
        self._socket: _TimedSocket | None = None

    def send(self, payload: bytes, event: Event) -> None:
        """See :class:`edgecnn.camera.events.channel.Channel`."""
        until_s = time.monotonic() + self._total_s
        try:
            try:
                status, headers = self._post(payload, until_s)
            except _Stale:
                status, headers = self._post(payload, until_s)
        except BaseException:
            self.close()
            raise
        if not 200 <= status < 300:
            raise _refusal(status, headers)

    def tend(self) -> None:
        """Does nothing: a connection is opened when it is needed."""

    def close(self) -> None:
        """See :class:`edgecnn.camera.events.channel.Channel`."""
        if self._kept is not None:
            self._kept.close()
            self._kept = self._socket = None

    def _post(self, payload: bytes, until_s: float) -> tuple[int, Message]:
        """Posts once; returns the answer's status and headers.

        Raises:
            DeliveryError: there was no whole answer in time.
            _Stale: the kept connection was closed before an answer began; it is forgotten.
        """
        kept = self._kept is not None
        connection = self._connection(until_s)
        try:
            connection.request("POST", self._path, payload, self._headers)
            response = connection.getresponse()
        except TimeoutError as error:
            raise DeliveryError(
                f"no whole answer within {self._total_s:g} s", answered=True
            ) from error
        except (ConnectionError, http.client.BadStatusLine) as error:
            # RemoteDisconnected is both. What is no HTTP at all comes as BadStatusLine, too.
            if kept:
                self.close()
                raise _Stale from error
            cause = "the connection was closed without an answer"
            if not isinstance(error, ConnectionError):
                cause = "what answers speaks no HTTP"
            raise DeliveryError(cause, answered=True) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DeliveryError(
                f"the answer cannot be read ({type(error).__name__})", answered=True
            ) from error
        self._finish(response)
        return response.status, response.headers

    def _finish(self, response: http.client.HTTPResponse) -> None:
        """Keeps the connection for the next event if the answer's end can be reached."""
        try:
            if self._socket is not None:
                self._socket.until_s = min(self._socket.until_s, time.monotonic() + _BODY_S)
            response.read(_MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
        if response.will_close or not response.isclosed():
            self.close()

    def _connection(self, until_s: float) -> http.client.HTTPConnection:
        if self._kept is not None and self._socket is not None:
            self._socket.until_s = until_s
            return self._kept
        to = self._to
        connection = (
            http.client.HTTPConnection(to.host, to.port)
            if self._context is None
            else http.client.HTTPSConnection(to.host, to.port, context=self._context)
        )
        try:
            sock = _connected(to.host, to.port, until_s)
            if self._context is not None:
                sock = _secured(sock, self._context, to.host, until_s)
        except (OSError, ValueError) as error:
            raise DeliveryError(why_unreachable(error)) from error
        connection.sock = self._socket = _TimedSocket(sock, until_s)
        self._kept = connection
        return connection


def webhook_channel(url: str, environ: Mapping[str, str] = os.environ) -> WebhookChannel:
    """The channel of ``--webhook``.

    Args:
        url: http or https; a user and a password in it are sent as basic authentication.
        environ: ``EDGECNN_WEBHOOK_TOKEN`` is sent as a bearer token where the URL has no user.

    Raises:
        UsageError: the URL or the token cannot be meant.
    """
    address = read_address(url, "--webhook", {"https": 443, "http": 80})
    token = environ.get(TOKEN_VARIABLE, "").strip()
    authorization = f"Bearer {token}" if token else None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(
            f"{TOKEN_VARIABLE} holds white space or other letters that no token has",
            hint="set it to the token alone, without 'Bearer'",
        )
    if address.user is not None:
        pair = f"{address.user}:{address.password or ''}".encode()
        authorization = "Basic " + base64.b64encode(pair).decode("ascii")
    context = ssl.create_default_context() if address.scheme == "https" else None
    return WebhookChannel(address, authorization, context)


def _connected(host: str, port: int, until_s: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one."""
    failed: OSError | None = None
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left_s(until_s))
            sock.connect(where)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failed = error
    raise failed or OSError("the name has no address")


def _secured(
    sock: socket.socket, context: ssl.SSLContext, host: str, until_s: float
) -> socket.socket:
    try:
        sock.settimeout(_left_s(until_s))
        return context.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError):
        sock.close()
        raise


def _left_s(until_s: float) -> float:
    """Seconds to the deadline, more than 0.

    Raises:
        TimeoutError: it is over.
    """
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _refusal(status: int, headers: Message) -> DeliveryError:
    """What an answer other than 2xx means; the server's own words are not repeated."""
    phrase = http.client.responses.get(status, "")
    cause = f"HTTP {status} {phrase}".rstrip()
    if 300 <= status < 400:
        return DeliveryError(f"{cause}{_elsewhere(headers)}", permanent=True)
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        return DeliveryError(cause, permanent=True)
    wait_s = _asked_wait_s(str(headers.get("Retry-After", "")))
    return DeliveryError(cause, answered=status >= 500, wait_s=wait_s)


def _elsewhere(headers: Message) -> str:
    """Where a redirection leads, as far as it may be shown."""
    try:
        parts = urlsplit(str(headers.get("Location", "")))
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    if not host or not host.isascii() or not host.isprintable() or len(host) > 255:
        return ": the server wants another path; give that URL"
    return f": the server wants {parts.scheme[:10]}://{host}/…; give that URL"


def _asked_wait_s(text: str) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 where it says nothing."""
    try:
        seconds = float(min(int(text), 10**6))
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)

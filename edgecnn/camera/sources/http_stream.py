"""MJPEG over HTTP and HTTPS: pictures one after the other in one endless answer.

FFmpeg reads these too, but breaks off at a wrong Content-Length, decodes cut pictures without a
word, and cannot be interrupted; and it decodes what nobody will look at.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from edgecnn.camera.sources.capture import SourceRefusedError
from edgecnn.camera.sources.http_connection import HttpConnection, NoHttpError
from edgecnn.camera.sources.http_login import authorization, login_of
from edgecnn.camera.sources.jpeg import START, Jpeg, JpegSieve
from edgecnn.camera.sources.multipart import Multipart, NoMultipartError, Part
from edgecnn.core.errors import CameraError

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHECK_NETWORK = "check the address; does the camera answer on this network?"


@dataclass(frozen=True)
class HttpLimits:
    """How long a server may take.

    Attributes:
        open_s: for the answer's head, logging in and redirects included.
        frame_s: from one whole part to the next.
    """

    open_s: float = 10.0
    frame_s: float = 5.0


def open_mjpeg(url: str, name: str, limits: HttpLimits | None = None) -> MjpegCapture | None:
    """Connects to an MJPEG stream.

    Args:
        url: http or https.
        name: for messages, passwords masked.
        limits: how long the server may take.

    Returns:
        None: the answer is something else, or goes through a proxy; FFmpeg may know it.

    Raises:
        SourceRefusedError: user or password are wrong.
        CameraError: there is no answer, or one that says no.
    """
    limits = limits or HttpLimits()
    parts = urlsplit(url)
    if _goes_through_a_proxy(parts):
        return None
    try:
        connection = _answer(parts, name, time.monotonic() + limits.open_s)
    except ssl.SSLCertVerificationError as error:
        raise SourceRefusedError(
            f"cannot open {name}: its certificate is not trusted ({error.verify_message})",
            hint="export SSL_CERT_FILE=FILE with the camera's certificate, or use http://",
        ) from None
    except TimeoutError:
        raise CameraError(
            f"cannot open {name}: no answer within {limits.open_s:g} s", hint=_CHECK_NETWORK
        ) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CameraError(f"cannot open {name}: {reason}", hint=_CHECK_NETWORK) from None
    except NoHttpError:
        return None
    if connection.headers.get_content_maintype() != "multipart":
        connection.close()
        if connection.headers.get_content_type() == "text/html":
            raise CameraError(
                f"cannot open {name}: it is a web page, expected a stream",
                hint="give the address of the video inside the page",
            )
        return None
    boundary = connection.headers.get_param("boundary")
    announced = boundary.strip().encode("latin-1", "replace") if isinstance(boundary, str) else b""
    return MjpegCapture(connection, Multipart(announced), limits)


def _goes_through_a_proxy(url: SplitResult) -> bool:
    host = url.hostname or ""
    here = host == "localhost" or host.startswith("127.")
    return not here and url.scheme in getproxies() and not proxy_bypass(host)


def _answer(url: SplitResult, name: str, deadline_s: float) -> HttpConnection:
    """The answer behind redirects and logging in, with status 2xx."""
    login = login_of(url)
    tried = False
    headers = {"User-Agent": "edgecnn", "Accept": "*/*", "Connection": "close"}
    for _ in range(_MOST_REDIRECTS + 1):
        plain = url._replace(netloc=url.netloc.rpartition("@")[2])
        connection = HttpConnection(plain, headers, deadline_s)
        status = connection.status
        if 200 <= status < 300:
            return connection
        connection.close()
        if status in _REDIRECTS:
            target = urlsplit(urljoin(plain.geturl(), str(connection.headers.get("Location", ""))))
            if target.scheme not in ("http", "https") or not target.hostname:
                raise _says_no(name, "sends us on to no address", _CHECK_NETWORK)
            if (target.scheme, target.hostname, target.port) != (
                url.scheme,
                url.hostname,
                url.port,
            ):
                # Nobody else gets the password.
                login = None
            url, tried = target, False
            headers.pop("Authorization", None)
            continue
        if status != 401 or login is None or tried:
            break
        challenges = connection.headers.get_all("WWW-Authenticate", [])
        answer = authorization(login, plain.geturl(), [str(text) for text in challenges])
        if answer is None:
            break
        tried, headers["Authorization"] = True, answer
    else:
        raise _says_no(name, "sends us on and on", _CHECK_NETWORK)
    if status in (401, 403):
        raise SourceRefusedError(
            f"cannot open {name}: it answers {status} {connection.reason}",
            hint="check user and password: http://USER:PASSWORD@HOST/…, with / # ? @ : in them"
            " written as %2F %23 %3F %40 %3A",
        )
    raise _says_no(name, f"answers {status} {connection.reason}", "check the address's path")


def _same_server(here: SplitResult, there: SplitResult) -> bool:
    same_port = (here.scheme, here.port) == (there.scheme, there.port)
    return here.hostname == there.hostname and (same_port or there.scheme == "https")


def _says_no(name: str, what: str, hint: str) -> CameraError:
    return CameraError(f"cannot open {name}: it {what}", hint=hint)


class MjpegCapture:
    """Reads pictures, still compressed: a :class:`~edgecnn.camera.sources.capture.Capture`.

    A part that is no whole JPEG is a damaged frame: empty, cut off, or with foreign bytes in it;
    :func:`~edgecnn.camera.sources.jpeg.wholeness` says what cannot be seen. Cameras that never send
    a JPEG's end are believed after a few pictures.

    Args:
        connection: with the answer's head read; closed here.
        parser: of its body.
        limits: how long the server may take.
    """

    def __init__(self, connection: HttpConnection, parser: Multipart, limits: HttpLimits) -> None:
        self._connection = connection
        self._parser = parser
        self._limits = limits
        self._waiting: deque[Part] = deque()
        self._sieve = JpegSieve()

    def read(self) -> tuple[bool, object]:
        """See :class:`~edgecnn.camera.sources.capture.Capture`."""
        while True:
            if not self._waiting:
                self._receive()
            part = self._waiting.popleft()
            if not part.type or part.type.startswith(("image/", "application/octet-stream")):
                return True, self._picture(part)

    def release(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def interrupt(self) -> None:
        """Wakes a thread that waits in :meth:`read`."""
        self._connection.interrupt()

    def _receive(self) -> None:
        """Waits for at least one part."""
        deadline_s = time.monotonic() + self._limits.frame_s
        try:
            while not self._waiting:
                data = b"" if self._parser.ended else self._connection.receive(deadline_s)
                if not data:
                    raise self._over("it ended the stream")
                self._waiting += self._parser.feed(data)
        except TimeoutError:
            raise self._over(f"it sent no whole frame within {self._limits.frame_s:g} s") from None
        except OSError as error:
            raise self._over(
                f"the connection broke ({error.strerror or type(error).__name__})"
            ) from None
        except (NoHttpError, NoMultipartError) as error:
            raise self._over(f"its stream makes no sense: {error}") from None

    def _over(self, why: str) -> CameraError:
        return CameraError(why, hint=_CHECK_NETWORK)

    def _picture(self, part: Part) -> Jpeg:
        if part.data[:2] != START and part.type not in ("", "image/jpeg", "image/jpg"):
            return Jpeg(part.data)  # a PNG or the like: only decoding shows what it is worth
        return self._sieve.picture(part.data)

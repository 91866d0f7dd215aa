"""Why an RTSP stream could not be opened: FFmpeg does not tell, so the server is asked once."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit

from edgecnn.camera.sources.capture import SourceRefusedError
from edgecnn.core.errors import CameraError

_PORT = 554
_TAKES_S = 3.0
_MOST_BYTES = 4096
_STATUS = re.compile(rb"RTSP/1\.\d (\d{3}) ?([ -~]{0,60})")
_CHECK_NETWORK = "check the address; does the camera answer on this network?"
_CHECK_LOGIN = (
    "rtsp://USER:PASSWORD@HOST/…, with / # ? @ : in user or password written as %2F %23 %3F %40 %3A"
)


def why_closed(url: str, name: str, takes_s: float = _TAKES_S) -> CameraError:
    """The error for a stream that FFmpeg did not open.

    The server is asked without user and password, so that a wrong password does not count twice
    where a camera locks itself after a few.

    Args:
        url: rtsp, as given.
        name: for messages, passwords masked.
        takes_s: how long the server may take.
    """
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    question = f"DESCRIBE {plain.geturl()} RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: edgecnn\r\n\r\n"
    try:
        head = _first_line(
            (parts.hostname or "", parts.port or _PORT), question.encode("utf-8"), takes_s
        )
    except TimeoutError:
        return _error(name, "no answer", _CHECK_NETWORK)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return _error(name, reason, _CHECK_NETWORK)
    found = _STATUS.match(head)
    if found is None:
        return _error(name, "it does not answer in RTSP", _CHECK_NETWORK)
    code, words = int(found[1]), f"{found[1].decode()} {found[2].decode().strip()}".strip()
    if code in (401, 403) and parts.username is None:
        return SourceRefusedError(
            f"cannot open the stream {name}: it wants a user and a password", hint=_CHECK_LOGIN
        )
    if code in (401, 403):
        return _error(name, "perhaps user or password are wrong", _CHECK_LOGIN)
    if code >= 300:
        return _error(name, f"it answers {words}", "check the address's path")
    return _error(
        name, "it answers, but OpenCV's FFmpeg cannot read its video",
        "choose H.264 in the camera's settings",
    )  # fmt: skip


def _first_line(address: tuple[str, int], question: bytes, takes_s: float) -> bytes:
    deadline_s = time.monotonic() + takes_s
    head = b""
    with socket.create_connection(address, takes_s) as connection:
        connection.sendall(question)
        while b"\n" not in head and len(head) < _MOST_BYTES:
            connection.settimeout(max(deadline_s - time.monotonic(), 0.001))
            data = connection.recv(_MOST_BYTES)
            if not data:
                break
            head += data
    return head


def _error(name: str, why: str, hint: str) -> CameraError:
    return CameraError(f"cannot open the stream {name}: {why}", hint=hint)

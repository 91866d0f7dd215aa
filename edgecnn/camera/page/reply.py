"""Answers of the page's server, as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from edgecnn.camera.page.request import RefusedError

JSON = "application/json"
Headers = tuple[tuple[str, str], ...]

#: For everything but the page itself, which says its own.
_POLICY = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS: Headers = (
    ("Server", "edgecnn"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
    ("Cache-Control", "no-store"),
    ("Connection", "close"),
)


@dataclass(frozen=True)
class Reply:
    """An answer that is there as a whole.

    Attributes:
        body: also for HEAD, which gets its length alone.
        kind: the Content-Type.
        headers: further ones.
    """

    body: bytes
    kind: str = JSON
    status: int = 200
    headers: Headers = ()

    def to_bytes(self, with_body: bool = True) -> bytes:
        """The whole answer."""
        length = ("Content-Length", str(len(self.body)))
        start = head(self.status, self.kind, (length, *self.headers))
        return start + self.body if with_body else start


def json_reply(data: Any) -> Reply:
    """Plain JSON values."""
    return Reply(to_json_bytes(data))


def error_reply(error: RefusedError) -> Reply:
    """``{"error": one line}``."""
    body = to_json_bytes({"error": error.text})
    return Reply(body, status=error.status, headers=error.headers)


def to_json_bytes(data: Any) -> bytes:
    """JSON as UTF-8; what is no JSON number (NaN) is an error."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def head(status: int, kind: str, headers: Headers = ()) -> bytes:
    """The answer's head, its blank line included."""
    given: Mapping[str, str] = dict(headers)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {kind}"]
    if "Content-Security-Policy" not in given:
        lines.append(f"Content-Security-Policy: {_POLICY}")
    lines += [f"{name}: {value}" for name, value in (*_ALWAYS, *headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

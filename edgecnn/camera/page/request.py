"""HTTP/1.1 requests as far as the page needs them, read strictly and within limits.

After RFC 9112, without what the page has no use for: transfer codings, pipelining, obsolete line
folding, bare line feeds and absolute targets are refused, so that no two readers can understand one
request differently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

#: Bytes of the request line, of the whole head, and of a body; and how many header fields.
MOST_LINE, MOST_HEAD, MOST_BODY, MOST_FIELDS = 2048, 16 << 10, 4 << 10, 64
_MOST_PARAMETERS = 8
METHODS = ("GET", "HEAD", "POST")
_END = b"\r\n\r\n"

_LINE = re.compile(rb"([A-Za-z]{1,20}) ([\x21-\x7e]+) HTTP/1\.([01])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
# What may be said once only; others are joined by commas, as RFC 9110 has it.
_ONCE = ("authorization", "content-length", "content-type", "host", "origin", "range",
         "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site")  # fmt: skip


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: of HTTP.
        text: one line for the one who asked.
        headers: to be sent beside it.
    """

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


@dataclass(frozen=True)
class PageRequest:
    """One request.

    Attributes:
        method: ``GET``, ``HEAD`` or ``POST``.
        path: as it was sent, nothing decoded.
        query: parameters, decoded.
        headers: by lower-case name, bytes as Latin-1.
        body: of a POST.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class RequestReader:
    """Takes bytes as they come until a request is whole.

    It never holds more than the limits and one piece; what comes after the request is ignored.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._head: PageRequest | None = None
        self._length = 0

    def feed(self, data: bytes) -> PageRequest | None:
        """The request, once it is whole.

        Raises:
            RefusedError: it cannot become one that is answered.
        """
        self._bytes += data
        if self._head is None:
            end = self._bytes.find(_END, 0, MOST_HEAD)
            if end < 0:
                self._check_unfinished()
                return None
            self._head = _head(bytes(self._bytes[:end]))
            self._length = _body_length(self._head)
            del self._bytes[: end + len(_END)]
        if len(self._bytes) < self._length:
            return None
        head = self._head
        return PageRequest(
            head.method, head.path, head.query, head.headers, bytes(self._bytes[: self._length])
        )

    def _check_unfinished(self) -> None:
        """Refuses at once what no further byte can make good."""
        start = self._bytes[:1]
        if start and not start.isalpha():
            raise RefusedError(400, "this is no HTTP request; the page speaks plain http://")
        if b"\r\n" not in self._bytes[: MOST_LINE + 2] and len(self._bytes) >= MOST_LINE:
            raise RefusedError(414, f"the request line has more than {MOST_LINE} bytes")
        if len(self._bytes) >= MOST_HEAD:
            raise RefusedError(431, f"the headers have more than {MOST_HEAD} bytes")


def _head(data: bytes) -> PageRequest:
    """The request line and the header fields."""
    line, *fields = data.split(b"\r\n")
    if len(line) > MOST_LINE:
        raise RefusedError(414, f"the request line has more than {MOST_LINE} bytes")
    found = _LINE.fullmatch(line)
    if found is None:
        raise RefusedError(400, "the request line cannot be read")
    method, target = found[1].decode("ascii"), found[2].decode("ascii")
    if method not in METHODS:
        allow = (("Allow", ", ".join(METHODS)),)
        raise RefusedError(405, f"the method is {method}, expected {', '.join(METHODS)}", allow)
    path, _, query = target.partition("?")
    if not path.startswith("/") or "#" in target:
        raise RefusedError(400, "the request's target is no path")
    return PageRequest(method, path, _parameters(query), _fields(fields))


def _fields(lines: list[bytes]) -> dict[str, str]:
    """Header fields by lower-case name."""
    if len(lines) > MOST_FIELDS:
        raise RefusedError(431, f"there are more than {MOST_FIELDS} header fields")
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise RefusedError(400, "a header field cannot be read")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        if key not in found:
            found[key] = text
        elif key in _ONCE:
            raise RefusedError(400, f"the header field {key} is there twice")
        else:
            found[key] += f", {text}"
    return found


def _parameters(query: str) -> dict[str, str]:
    """The query's parameters."""
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise RefusedError(400, "the query cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedError(400, "a parameter is there twice")
    return found


def _body_length(head: PageRequest) -> int:
    """How many bytes follow the head."""
    if "transfer-encoding" in head.headers:
        raise RefusedError(400, "Transfer-Encoding is not understood; send a Content-Length")
    said = head.headers.get("content-length")
    if said is None:
        if head.method == "POST":
            raise RefusedError(411, "a POST needs a Content-Length")
        return 0
    if _LENGTH.fullmatch(said) is None:
        raise RefusedError(400, "the Content-Length is no number of at most nine digits")
    if int(said) > MOST_BODY:
        raise RefusedError(413, f"the body has more than {MOST_BODY} bytes")
    if int(said) and head.method != "POST":
        raise RefusedError(400, f"a {head.method} has no body")
    return int(said)

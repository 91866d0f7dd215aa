"""The request parser, against the standard library's and against nonsense."""

import io
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.page.request import (
    MOST_BODY,
    MOST_FIELDS,
    MOST_HEAD,
    MOST_LINE,
    PageRequest,
    RefusedError,
    RequestReader,
)


def read(data: bytes, sizes: list[int] | None = None) -> PageRequest | RefusedError | None:
    """What becomes of these bytes, in pieces of these sizes."""
    reader, place = RequestReader(), 0
    try:
        for size in sizes or []:
            found = reader.feed(data[place : place + size])
            place += size
            if found is not None:
                return found
        return reader.feed(data[place:])
    except RefusedError as error:
        return error


def status(data: bytes) -> int:
    found = read(data)
    assert isinstance(found, RefusedError), found
    return found.status


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40).map(
    lambda text: "".join(c for c in text if not 0x7F <= ord(c) < 0xA0)
)
PATHS = st.from_regex(r"/[A-Za-z0-9_.%~-]{0,30}", fullmatch=True)


class Judge(BaseHTTPRequestHandler):
    """The standard library's reading of a request."""

    def __init__(self, data: bytes) -> None:
        self.rfile, self.wfile = io.BytesIO(data), io.BytesIO()
        self.raw_requestline = self.rfile.readline()
        self.ok = self.parse_request()


@given(PATHS, st.dictionaries(NAMES, VALUES, max_size=6), st.lists(st.integers(1, 40), max_size=8))
def test_valid_requests_are_read_as_the_standard_library_reads_them(path, fields, sizes) -> None:
    fields = {k: v for k, v in fields.items() if k.lower() not in ("transfer-encoding", "expect")}
    fields = {k: v for k, v in fields.items() if k.lower() not in ("content-length", "connection")}
    fields = {name: value.strip(" ") for name, value in fields.items()}
    if len({name.lower() for name in fields}) < len(fields):
        return
    head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    data = (head + "\r\n").encode("latin-1")
    found, judge = read(data, sizes), Judge(data)
    assert judge.ok and isinstance(found, PageRequest)
    assert (found.method, found.path) == (judge.command, judge.path)
    assert found.headers == {key.lower(): value for key, value in judge.headers.items()}


@given(st.binary(max_size=600), st.lists(st.integers(0, 200), max_size=6))
def test_nonsense_is_refused_or_waited_for(data, sizes) -> None:
    found = read(data, sizes)
    assert found is None or isinstance(found, PageRequest) or 400 <= found.status < 500


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 80), st.lists(st.integers(0, 30)))
def test_damaged_requests_end_alike_however_they_are_cut(junk, start, end, sizes) -> None:
    whole = b"POST /limits?a=1&b=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nA: b\r\n\r\nbody"
    data = whole[:start] + junk + whole[max(start, end) :]
    one, other = read(data), read(data, sizes)
    kinds = [getattr(found, "status", found) for found in (one, other)]
    assert kinds[0] == kinds[1]


def test_a_body_is_read_by_its_length_and_nothing_behind_it() -> None:
    data = b"POST /limits HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n"
    found = read(data)
    assert isinstance(found, PageRequest) and found.body == b"body"
    whole = data.index(b"body") + 4
    assert read(data[: whole - 1]) is None


def test_a_query_is_decoded_and_a_path_is_not() -> None:
    found = read(b"GET /a%2fb?camera=front%20door&x= HTTP/1.1\r\nHost: y\r\n\r\n")
    assert isinstance(found, PageRequest)
    assert found.path == "/a%2fb" and found.query == {"camera": "front door", "x": ""}


LINE = b"GET / HTTP/1.1\r\n"
REFUSED = {
    b"\x16\x03\x01\x02\x00\x01": 400,  # https to http
    b"\x00": 400,
    b"\r\n": 400,
    b"GET /\r\n\r\n": 400,
    b"GET  / HTTP/1.1\r\n\r\n": 400,
    b"GET / HTTP/2.0\r\n\r\n": 400,
    b"GET / HTTP/1.1 \r\n\r\n": 400,
    b"GET http://a/ HTTP/1.1\r\n\r\n": 400,
    b"GET /\x00 HTTP/1.1\r\n\r\n": 400,
    b"GET /#a HTTP/1.1\r\n\r\n": 400,
    b"GET /?a=1&a=2 HTTP/1.1\r\n\r\n": 400,
    b"GET /?a=%ff HTTP/1.1\r\n\r\n": 400,
    b"GET /?" + b"a=1&" * 20 + b" HTTP/1.1\r\n\r\n": 400,
    b"get / HTTP/1.1\r\n\r\n": 405,
    b"PUT / HTTP/1.1\r\n\r\n": 405,
    b"CONNECT a:1 HTTP/1.1\r\n\r\n": 405,
    b"OPTIONS * HTTP/1.1\r\n\r\n": 405,
    b"TRACE / HTTP/1.1\r\n\r\n": 405,
    LINE + b" folded\r\n\r\n": 400,
    LINE + b"A: b\r\n c\r\n\r\n": 400,
    LINE + b"A : b\r\n\r\n": 400,
    LINE + b": b\r\n\r\n": 400,
    LINE + b"no colon\r\n\r\n": 400,
    LINE + b"A: \x00\r\n\r\n": 400,
    LINE + b"A: a\rB: b\r\n\r\n": 400,
    LINE + b"A: a\nB: b\r\n\r\n": 400,
    LINE + b"Host: a\r\nhost: b\r\n\r\n": 400,
    LINE + b"Transfer-Encoding: chunked\r\n\r\n": 400,
    LINE + b"Content-Length: 1\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\n\r\n": 411,
    b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: 0x4\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: 4 4\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MOST_BODY + 1): 413,
    b"GET /" + b"a" * MOST_LINE + b" HTTP/1.1\r\n\r\n": 414,
    b"G" * MOST_LINE: 414,
    LINE + b"A: b\r\n" * (MOST_FIELDS + 1) + b"\r\n": 431,
    LINE + b"A: " + b"b" * MOST_HEAD: 431,
    LINE + b"A: " + b"b" * MOST_HEAD + b"\r\n\r\n": 431,
}


@pytest.mark.parametrize("data", REFUSED, ids=lambda data: repr(data[:40])[2:-1])
def test_what_is_wrong_with_a_request_is_said(data: bytes) -> None:
    assert status(data) == REFUSED[data]

"""MJPEG over HTTP: careless, damaged, hanging and hostile servers."""

import base64
import hashlib
import itertools
import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.capture import DamagedFrameError, SourceRefusedError
from edgecnn.camera.sources.http_stream import HttpLimits, MjpegCapture, open_mjpeg
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.network import open_stream
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import CameraError
from tests.camera.clocks import until
from tests.camera.events.servers import certificate, needs_openssl
from tests.camera.http_server import MULTIPART, Server, serving
from tests.camera.test_multipart import body, jpeg

PICTURES = [jpeg(k, (96, 128)) for k in range(5)]
SHORT, LONG = HttpLimits(open_s=0.3, frame_s=0.3), HttpLimits(open_s=30.0, frame_s=30.0)
CHUNKED = MULTIPART.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
LOGIN = "me:p%40ss%2Fhunter2"


def sends(*datas: bytes) -> Callable[[socket.socket, str], None]:
    def answer(connection: socket.socket, head: str) -> None:
        for data in datas:
            connection.sendall(data)

    return answer


def pictures(capture: MjpegCapture, most: int = 1000) -> tuple[int, int]:
    """How many whole and how many damaged pictures there are up to the end."""
    whole = damaged = 0
    while whole + damaged < most:
        try:
            whole += capture.read()[1].decode() is not None
        except DamagedFrameError:
            damaged += 1
        except CameraError:
            break
    capture.release()
    return whole, damaged


def opened(server: Server, login: str = "", limits: HttpLimits = LONG) -> MjpegCapture:
    capture = open_mjpeg(server.url(login), "the stream", limits)
    assert capture is not None
    return capture


def damaged_stream(kind: str) -> bytes:
    """A hundred parts, each fifth of them damaged."""
    out = b""
    for k in range(100):
        data = PICTURES[k % 5]
        length = len(data)
        if k % 5 == 4:
            middle = len(data) // 2
            data, length = {
                "cut": (data[:middle], middle),
                "empty": (b"", 0),
                "noise": (data[:middle] + bytes(range(1, 256)) * 4 + data[middle:], None),
                "no picture": (b"x" * 500, 500),
                "length too great": (data, length + 100),
                "length too small": (data, length - 100),
                "length endless": (data, 10**9),
            }[kind]
        out += body([data], lengths=[length])
    return out


@pytest.mark.parametrize("kind", ["cut", "empty", "noise", "no picture"])
def test_a_fifth_of_damaged_frames_costs_just_these(kind: str) -> None:
    with serving(sends(MULTIPART, damaged_stream(kind))) as server:
        whole, damaged = pictures(opened(server))
    # The last part is empty: that it was one, nobody can see.
    assert whole == 80 and damaged in (19, 20)


@pytest.mark.parametrize("kind", ["great", "small", "endless"])
def test_wrong_lengths_cost_no_frame(kind: str) -> None:
    word = "length endless" if kind == "endless" else f"length too {kind}"
    with serving(sends(MULTIPART, damaged_stream(word))) as server:
        whole, damaged = pictures(opened(server))
    assert (whole, damaged) == (100, 0)


def test_a_source_counts_what_it_skips_and_stays_connected() -> None:
    with serving(lambda connection, _: slowly(connection, server)) as server:
        source = open_source(server.url())
        frames = 0
        with source:
            while frames < 40:
                frames += source.read(0.5) is not None
            assert source.counts.corrupt >= 8 and source.counts.reconnects == 0
    assert len(server.requests) == 1


def slowly(connection: socket.socket, server: Server) -> None:
    connection.sendall(MULTIPART)
    for k in itertools.count():
        connection.sendall(body([PICTURES[k % 5][: 200 if k % 5 == 1 else None]]))
        if server.over.wait(0.002):
            return


def test_pictures_without_an_end_are_believed_after_a_while() -> None:
    last = b"--frame--"
    with serving(sends(MULTIPART, body([data[:-2] for data in PICTURES] * 4), last)) as server:
        assert pictures(opened(server)) == (15, 5)
    mixed = [data[: None if k == 3 else -2] for k, data in enumerate(PICTURES * 4)]
    with serving(sends(MULTIPART, body(mixed), last)) as server:
        assert pictures(opened(server)) == (1, 19)


def test_other_parts_than_pictures_are_passed_over() -> None:
    sound = b"--frame\r\nContent-Type: audio/basic\r\nContent-Length: 4\r\n\r\nabcd\r\n"
    with serving(sends(MULTIPART, sound + body(PICTURES) + sound + body(PICTURES))) as server:
        assert pictures(opened(server)) == (10, 0)


def test_chunks_of_http_are_taken_off() -> None:
    data = body(PICTURES * 3)
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in cut(data, 700))
    with serving(sends(CHUNKED, chunks + b"0\r\n\r\n")) as server:
        assert pictures(opened(server)) == (15, 0)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("head", ["", "text/plain", "image/jpeg", "video/mp4"])
def test_what_is_no_multipart_is_left_to_ffmpeg(head: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: {head}\r\n\r\n" if head else "ICY 200 OK\r\n\r\n"
    with serving(sends(answer.encode())) as server:
        assert open_mjpeg(server.url(), "the stream", LONG) is None


def test_a_web_page_is_no_stream() -> None:
    with (
        serving(sends(b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=x\r\n\r\n")) as server,
        pytest.raises(CameraError, match="web page"),
    ):
        open_source(server.url())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", MULTIPART[:-2], MULTIPART, CHUNKED]),
    st.lists(st.sampled_from([b"\r\n", b"--frame", b": ", b";", b'"', b"multipart/", b"\xff\xd9"])
             | st.binary(max_size=40), max_size=12),
)  # fmt: skip
def test_whatever_a_server_sends_ends_in_an_error_of_ours(start: bytes, more: list[bytes]) -> None:
    data = b"".join(more)
    with serving(sends(start, data)) as server:
        try:
            capture = open_mjpeg(server.url(), "the stream", LONG)
        except CameraError:
            return
        if capture is not None:
            assert pictures(capture, 100)[0] == 0


@needs_openssl
def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, key)
    with serving(sends(MULTIPART, body(PICTURES)), context.wrap_socket) as server:
        url = server.url().replace("http:", "https:")
        with pytest.raises(SourceRefusedError, match="not trusted") as caught:
            open_mjpeg(url, "the stream", LONG)
        assert "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        capture = open_mjpeg(url, "the stream", LONG)
        assert capture is not None and pictures(capture) == (5, 0)
        server.answer = lambda connection, _: (connection.sendall(MULTIPART), server.over.wait(20))
        policy = ReconnectPolicy(attempts=None)
        source = NewestSource(lambda: open_mjpeg(url, "s"), "s", policy, wait=True)
        until(lambda: source._worker.capture is not None)
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 1.5 and not source._worker.thread.is_alive()


def drip(connection: socket.socket, server: Server) -> None:
    while not server.over.wait(0.02):
        connection.sendall(b"x")


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: y", MULTIPART, MULTIPART + b"--frame\r\nA: b\r\n\r\n"],
)
@pytest.mark.parametrize("then", ["hangs", "drips", "floods"])
def test_no_server_can_hold_us_up_or_fill_the_memory(start: bytes, then: str) -> None:
    def answer(connection: socket.socket, head: str) -> None:
        connection.sendall(start)
        if then == "hangs":
            server.over.wait(20)
        elif then == "drips":
            drip(connection, server)
        else:
            while not server.over.is_set():
                connection.sendall(b"x" * (1 << 20))

    with serving(answer) as server:
        began = time.monotonic()
        with pytest.raises(CameraError) as caught:
            capture = open_mjpeg(server.url(), "the stream", SHORT)
            if capture is None:  # no HTTP at all
                raise CameraError("no HTTP", hint="-")
            capture.read()
        assert time.monotonic() - began < 15
    assert "hunter2" not in caught.value.message


def test_a_hanging_server_is_left_and_asked_again() -> None:
    def answer(connection: socket.socket, head: str) -> None:
        connection.sendall(MULTIPART + body(PICTURES[:2]))
        server.over.wait(20)

    policy = ReconnectPolicy(attempts=None, backoff_s=0.01, backoff_max_s=0.02)
    notices = Notices()
    with serving(answer) as server:
        limits = HttpLimits(30.0, 0.5)
        source = NewestSource(
            lambda: open_mjpeg(server.url(), "s", limits), "the stream", policy, notices=notices
        )
        with source:
            until(lambda: source.read(0.02) is not None and source.counts.reconnects >= 2)
            began = time.monotonic()
        assert time.monotonic() - began < 1.5  # a waiting read is woken
    said = [notice.text for notice in notices.take()]
    assert said[0] == "the stream was lost: it sent no whole frame within 0.5 s"
    assert said[1] == "the stream is back"


def wants_login(scheme: str) -> Callable[[socket.socket, str], None]:
    def answer(connection: socket.socket, head: str) -> None:
        found = re.search(r"Authorization: (\w+) (.*)\r\n", head)
        if found and right(found[1], found[2]):
            connection.sendall(MULTIPART + body(PICTURES[:1]))
            return
        challenge = {
            "Basic": 'Basic realm="cam"',
            "Digest": 'Digest realm="cam", nonce="abc", qop="auth", algorithm=MD5',
            "Old": 'Digest realm="cam", nonce="abc"',
            "None": 'Bearer realm="cam"',
        }[scheme]
        connection.sendall(f"HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\n\r\n".encode())

    return answer


def right(scheme: str, value: str) -> bool:
    """Checks an Authorization by RFC 7617 and RFC 2617, for me and p@ss/hunter2."""
    if scheme == "Basic":
        return base64.b64decode(value) == b"me:p@ss/hunter2"
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', value))
    parts = [
        hashlib.md5(text.encode()).hexdigest()
        for text in ("me:cam:p@ss/hunter2", "GET:/video?token=hunter2")
    ]
    middle = [said[key] for key in ("nc", "cnonce", "qop")] if "qop" in said else []
    text = ":".join([parts[0], "abc", *middle, parts[1]])
    return hashlib.md5(text.encode()).hexdigest() == said["response"]


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "Old"])
def test_user_and_password_of_the_url_are_used_when_asked_for(scheme: str) -> None:
    with serving(wants_login(scheme)) as server:
        assert pictures(opened(server, LOGIN)) == (1, 0)
        assert "Authorization" not in server.requests[0]
        for login in ("me:wrong", ""):
            with pytest.raises(SourceRefusedError, match="401 No") as caught:
                opened(server, login)
            assert "wrong" not in caught.value.message
        spec = parse_source(server.url("me"))
        capture = open_stream(spec, {"EDGECNN_SOURCE_PASSWORD": "p@ss/hunter2"})
        assert pictures(capture) == (1, 0)
        with pytest.raises(SourceRefusedError):
            open_stream(spec, {})
    with serving(wants_login("None")) as server, pytest.raises(SourceRefusedError):
        opened(server, LOGIN)


def redirect(target: str) -> Callable[[socket.socket, str], None]:
    return sends(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n".encode())


def test_redirects_are_followed_without_giving_the_password_away() -> None:
    with serving(wants_login("Basic")) as other, serving(redirect(other.url())) as server:
        with pytest.raises(SourceRefusedError):
            opened(server, LOGIN)
        assert all("Authorization" not in head for head in other.requests)
    with serving(redirect("/video?token=hunter2")) as server:
        with pytest.raises(CameraError, match="sends us on and on"):
            opened(server)
        assert len(server.requests) == 6
    for target in ("file:///etc/passwd", "", "ftp://host/"):
        with serving(redirect(target)) as server, pytest.raises(CameraError, match="sends us on"):
            opened(server)


def test_errors_of_the_server_and_the_network_are_told_without_secrets() -> None:
    with serving(sends(b"HTTP/1.1 404 Not Found\r\n\r\n")) as server:
        address, url = server.address, server.url(LOGIN)
        with pytest.raises(CameraError) as caught:
            open_source(url)
        assert (
            caught.value.message
            == f"cannot open http://me:***@{address}/video: it answers 404 Not Found"
        )
    with pytest.raises(CameraError, match="Connection refused") as caught:
        open_source(url)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_stream_that_is_not_there_yet_is_waited_for() -> None:
    with serving(sends(b"HTTP/1.1 503 Later\r\n\r\n")) as server:
        notices = Notices()
        policy = ReconnectPolicy(backoff_s=0.01, backoff_max_s=0.02)
        with open_source(
            server.url(), SourceOptions(wait=True, reconnect=policy), notices
        ) as source:
            assert source.live and source.read(0.01) is None
            until(lambda: len(server.requests) > 3)
            server.answer = lambda connection, _: slowly(connection, server)
            until(lambda: source.read(0.1) is not None)
    assert [notice.kind for notice in notices.take()] == ["source_waiting", "source_back"]

"""Those who should not get in, and those who only want to do harm."""

import contextlib
import json
import os
import select
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from edgecnn.camera.page import connection, server
from edgecnn.camera.page.access import to_ip
from edgecnn.camera.page.recordings import RecordingFolder, Recordings
from tests.camera.clocks import until
from tests.camera.page.served import HTML, TOKEN, Served, read_all, served, status_of

resource = pytest.importorskip("resource")
ELSEWHERE = "Host: evil.example"


def refused(answer: tuple[int, bytes]) -> int:
    """The status of an answer that says why in one line, and gives nothing away."""
    status, data = answer
    body = data.partition(b"\r\n\r\n")[2]
    assert HTML not in data and TOKEN.encode() not in data
    assert status and list(json.loads(body)) == ["error"] and b"\n" not in body
    return status


@pytest.mark.parametrize("path", ["/", "/about", "/live", "/snapshot.jpg", "/recordings", "/x"])
def test_a_name_that_is_not_this_machines_is_refused_everywhere(path: str) -> None:
    with served() as site:
        # What a site does whose name was bound to this address after it was loaded.
        assert refused(site.get(path, ELSEWHERE)) == 421
        assert refused(site.get(path, f"Host: evil.example:{site.port}")) == 421


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:9000", 200), ("127.0.0.1", 200), ("127.1.2.3:1", 200),
        ("[::1]:9000", 200), (socket.gethostname(), 200), ("[::ffff:127.0.0.1]", 200),
        ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421), ("0.0.0.0", 421),
        ("192.168.7.7", 421), ("[2001:db8::1]", 421), ("127.1", 421), ("2130706433", 421),
        ("", 400), ("a b", 400), ("user@localhost", 400), ("localhost:http", 400),
        ("localhost/x", 400), ("[::1", 400), ("localhost, evil.example", 400),
    ],
)  # fmt: skip
def test_which_names_are_this_machines(host: str, status: int) -> None:
    with served() as site:
        assert site.get("/", f"Host: {host}")[0] == status


def test_without_a_name_there_is_no_page() -> None:
    with served() as site:
        assert refused(site.raw(b"GET / HTTP/1.1\r\n\r\n")) == 400
        assert refused(site.raw(b"GET / HTTP/1.0\r\n\r\n")) == 400
        assert refused(site.get("/", "Host: localhost", ELSEWHERE)) == 400


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (("Origin: http://evil.example",), "/about", 403),
        (("Origin: null",), "/about", 403),
        (("Origin: http://localhost:1",), "/about", 403),
        (("Origin: http://localhost",), "/about", 200),
        (("Sec-Fetch-Site: cross-site",), "/snapshot.jpg", 403),
        (("Sec-Fetch-Site: same-site",), "/about", 403),
        (("Sec-Fetch-Site: same-origin",), "/about", 200),
        (("Sec-Fetch-Site: none",), "/", 200),
        (("Sec-Fetch-Site: cross-site",), "/", 403),
        (
            ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
            "/", 200,
        ),
        (
            ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"),
            "/", 403,
        ),
        (
            ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"),
            "/about", 403,
        ),
    ],
)  # fmt: skip
def test_other_sites_may_link_here_and_nothing_else(headers, path, status) -> None:
    with served() as site:
        assert site.get(path, "Host: localhost", *headers)[0] == status


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_form_elsewhere_moves_nothing(kind: str) -> None:
    with served() as site:
        body = b'{"label": "red", "score": 0.9}'
        head = f"POST /limits HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        data = (head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode() + body
        assert refused(site.raw(data)) == 415
        assert site.controls.now["red"] == 0.5


def own_address() -> str:
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    ip = to_ip(address)
    if ip is None or ip.is_loopback or ip.is_unspecified:
        pytest.skip("this machine has no address but its own")
    return address


def test_beyond_this_machine_everything_needs_the_token() -> None:
    with served("0.0.0.0", token=TOKEN, reach=own_address()) as site:
        for path in ("/", "/about", "/live", "/stream.mjpg", "/snapshot.jpg", "/recordings", "/x"):
            assert refused(site.get(path)) == 401
        wrong = (TOKEN[:-1], TOKEN + "x", "", "é" * 20, TOKEN.upper())
        for token in wrong:
            assert refused(site.get("/about", f"Authorization: Bearer {token}")) == 401
            assert refused(site.get("/about", f"Cookie: edgecnn-{site.port}={token}")) == 401
        assert refused(site.get("/?token=wrong")) == 401
        # Elsewhere in the address it would stay in histories and logs, and is no way in.
        assert refused(site.get(f"/about?token={TOKEN}")) == 401
        assert refused(site.get("/about", ELSEWHERE, f"Authorization: Bearer {TOKEN}")) == 421
        # This machine's own loopback is no other way in: a proxy may stand there.
        with socket.create_connection(("127.0.0.1", site.port)) as stream:
            stream.sendall(b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert refused(status_of(read_all(stream))) == 401


def test_the_token_lets_in_as_a_link_a_cookie_and_a_bearer() -> None:
    with served("0.0.0.0", token=TOKEN, reach=own_address()) as site:
        answer, body = site.ask(f"/?token={TOKEN}")
        assert answer.status == 303 and answer.getheader("Location") == "/" and body == b""
        cookie = answer.getheader("Set-Cookie") or ""
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Domain" not in cookie
        pair = cookie.partition(";")[0]
        assert site.ask("/", headers={"Cookie": f"a=b; {pair}; c=d"})[1] == HTML
        assert site.ask("/about", headers={"Authorization": f"Bearer {TOKEN}"})[0].status == 200
        # The token of the environment is known to whoever set it, and is said nowhere.
        assert TOKEN not in site.page.line


def test_a_token_is_made_anew_at_each_start_and_said_in_the_address() -> None:
    own_address()
    lines = []
    for _ in range(2):
        with served("0.0.0.0") as site:
            lines.append(site.page.line)
    tokens = {line.partition("?token=")[2].split()[0] for line in lines}
    assert len(tokens) == 2 and all(len(token) >= 32 for token in tokens)
    with served() as site:
        assert "token" not in site.page.line


TRAVERSALS = [
    "../secret", "..%2fsecret", "%2e%2e%2fsecret", "%2e%2e/secret", "..%252fsecret", "..\\secret",
    "..%5csecret", "%c0%ae%c0%ae%c0%afsecret", "/secret", "//etc/passwd", "%00", "secret%00.mkv",
    "./000007_2026-11-22T04-12-18Z.mkv", "../in/000007_2026-11-22T04-12-18Z.mkv",
    "..%2fin%2f000007_2026-11-22T04-12-18Z.mkv", "%2fetc%2fpasswd", "", ".", "..", "%",
    "000007_2026-11-22T04-12-18Z.mkv%00", "000007_2026-11-22T04-12-18Z.mkv/",
    "000007_2026-11-22T04-12-18Z.mkv%0a", "0000007_2026-11-22T04-12-18Z.mkv", "C:secret",
]  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out_of_the_folders(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "000007_2026-11-22T04-12-18Z.mkv").write_bytes(b"secret")
    with served(recordings=Recordings((RecordingFolder("recording", folder),))) as site:
        answer = site.get(f"/recordings/{name}")
        assert refused(answer) == 404 and b"secret" not in answer[1]
        assert site.get("/recordings/000007_2026-11-22T04-12-18Z.mkv")[0] == 200


def test_what_is_asked_too_much_or_wrongly_is_refused_over_the_line() -> None:
    with served() as site:
        host = "Host: localhost"
        assert refused(site.get("/", host, "A: " + "b" * 100_000)) == 431
        assert refused(site.get("/", host, *["A: b"] * 500)) == 431
        assert refused(site.get("/" + "a" * 50_000, host)) == 414
        assert refused(site.get("/", host, method="DELETE")) == 405
        assert refused(site.get("/limits", host)) == 405
        assert refused(site.raw(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                                b"Content-Type: application/json\r\n\r\n")) == 405  # fmt: skip
        huge = b"POST /limits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
        assert refused(site.raw(huge + b"a" * 200_000)) == 413
        chunked = b"POST /limits HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        assert refused(site.raw(chunked)) == 400
        assert refused(site.raw(b"\x16\x03\x01" + os.urandom(200))) == 400
        assert site.get("/")[0] == 200


def test_a_request_that_trickles_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(connection, "ASKING_S", 0.3)
    with served() as site, site.connect() as slow, site.connect() as silent:
        for byte in b"GET / HTTP/1.1\r\nHost: loc":
            slow.send(bytes([byte]))
            if select.select([slow], [], [], 0.04)[0]:
                break
        assert refused(status_of(read_all(slow))) == 408
        assert refused(status_of(read_all(silent))) == 408


def test_who_has_said_all_and_waits_is_answered() -> None:
    with served() as site, site.connect() as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.shutdown(socket.SHUT_WR)
        assert status_of(read_all(stream))[0] == 200
    with served() as site, site.connect() as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nHost")
        stream.shutdown(socket.SHUT_WR)
        assert read_all(stream) == b""


def test_who_vanishes_harms_nobody(tmp_path: Path) -> None:
    name = "000007_2026-11-22T04-12-18Z.mkv"
    with (tmp_path / name).open("wb") as file:
        file.truncate(64 << 20)
    recordings = Recordings((RecordingFolder("recording", tmp_path),))
    with served(recordings=recordings) as site, site.running():
        for path in (f"/recordings/{name}", "/live", "/stream.mjpg", "/snapshot.jpg", "/about"):
            for _ in range(3):
                stream = site.connect()
                stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                stream.recv(100)
                # A reset, in the middle of the answer.
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                stream.close()
        live = site.live()
        until(lambda: live.until("status")[0]["viewers"] == 1)
        live.close()
        until(lambda: site.frame() == "nothing")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def flood(site: Served, count: int) -> list[socket.socket]:
    """So many connections that say nothing, as far as the system lets them be opened."""
    streams = []
    for _ in range(count):
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex((site.host, site.port))
        streams.append(stream)
    return streams


def test_a_crowd_that_says_nothing_keeps_nobody_out() -> None:
    with served() as site, site.running():
        live = site.live()
        crowd = flood(site, 150)
        threads, files = threading.active_count(), open_files()
        for _ in range(3):
            assert site.ask("/about")[0].status == 200
            assert live.until("frame")[1]
        # Of the crowd a few may wait, the others were told off; there is no thread for any.
        assert threading.active_count() <= threads + 3
        assert open_files() - files <= server._MOST_ASKING + 8
        for stream in crowd:
            stream.close()
        live.close()


def test_too_many_viewers_are_told_so_and_there_is_room_when_they_leave() -> None:
    with served() as site:
        streams = [site.live() for _ in range(server.MOST_STREAMS)]
        assert {stream.answer.status for stream in streams} == {200}
        late = site.live()
        assert late.answer.status == 503 and b"too many" in late.answer.read()
        assert site.ask("/about")[0].status == 200
        for stream in streams:
            stream.close()
        until(lambda: site.live().answer.status == 200)


@pytest.mark.long
def test_a_thousand_connections_leave_the_loop_alone() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with served() as site, site.running():
            crowd = flood(site, 1000)
            live = site.live()
            for _ in range(10):
                assert site.ask("/about")[0].status == 200
                assert live.until("frame")[1]
            live.close()
            for stream in crowd:
                stream.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.long
def test_when_no_descriptor_is_left_it_waits_and_goes_on() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with served() as site, socket.socket() as stream:
        stream.settimeout(20)
        fillers = [os.dup(0) for _ in range(40)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, hard))
        try:
            used = time.process_time()
            stream.connect((site.host, site.port))
            stream.sendall(b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert select.select([stream], [], [], 1.0) == ([], [], [])
            # It does not spin meanwhile.
            assert time.process_time() - used < 0.5
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        assert status_of(read_all(stream))[0] == 200

"""Viewers that are slow, stalled or many: nothing grows, and the loop does not notice."""

import asyncio
import json
import socket
import threading
from typing import Any

import pytest

from edgecnn.camera.page import connection
from edgecnn.camera.page.viewers import Viewer
from tests.camera.clocks import until
from tests.camera.page.served import served


class Pipe:
    """A transport that takes so many bytes, and then holds what it is given."""

    def __init__(self, takes: int) -> None:
        self.takes, self.held, self.sent = takes, 0, b""
        self.viewer: Viewer | None = None

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def get_extra_info(self, name: str) -> None:
        return None

    def get_write_buffer_size(self) -> int:
        return self.held

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.sent += data
        self.held += max(0, len(data) - self.takes)
        self.takes = max(0, self.takes - len(data))
        if self.held and self.viewer is not None:
            self.viewer.pause()

    def drain(self) -> None:
        self.held, self.takes = 0, 1 << 20
        assert self.viewer is not None
        self.viewer.resume()


def viewer_on(pipe: Any) -> Viewer:
    pipe.viewer = Viewer(pipe)
    return pipe.viewer


def test_a_stalled_viewer_has_one_frame_waiting_and_gets_the_newest_later() -> None:
    pipe = Pipe(takes=3)
    viewer = viewer_on(pipe)
    for number in range(1000):
        viewer.show("frame", b"%4d" % number)
    assert pipe.sent == b"   0" and viewer.waiting == 1 + 4
    pipe.drain()
    assert pipe.sent == b"   0 999" and viewer.waiting == 0


def test_what_happened_comes_before_frames_and_only_the_last_hundred_wait() -> None:
    pipe = Pipe(takes=0)
    viewer = viewer_on(pipe)
    viewer.show("frame", b"f")
    for number in range(500):
        viewer.tell(b"<%d>" % number)
        viewer.show("status", b"[%d]" % number)
    viewer.show("frame", b"F")
    pipe.drain()
    happened = b"".join(b"<%d>" % number for number in range(400, 500))
    assert pipe.sent == b"f" + happened + b"[499]F"


def test_the_loop_goes_on_beside_a_viewer_that_takes_nothing() -> None:
    noise = (1920, 1080)
    with served() as site:
        stalled = site.connect()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: site.frame() == "raw")
        live = site.live()
        # Far more than any buffer between the two holds.
        for _ in range(60):
            until(lambda: site.frame(size=noise) == "raw")
            assert live.until("frame")[1]
        camera = site.page._cameras[""]
        held = sorted(viewer.waiting for viewer in camera.viewers)
        assert len(held) == 2 and held[1] < 1 << 20
        stalled.close()
        live.close()


def test_one_that_takes_nothing_for_long_is_dropped(monkeypatch) -> None:
    monkeypatch.setattr(connection, "STALLED_S", 0.3)
    with served() as site, site.running():
        stalled = site.connect()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        live = site.live()
        until(lambda: site.page._cameras[""].watched == 2)
        until(lambda: site.page._cameras[""].watched == 1)
        # The one that reads is still there.
        assert live.until("frame")[1]
        live.close()
        stalled.close()


def test_nobody_watches_and_nothing_is_drawn_encoded_or_copied(monkeypatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr("edgecnn.camera.page.encode.made_of", lambda *given: made.append(given))
    before = threading.active_count()
    with served() as site:
        assert {site.frame() for _ in range(200)} == {"nothing"}
        assert made == [] and threading.active_count() == before + 1
        assert json.loads(site.ask("/about")[1])["cameras"]


def test_all_viewers_get_the_same_frames_encoded_once(monkeypatch) -> None:
    from edgecnn.camera.page import encode

    counted = []
    real = encode.to_jpeg
    monkeypatch.setattr(encode, "to_jpeg", lambda *given: counted.append(1) or real(*given))
    with served() as site:
        streams = [site.live() for _ in range(5)]
        until(lambda: site.page._cameras[""].watched == 5)
        for _ in range(4):
            until(lambda: site.frame() == "raw")
            pictures = {stream.until("frame")[1] for stream in streams}
            assert len(pictures) == 1
        assert len(counted) == 4
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("drawn", [False, True])
def test_a_frame_that_is_no_jpeg_is_left_out(drawn: bool) -> None:
    with served() as site:
        camera = site.page._cameras[""]
        asked = asyncio.run_coroutine_threadsafe(camera.snapshot(drawn), site.page._server._loop)
        until(lambda: site.frame(size=(70000, 2)) != "nothing")
        with pytest.raises(Exception, match="too large"):
            asked.result(20)

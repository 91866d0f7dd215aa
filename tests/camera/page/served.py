"""A page that is served, and frames that come to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices
from edgecnn.camera.overlay import OverlayOptions
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.page.live import CameraFacts
from edgecnn.camera.page.open import Page, open_page
from edgecnn.camera.page.routes import PageFacts
from edgecnn.camera.result import FrameResult, Item
from edgecnn.camera.seen import Picture, Seen
from edgecnn.camera.sources.frames import Frame, SourceCounts
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import UsageError

HTML = b"<!doctype html><title>page</title>"
POLICY = "default-src 'none'"
TOKEN = "a-token-of-sixteen-or-more"
SIZE = (640, 480)


class Limits:
    """Implements ``Controls`` with a dictionary."""

    def __init__(self) -> None:
        self.now = {"red": 0.5, "green": 0.5}
        self.told: list[tuple[str | None, float]] = []

    def limits(self) -> dict[str, float]:
        return dict(self.now)

    def set_limit(self, label: str | None, score: float) -> None:
        if label is not None and label not in self.now:
            raise UsageError(f"no class '{label}'", hint="")
        for name in self.now if label is None else [label]:
            self.now[name] = score

    def said(self, label: str | None, score: float) -> None:
        self.told.append((label, score))


class FixedSource:
    counts = SourceCounts(dropped=3)


@dataclass
class Served:
    """A page on a port of this machine, and its loop's end of it."""

    page: Page
    host: str
    port: int
    controls: Limits
    notices: Notices
    sinks: dict[str, Any]
    number: int = 0
    taken: list[str] = field(default_factory=list)

    def frame(self, camera: str = "", *, events: tuple[Event, ...] = (), size: Any = SIZE) -> str:
        """Gives the page a frame as the loop does; returns which pixels it wanted."""
        self.number += 1
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[:, :, 2] = 200
        moment = Instant(time.monotonic(), time.time())
        frame = Frame(image, self.number, moment, self.number / 30, 1.0)
        item = Item("red", 0, 0.75, (40.0, 30.0, 200.0, 220.0))
        result = FrameResult(self.number, self.number / 30, moment, 5.0, (item,), {"infer": 4.0})
        sink = self.sinks[camera]
        wanted = sink.wants
        keep = wanted == "both"
        picture = Picture(image, result, OverlayOptions(), None, keep, StageTimes())
        sink.put(Seen(frame, result, picture, events))
        self.taken.append(wanted)
        return wanted

    @contextlib.contextmanager
    def running(self, camera: str = "", fps: float = 100.0) -> Iterator[None]:
        """Frames come all the time."""
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(1 / fps):
                self.frame(camera)

        thread = threading.Thread(target=loop, name="test-loop")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=20)

    def raw(self, data: bytes, *, pause: Callable[[], object] | None = None) -> tuple[int, bytes]:
        """Status (0: none) and everything of the answer to these very bytes."""
        with self.connect() as stream:
            with contextlib.suppress(OSError):
                stream.sendall(data)
            if pause is not None:
                pause()
            return status_of(read_all(stream))

    def get(self, path: str, *headers: str, method: str = "GET") -> tuple[int, bytes]:
        head = [f"{method} {path} HTTP/1.1", *headers]
        if not any(line.lower().startswith("host:") for line in headers):
            head.insert(1, f"Host: {self.host}:{self.port}")
        return self.raw(("\r\n".join(head) + "\r\n\r\n").encode("latin-1"))

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=20)

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """An answer by the standard library's client."""
        client = self.client()
        sent = None if body is None else json.dumps(body)
        given = {**({"Content-Type": "application/json"} if sent else {}), **(headers or {})}
        client.request(method, path, sent, given)
        answer = client.getresponse()
        data = answer.read()
        client.close()
        return answer, data

    def live(self, camera: str | None = None) -> LiveStream:
        return LiveStream(self, "/live" if camera is None else f"/live?camera={camera}")


class LiveStream:
    """Reads ``/live`` message by message, as its description says."""

    def __init__(self, served: Served, path: str) -> None:
        self._client = served.client()
        self._client.request("GET", path)
        self.answer = self._client.getresponse()

    def next(self) -> tuple[dict[str, Any], bytes]:
        sizes = self._read(8)
        text, jpeg = int.from_bytes(sizes[:4], "big"), int.from_bytes(sizes[4:], "big")
        return json.loads(self._read(text)), self._read(jpeg)

    def until(self, kind: str) -> tuple[dict[str, Any], bytes]:
        while True:
            message, jpeg = self.next()
            if message["kind"] == kind:
                return message, jpeg

    def close(self) -> None:
        self.answer.close()
        self._client.close()

    def _read(self, size: int) -> bytes:
        data = self.answer.read(size)
        if len(data) < size:
            raise EOFError
        return data


def read_all(stream: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(OSError):
        while piece := stream.recv(1 << 16):
            data += piece
    return data


def status_of(data: bytes) -> tuple[int, bytes]:
    return (int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else 0), data


@contextlib.contextmanager
def served(
    host: str = "127.0.0.1",
    *,
    token: str | None = None,
    cameras: tuple[str, ...] = ("",),
    reach: str | None = None,
    **facts: Any,
) -> Iterator[Served]:
    """A page with one camera, whose frames the test gives."""
    controls, notices = Limits(), Notices()
    given = {"controls": controls, "labels": ("red", "green"), **facts}
    about = PageFacts(HTML, POLICY, "1.2.3", {"name": "net"}, **given)
    names = [CameraFacts(name, f"source {name}", True) for name in cameras]
    page = open_page(PageConfig(host, 0, token=token), about, names, notices)
    assert page is not None
    port = int(page.addresses[0].rpartition(":")[2].split("/")[0])
    sinks = {name: page.sink_of(name, True, StageTimes(), FixedSource()) for name in cameras}
    try:
        yield Served(page, reach or host, port, controls, notices, sinks)
    finally:
        page.close("the test is over")
        for sink in sinks.values():
            sink.finish()
        assert [notice.text for notice in notices.take()] == []

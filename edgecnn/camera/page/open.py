"""Opens the live page."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from edgecnn.camera.loop import OnNotice
from edgecnn.camera.notices import LoopNotice, Notices
from edgecnn.camera.page.access import Access, own_names
from edgecnn.camera.page.addresses import bracketed, is_local, listen, reachable
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.page.encode import Encoded
from edgecnn.camera.page.live import CameraFacts, WatchedCamera
from edgecnn.camera.page.routes import PageFacts, Site
from edgecnn.camera.page.server import PageServer
from edgecnn.camera.page.sink import CameraSink
from edgecnn.camera.seen import FrameSink
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import CameraError, UsageError

#: Files that are read, listings and the machine's health, which may all wait for something.
_FILE_THREADS = 3
#: Ports that are tried one after the other where none was asked for.
_TRIED = 20


class Page:
    """The page while it is served. Any thread may call its methods.

    Args:
        server: not started yet.
        site: what it serves.
        cameras: what is watched.
        addresses: URLs under which it is reached; with a token they let the reader in.
    """

    def __init__(
        self,
        server: PageServer,
        site: Site,
        cameras: Sequence[WatchedCamera],
        addresses: tuple[str, ...],
    ) -> None:
        self._server, self._site = server, site
        self._cameras = {camera.facts.name: camera for camera in cameras}
        self.addresses = addresses
        for camera in cameras:
            camera.sink.connect(
                partial(self._deliver, camera), partial(server.call, site.event), site.failed
            )
        server.start()

    def sink_of(self, name: str | None, live: bool, times: StageTimes, source: Source) -> FrameSink:
        """The sink that brings a camera's frames and events to the page, now that it is open.

        Args:
            name: None: it has none.
            live: its frames come in real time.
            times: of its stages.
            source: counts what is lost.
        """
        camera = self._cameras[name or ""]
        camera.facts = replace(camera.facts, live=live, times=times, counts=lambda: source.counts)
        return camera.sink

    @property
    def line(self) -> str:
        """Where it is, for people."""
        return f"page: {' or '.join(self.addresses)}"

    def notices_to(self, also: OnNotice | None) -> OnNotice:
        """What shows notices on the page, and hands them on."""

        def on_notice(notice: LoopNotice) -> None:
            self._server.call(self._site.notice, notice)
            if also is not None:
                also(notice)

        return on_notice

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close("lost" if isinstance(error, CameraError) else "the program has ended")

    def close(self, why: str) -> None:
        """Tells those who watch why, and closes within about a second. Idempotent."""
        self._server.call(self._site.ends, why)
        self._server.close()

    def _deliver(self, camera: WatchedCamera, encoded: Encoded) -> None:
        if not self._server.call(camera.deliver, encoded):
            camera.sink.encoder.done()


def open_page(
    config: PageConfig,
    facts: PageFacts,
    cameras: Sequence[CameraFacts],
    notices: Notices,
) -> Page | None:
    """Listens, and serves the page on a thread of its own.

    Args:
        config: where; without having been asked for it moves to a port that is free.
        facts: what is shown.
        cameras: what is watched, as far as it is known before they are open.
        notices: get what is wrong with the server itself.

    Returns:
        None: it was not asked for, and cannot be had.

    Raises:
        UsageError: it was asked for, and the host or port cannot be had.
    """
    sockets = None
    for port in (config.port,) if config.asked else range(config.port, config.port + _TRIED):
        try:
            sockets = listen(config.host, port)
            break
        except UsageError:
            if config.asked:
                raise
    if sockets is None:
        return None
    port = sockets[0].getsockname()[1]
    token = None if is_local(sockets) else config.token or secrets.token_urlsafe(24)
    access = Access(own_names(config.host), token, f"edgecnn-{port}")
    files = ThreadPoolExecutor(_FILE_THREADS, "edgecnn-page-files")
    watched = [WatchedCamera(camera, CameraSink(camera.name)) for camera in cameras]
    site = Site(facts, access, files, watched, _once(notices))
    # Whoever gave a token knows it; it need not stand in a log.
    shown = "" if token is None or config.token else f"?token={token}"
    urls = tuple(f"http://{bracketed(host)}:{port}/{shown}" for host in reachable(config.host))
    return Page(PageServer(sockets, site, files), site, watched, urls)


def _once(notices: Notices) -> Callable[[BaseException], None]:
    """Says the first error of ours."""
    said: list[str] = []

    def failed(error: BaseException) -> None:
        if not said:
            said.append("")
            text = f"the live page has an error of its own: {type(error).__name__}: {error}"
            notices.say("page_failed", text.splitlines()[0])

    return failed

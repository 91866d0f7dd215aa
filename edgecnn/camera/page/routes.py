"""What the page's server answers: each path, and what those who watch are told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgecnn.camera.clock import SYSTEM_CLOCK
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import LoopNotice
from edgecnn.camera.page.access import Access
from edgecnn.camera.page.bucket import Bucket
from edgecnn.camera.page.connection import Answer, StreamReply
from edgecnn.camera.page.controls import Controls
from edgecnn.camera.page.encode import json_message
from edgecnn.camera.page.live import BOUNDARY, WatchedCamera
from edgecnn.camera.page.recordings import Recordings
from edgecnn.camera.page.reply import JSON, Headers, Reply, head, json_reply
from edgecnn.camera.page.request import PageRequest, RefusedError
from edgecnn.camera.page.share import Share
from edgecnn.camera.page.status import MachineState, ReadMachine, StatusSampler
from edgecnn.camera.page.viewers import Viewer
from edgecnn.core.errors import UsageError

T = TypeVar("T")

_HISTORY, _EVENTS = 180, 50
_RECORDINGS = "/recordings/"
#: How often the machine's health is read, in ticks; asking a Pi starts a program.
_MACHINE_TICKS = 5
#: So long a disk may take to answer.
_DISK_S = 10.0
#: So long a list of recordings is good: reading a large folder takes the loop's time.
_LISTED_S = 1.0
#: So long a limit must rest before the event log is told.
_RESTS_S = 1.0


@dataclass(frozen=True)
class PageFacts:
    """What the page shows that does not change, and what it may do.

    Attributes:
        html, policy: the page itself, and its Content-Security-Policy.
        version: of the program.
        model: the card of what runs, plain JSON values.
        labels: of the model's classes.
        colours: label → ``#rrggbb``.
        controls: moves limits; None: nobody may.
        recordings: what is recorded; None: nothing is.
        machine: reads the machine's health; None: it is not known.
    """

    html: bytes
    policy: str
    version: str
    model: Mapping[str, Any]
    labels: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    controls: Controls | None = None
    recordings: Recordings | None = None
    machine: ReadMachine | None = None


class Site:
    """Everything behind the server's door; used on the server's thread.

    Args:
        facts: what is shown.
        access: who may ask.
        files: threads for what waits for a disk or another program.
        cameras: all there will be.
        failed: gets errors of ours.
    """

    def __init__(
        self,
        facts: PageFacts,
        access: Access,
        files: Executor,
        cameras: Sequence[WatchedCamera],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._facts, self._access, self._files = facts, access, files
        self.failed = failed
        self._began = SYSTEM_CLOCK.now().iso()
        self._limits_at_start = facts.controls.limits() if facts.controls is not None else {}
        self._cameras = {camera.facts.name: camera for camera in cameras}
        self._sampler = StatusSampler()
        self._history: deque[dict[str, Any]] = deque(maxlen=_HISTORY)
        self._events: deque[bytes] = deque(maxlen=_EVENTS)
        self._ticks, self._share = 0, Share()
        self._moves = Bucket(30, 30)
        self._resting: dict[str | None, asyncio.TimerHandle] = {}
        self._why = "the program has ended"
        self._listed: asyncio.Future[list[dict[str, Any]]] | None = None
        self._listed_until_s = 0.0
        self._machine: asyncio.Future[MachineState] | None = None
        self._get: dict[str, Callable[[PageRequest], Awaitable[Answer]]] = {
            "/": self._page,
            "/about": self._about,
            "/live": self._live,
            "/stream.mjpg": self._stream,
            "/snapshot.jpg": self._snapshot,
            "/recordings": self._listing,
        }
        self._post: dict[str, Callable[[PageRequest], Awaitable[Answer]]] = {
            "/limits": self._limits
        }

    async def answer(self, request: PageRequest, local: str) -> Answer:
        """See :class:`edgecnn.camera.page.connection.ConnectionOwner`."""
        self._access.check(request, local)
        self._access.check_token(request)
        posts = request.method == "POST"
        table, other = (self._post, self._get) if posts else (self._get, self._post)
        route = table.get(request.path)
        if route is None and not posts and request.path.startswith(_RECORDINGS):
            route = self._recording
        if route is None and request.path in other:
            allowed = "GET, HEAD" if posts else "POST"
            raise RefusedError(405, f"{request.path} takes {allowed} alone", (("Allow", allowed),))
        if route is None:
            raise RefusedError(404, "there is no such page")
        return await route(request)

    def tick(self) -> None:
        """Makes the second's status, and sends it."""
        if self._facts.machine is not None:
            self._read_machine(self._facts.machine)
        status = self._sampler.sample(self._cameras.values())
        self._history.append(status)
        self._show("status", json_message(status))
        self._share.step()
        watched = sum(camera.watched > 0 for camera in self._cameras.values())
        for camera in self._cameras.values():
            camera.sink.encoder.allow(self._share.value / max(1, watched), self._share.ample)

    def event(self, event: Event) -> None:
        """Something was seen, or has happened."""
        message = json_message({"kind": "event", "event": event.to_json()})
        self._events.append(message)
        for viewer in self._viewers():
            viewer.tell(message)

    def notice(self, notice: LoopNotice) -> None:
        """Something has happened to a source or an output."""
        message = json_message({"kind": "notice", "text": notice.text, "time": notice.moment.iso()})
        for viewer in self._viewers():
            viewer.tell(message)

    def ends(self, why: str) -> None:
        """Why the loop ended, for those who watch."""
        self._why = why

    def say_the_end(self) -> None:
        """The last message."""
        for timer in self._resting.values():
            timer.cancel()
        for viewer in self._viewers():
            viewer.tell(json_message({"kind": "end", "why": self._why}))

    def _viewers(self) -> frozenset[Viewer]:
        return frozenset().union(*(camera.viewers for camera in self._cameras.values()))

    def _show(self, kind: str, message: bytes) -> None:
        for viewer in self._viewers():
            viewer.show(kind, message)

    def _read_machine(self, read: ReadMachine) -> None:
        """Takes what was read meanwhile, and asks again after a few seconds."""
        self._ticks += 1
        if self._machine is not None and self._machine.done():
            if self._machine.exception() is None:
                self._sampler.machine = self._machine.result()
            self._machine = None
        if self._machine is None and self._ticks % _MACHINE_TICKS == 1:
            self._machine = asyncio.get_running_loop().run_in_executor(self._files, read)

    async def _on_disk(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls it on another thread."""
        called = asyncio.get_running_loop().run_in_executor(self._files, function, *arguments)
        try:
            return await asyncio.wait_for(called, _DISK_S)
        except TimeoutError:
            raise RefusedError(503, "the disk does not answer") from None

    def _camera(self, request: PageRequest) -> WatchedCamera:
        """The camera that is asked for; without a name the first."""
        name = request.query.get("camera")
        if name is None:
            name = next(iter(self._cameras))
        camera = self._cameras.get(name)
        if camera is None:
            raise RefusedError(404, "there is no such camera")
        return camera

    async def _page(self, request: PageRequest) -> Answer:
        if self._access.login(request):
            headers: Headers = (("Location", "/"), ("Set-Cookie", self._access.cookie_header()))
            return Reply(b"", "text/plain", 303, headers)
        headers = (("Content-Security-Policy", self._facts.policy),)
        return Reply(self._facts.html, "text/html; charset=utf-8", headers=headers)

    async def _about(self, _: PageRequest) -> Answer:
        facts = self._facts
        cameras = [
            {
                "name": camera.facts.name,
                "source": camera.facts.source,
                "live": camera.facts.live,
                "places": camera.places_json(),
            }
            for camera in self._cameras.values()
        ]
        return json_reply(
            {
                "version": facts.version,
                "model": dict(facts.model),
                "cameras": cameras,
                "labels": list(facts.labels),
                "colours": dict(facts.colours),
                "limits": facts.controls.limits() if facts.controls is not None else {},
                "limits_at_start": self._limits_at_start,
                "controls": facts.controls is not None,
                "recordings": facts.recordings is not None,
                "history": list(self._history),
                "counts_since": self._began,
            }
        )

    async def _live(self, request: PageRequest) -> Answer:
        camera = self._camera(request)

        def join(viewer: Viewer) -> Callable[[], None]:
            for message in self._events:
                viewer.tell(message)
            return camera.join(viewer, drawn=False)

        return StreamReply(head(200, "application/octet-stream"), join)

    async def _stream(self, request: PageRequest) -> Answer:
        camera = self._camera(request)
        kind = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        return StreamReply(head(200, kind), lambda viewer: camera.join(viewer, drawn=True))

    async def _snapshot(self, request: PageRequest) -> Answer:
        camera = self._camera(request)
        if request.method == "HEAD":
            return Reply(b"", "image/jpeg")
        drawn = request.query.get("drawn", "0") not in ("", "0")
        return Reply(await camera.snapshot(drawn), "image/jpeg")

    async def _listing(self, _: PageRequest) -> Answer:
        if self._facts.recordings is None:
            return json_reply([])
        now_s = asyncio.get_running_loop().time()
        if self._listed is None or now_s >= self._listed_until_s:
            self._listed_until_s = now_s + _LISTED_S
            self._listed = asyncio.ensure_future(self._on_disk(self._facts.recordings.listing))
            # Where those who asked are gone, what went wrong is nobody's.
            self._listed.add_done_callback(lambda done: done.cancelled() or done.exception())
        return json_reply(await asyncio.shield(self._listed))

    async def _recording(self, request: PageRequest) -> Answer:
        recordings = self._facts.recordings
        if recordings is None:
            raise RefusedError(404, "nothing is recorded")
        name = request.path.removeprefix(_RECORDINGS)
        return await self._on_disk(recordings.answer, name, request.headers.get("range"))

    async def _limits(self, request: PageRequest) -> Answer:
        controls = self._facts.controls
        if controls is None:
            raise RefusedError(403, "the limits cannot be moved")
        if not self._moves.take(asyncio.get_running_loop().time()):
            raise RefusedError(429, "the limits were moved more than 30 times a second")
        label, score = _move_of(request.body)
        try:
            controls.set_limit(label, score)
        except UsageError as error:
            raise RefusedError(400, error.message) from None
        limits = {"limits": controls.limits()}
        self._show("limits", json_message({"kind": "limits", **limits}))
        self._say_when_it_rests(controls, label, score)
        return json_reply(limits)

    def _say_when_it_rests(self, controls: Controls, label: str | None, score: float) -> None:
        """A slider that is dragged makes one line, not a hundred."""
        waiting = self._resting.pop(label, None)
        if waiting is not None:
            waiting.cancel()

        def say() -> None:
            del self._resting[label]
            controls.said(label, score)

        self._resting[label] = asyncio.get_running_loop().call_later(_RESTS_S, say)


def _move_of(body: bytes) -> tuple[str | None, float]:
    """Class and score of a ``POST /limits``.

    Raises:
        RefusedError: it says something else.
    """
    try:
        data = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(400, f"the body is no {JSON}") from None
    data = data if isinstance(data, dict) else {}
    label: Any = data.get("label", ...)
    score: Any = data.get("score")
    if not (label is None or isinstance(label, str)) or not _is_share(score):
        raise RefusedError(400, 'expected {"label": a class or null, "score": 0 to 1}')
    return label, float(score)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1

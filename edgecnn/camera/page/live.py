"""A camera and those who watch it: everything of it is used on the server's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.page.demand import Job
from edgecnn.camera.page.encode import Encoded
from edgecnn.camera.page.request import RefusedError
from edgecnn.camera.page.sink import CameraSink
from edgecnn.camera.page.viewers import Viewer
from edgecnn.camera.sources.frames import SourceCounts
from edgecnn.camera.stats import StageTimes

BOUNDARY = "frame"
#: Snapshots of one kind that may wait for a frame, and how long they do.
_MOST_SNAPSHOTS, _SNAPSHOT_S = 8, 5.0


@dataclass(frozen=True)
class CameraFacts:
    """What is known of a camera.

    Attributes:
        name: "" where there is one without a name.
        source: where its frames come from, passwords masked.
        live: they come in real time.
        times: of its stages.
        counts: asks what its source has been through.
        places: that are counted at.
    """

    name: str
    source: str
    live: bool
    times: StageTimes = field(default_factory=StageTimes)
    counts: Callable[[], SourceCounts] = SourceCounts
    places: tuple[CountedPlace, ...] = ()


class WatchedCamera:
    """Brings what the encoder makes to those who want it.

    Args:
        facts: of the camera; may be replaced when more is known.
        sink: its end in the loop.
    """

    def __init__(self, facts: CameraFacts, sink: CameraSink) -> None:
        self.facts, self.sink = facts, sink
        self._live: set[Viewer] = set()
        self._streams: set[Viewer] = set()
        self._snapshots: dict[bool, list[asyncio.Future[bytes]]] = {False: [], True: []}

    @property
    def viewers(self) -> frozenset[Viewer]:
        """Those who have the page open on this camera."""
        return frozenset(self._live)

    @property
    def watched(self) -> int:
        """How many take its frames."""
        return len(self._live) + len(self._streams)

    def join(self, viewer: Viewer, *, drawn: bool) -> Callable[[], None]:
        """The viewer gets frames from now on; calling what is returned ends it."""
        group = self._streams if drawn else self._live
        group.add(viewer)
        self._ask()

        def leave() -> None:
            group.discard(viewer)
            self._ask()

        return leave

    async def snapshot(self, drawn: bool) -> bytes:
        """The next frame at full size, as a JPEG.

        Raises:
            RefusedError: none comes, or too many wait for one.
        """
        waiting = self._snapshots[drawn]
        if len(waiting) >= _MOST_SNAPSHOTS:
            raise RefusedError(503, "too many wait for a picture already")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        self._ask()
        try:
            jpeg = await asyncio.wait_for(future, _SNAPSHOT_S)
        except TimeoutError:
            raise RefusedError(503, "no frame comes from the camera") from None
        finally:
            if future in waiting:
                waiting.remove(future)
            self._ask()
        if not jpeg:
            raise RefusedError(503, "the frame is too large for a JPEG")
        return jpeg

    def deliver(self, encoded: Encoded) -> None:
        """Hands out what was made of a frame."""
        if encoded.live is not None:
            for viewer in self._live:
                viewer.show("frame", encoded.live)
        if encoded.stream is not None:
            part = stream_part(encoded.stream)
            for viewer in self._streams:
                viewer.show("frame", part)
        for drawn, jpeg in encoded.snapshots.items():
            waiting, self._snapshots[drawn] = self._snapshots[drawn], []
            for future in waiting:
                if not future.done():
                    future.set_result(jpeg)
        self._ask()
        self.sink.encoder.done()

    def places_json(self) -> list[dict[str, Any]]:
        """Lines and zones; those given in pixels once a frame has told what those mean."""
        found = []
        for place in self.facts.places:
            if place.pixels and self.sink.size is None:
                continue
            width, height = self.sink.size if place.pixels and self.sink.size else (1, 1)
            points = [[round(x / width, 5), round(y / height, 5)] for x, y in place.points]
            found.append({"name": place.name, "kind": place.kind, "points": points})
        return found

    def _ask(self) -> None:
        """Tells the loop's side what is wanted."""
        kinds = frozenset(drawn for drawn, waiting in self._snapshots.items() if waiting)
        self.sink.demand = Job(bool(self._live), bool(self._streams), kinds)


def stream_part(jpeg: bytes) -> bytes:
    """One picture of a ``multipart/x-mixed-replace`` answer."""
    start = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return start.encode("ascii") + jpeg + b"\r\n"

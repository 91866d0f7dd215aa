"""Events by number, a channel that is up or down as told, and a clock that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.channel import DeliveryError
from edgecnn.camera.events.event import Event
from edgecnn.camera.notices import Notices


class JumpingClock:
    """Time passes only while somebody waits, and then at once."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []

    def now(self) -> Instant:
        return Instant(self.now_s, 1.7e9 + self.now_s)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        if not stop.is_set():
            self.waits.append(seconds)
            self.now_s += seconds
        return stop.is_set()


class FakeChannel:
    """Takes events unless ``fails`` says otherwise."""

    key = "fake"
    address = "fake://there"

    def __init__(
        self, fails: Callable[[Event], DeliveryError | None], tend_s: float | None = None
    ) -> None:
        self.fails = fails
        self.tend_s = tend_s
        self.payloads: list[bytes] = []
        self.numbers: list[int] = []
        self.tried: list[int] = []
        self.closed = False

    def send(self, payload: bytes, event: Event) -> None:
        self.tried.append(event.number)
        error = self.fails(event)
        if error is not None:
            raise error
        self.payloads.append(payload)
        self.numbers.append(event.number)

    def tend(self) -> None:
        error = self.fails(an_event(0))
        if error is not None:
            raise error

    def close(self) -> None:
        self.closed = True


def an_event(number: int, **fields: object) -> Event:
    made = {"kind": "appeared", "moment": Instant(1.0, 1.7e9), "source": "test", **fields}
    return Event(number, run="7a", **made)  # type: ignore[arg-type]


def said(notices: Notices) -> list[tuple[str, str]]:
    """Kind and text of what was said since the last call."""
    return [(notice.kind, notice.text) for notice in notices.take()]

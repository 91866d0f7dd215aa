"""Events on their way out: a queue that never holds more than its room, and its account."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.events.event import Event

Outcome = Literal["delivered", "dropped", "again"]


@dataclass(frozen=True)
class DeliveryCounts:
    """Where the events are; the three add up to all that were put in."""

    delivered: int = 0
    dropped: int = 0
    waiting: int = 0

    def to_json(self) -> dict[str, int]:
        """Its object in the summary."""
        return {"delivered": self.delivered, "dropped": self.dropped, "waiting": self.waiting}


class Outbox:
    """Events in the order in which they came; when it is full, the oldest one is dropped.

    One thread puts, which never waits; another one takes an event, tries to send it, and settles
    what became of it. The one that was taken is beside the ``room``.

    Args:
        room: how many may wait.
    """

    def __init__(self, room: int = 1000) -> None:
        self._room = room
        self._events: deque[Event] = deque()
        self._taken: Event | None = None
        self._delivered = self._dropped = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def counts(self) -> DeliveryCounts:
        """All at one instant."""
        with self._changed:
            waiting = len(self._events) + (self._taken is not None)
            return DeliveryCounts(self._delivered, self._dropped, waiting)

    @property
    def drained(self) -> bool:
        """Whether it is closed and nothing is left to take."""
        with self._changed:
            return self._closed and not self._events

    def put(self, event: Event) -> None:
        """Adds an event; once closed, it is counted as dropped."""
        with self._changed:
            if self._closed:
                self._dropped += 1
                return
            if len(self._events) >= self._room:
                self._events.popleft()
                self._dropped += 1
            self._events.append(event)
            self._changed.notify()

    def take(self, timeout_s: float | None) -> Event | None:
        """The oldest event, to be settled before the next one is taken.

        Args:
            timeout_s: how long to wait for one; None: until one comes.

        Returns:
            None when none came in time, or it is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._events or self._closed, timeout_s)
            if self._events:
                self._taken = self._events.popleft()
            return self._taken

    def settle(self, outcome: Outcome) -> None:
        """Says what became of the event that was taken; ``again`` puts it back to its place."""
        with self._changed:
            event, self._taken = self._taken, None
            if event is None:
                return  # it was given up meanwhile
            if outcome == "again" and len(self._events) < self._room:
                self._events.appendleft(event)
            elif outcome == "delivered":
                self._delivered += 1
            else:
                self._dropped += 1

    def close(self) -> None:
        """Nothing comes any more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def give_up(self) -> None:
        """Drops everything that waits, the event that was taken with it."""
        with self._changed:
            self._closed = True
            self._dropped += len(self._events) + (self._taken is not None)
            self._events.clear()
            self._taken = None
            self._changed.notify_all()

"""Events whose own frame could not be encoded in time, until the next one comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edgecnn.camera.events.event import Event

_MOST = 100


class LateEvents:
    """A few events that wait for a frame; one thread keeps and takes them, any may look.

    Attributes:
        lost: had no room here, or got no frame any more.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self.lost = 0

    @property
    def waiting(self) -> bool:
        """Whether there are any."""
        return bool(self._events)

    def keep(self, events: Iterable[Event]) -> None:
        """These wait for the next frame."""
        for event in events:
            if len(self._events) < _MOST:
                self._events.append(event)
            else:
                self.lost += 1

    def take(self) -> list[Event]:
        """All that wait: their frame is here."""
        taken = list(self._events)
        self._events.clear()
        return taken

    def give_up(self) -> None:
        """No frame comes any more."""
        self.lost += len(self.take())

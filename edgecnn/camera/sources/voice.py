"""What is said of a live source: each outage once when it begins and once when it ends."""

from __future__ import annotations

from edgecnn.camera.clock import TimeSource
from edgecnn.camera.notices import NoticeKind, Notices
from edgecnn.core.errors import EdgecnnError

_AT_ONCE = 40
_EACH_S = 60.0

Size = tuple[int, int]


class SourceVoice:
    """Says what happens to a source, and never too much of it.

    A source that comes and goes all day long would fill logs: after 40 outages or changes in
    quick succession one a minute is told, with how many were left out.

    Args:
        name: of the source, passwords masked.
        notices: get it; None: nobody does.
        clock: how quick a succession is.
    """

    def __init__(self, name: str, notices: Notices | None, clock: TimeSource) -> None:
        self._name = name
        self._notices = notices
        self._clock = clock
        self._room = float(_AT_ONCE)
        self._last_s = clock.now().monotonic_s
        self._left_out = 0
        self._waiting = self._lost = False

    def waiting(self, cause: EdgecnnError) -> None:
        """The source is not there yet; told once."""
        if not self._waiting:
            self._waiting = True
            why = cause.message if self._name in cause.message else f"{self._name}: {cause}"
            self._say("source_waiting", f"{why}; waiting until it is there")

    def lost(self, cause: EdgecnnError) -> None:
        """An outage begins."""
        self._lost = self._may()
        if self._lost:
            self._say("source_lost", f"{self._name} was lost: {cause}{self._others()}")

    def back(self) -> None:
        """The first frame after an outage, or after waiting, has come."""
        if self._lost or self._waiting:
            text = f"{self._name} is {'back' if self._lost else 'there'}"
            self._lost = self._waiting = False
            self._say("source_back", text)

    def changed(self, before: Size, now: Size) -> None:
        """Frames have another size than before, (height, width)."""
        if self._may():
            sizes = [f"{width} x {height}" for height, width in (now, before)]
            text = f"{self._name} gives {sizes[0]} pixels now, {sizes[1]} before"
            self._say("source_changed", text + self._others())

    def _may(self) -> bool:
        """Whether another one may be told; one that may not is counted."""
        now = self._clock.now().monotonic_s
        self._room = min(self._room + (now - self._last_s) / _EACH_S, _AT_ONCE)
        self._last_s = now
        if self._room < 1:
            self._left_out += 1
            return False
        self._room -= 1
        return True

    def _others(self) -> str:
        count, self._left_out = self._left_out, 0
        return f" (and {count} more such notices were left out before)" if count else ""

    def _say(self, kind: NoticeKind, text: str) -> None:
        if self._notices is not None:
            self._notices.say(kind, text)

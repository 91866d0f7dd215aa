"""When a delivery fails and when it works again, said once each."""

from __future__ import annotations

from edgecnn.camera.events.outbox import DeliveryCounts
from edgecnn.camera.notices import Notices

#: So many outages are named one after the other, and one more for each further six minutes.
_NAMED_IN_A_ROW = 10
_NAMED_EVERY_S = 360.0
#: Further causes are counted, not named.
_MOST_CAUSES = 20


class Outages:
    """Names each outage of a delivery once, and its end.

    What it says becomes an event, which is delivered as any other. On a line that fails every other
    time its words would thus beget words; therefore only some outages an hour are named once the
    first ten were. A longer one is named as soon as its turn comes. All are counted.

    Args:
        address: of the delivery, passwords masked.
        room: how many events wait at the most, for the text.
        notices: gets what is said.
    """

    def __init__(self, address: str, room: int, notices: Notices) -> None:
        self._address, self._room, self._notices = address, room, notices
        self._since_s: float | None = None
        self._named = self._full = False
        self._dropped_before = 0
        self._may_name, self._counted_s = float(_NAMED_IN_A_ROW), 0.0
        self._causes: set[str] = set()

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._since_s is not None

    def failed(self, now_s: float, cause: str, counts: DeliveryCounts) -> None:
        """An attempt failed.

        Args:
            now_s: monotonic, seconds.
            cause: why, for people.
            counts: of the delivery, now.
        """
        if self._since_s is None:
            self._since_s = now_s
        if not self._named and self._may(now_s):
            self._named, self._dropped_before = True, counts.dropped
            self._notices.say(
                "delivery_failing",
                f"{self._address}: {cause}; events wait, the latest {self._room} at the most",
            )
        elif self._named and not self._full and counts.dropped > self._dropped_before:
            self._full = True
            self._notices.say(
                "dropped",
                f"{self._address}: {self._room} events wait;"
                " the oldest is dropped for each new one",
            )

    def worked(self, now_s: float, counts: DeliveryCounts) -> None:
        """An attempt got through; likewise."""
        if self._named and self._since_s is not None:
            lost = counts.dropped - self._dropped_before
            dropped = f", {lost} {'was' if lost == 1 else 'were'} dropped" if lost else ""
            waits = "event waits" if counts.waiting == 1 else "events wait"
            self._notices.say(
                "delivery_resumed",
                f"{self._address}: works again after {now_s - self._since_s:.0f} s;"
                f" {counts.waiting} {waits}{dropped}",
            )
        self._since_s = None
        self._named = self._full = False

    def refused(self, cause: str) -> None:
        """An event was refused for good, and dropped: each cause is named once."""
        if cause not in self._causes and len(self._causes) < _MOST_CAUSES:
            self._causes.add(cause)
            self._notices.say("delivery_failing", f"{self._address}: {cause}")

    def _may(self, now_s: float) -> bool:
        gained = (now_s - self._counted_s) / _NAMED_EVERY_S
        self._may_name = min(self._may_name + gained, float(_NAMED_IN_A_ROW))
        self._counted_s = now_s
        if self._may_name < 1:
            return False
        self._may_name -= 1
        return True

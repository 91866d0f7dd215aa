"""Delivers events elsewhere: tried again until they get through, dropped and counted otherwise."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.events.channel import Channel, DeliveryError
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.outages import Outages
from edgecnn.camera.events.outbox import DeliveryCounts, Outbox
from edgecnn.camera.notices import Notices
from edgecnn.camera.result import to_line
from edgecnn.camera.seen import Seen

#: Between attempts while the program ends, seconds.
_LAST_PAUSE_S = 0.25
#: What taking leave of the other side may take at the end, seconds.
_LEAVE_S = 1.0


@dataclass(frozen=True)
class Patience:
    """How long and how often to try.

    Attributes:
        room: events that wait at the most; the oldest is dropped for a new one.
        pause_s, longest_pause_s: after the first failure, doubled with each further one up to the
            second; the real pause is between half of it and all of it, by chance.
        stuck_s: an event on which the other side, though it was there, failed for so long is
            dropped: perhaps the event is the reason, and would hold up all behind it for ever.
        finish_s: what waits is tried for so long when the program ends.
        finish_failing_s: likewise when the last attempt had failed.
    """

    room: int = 1000
    pause_s: float = 0.5
    longest_pause_s: float = 30.0
    stuck_s: float = 3600.0
    finish_s: float = 5.0
    finish_failing_s: float = 1.0


class Delivery:
    """One way out: takes events at once, and sends them on a thread of its own, in order.

    An event counts as delivered when the other side said so. When only its word was lost the event
    is sent again: ``run`` and ``number`` tell that it is the same.

    Args:
        channel: sends; used and closed by the thread.
        notices: hear of outages.
        patience: how long and how often to try.
        clock: measures pauses, and waits.
        chance: 0 to 1, spreads the pauses of many devices whose server comes back.
    """

    def __init__(
        self,
        channel: Channel,
        notices: Notices,
        patience: Patience | None = None,
        clock: TimeSource = SYSTEM_CLOCK,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.key = channel.key
        self._channel, self._clock, self._chance = channel, clock, chance
        self._patience = patience or Patience()
        self._outbox = Outbox(self._patience.room)
        self._outages = Outages(channel.address, self._patience.room, notices)
        self._notices = notices
        self._failures = 0
        self._stuck: Event | None = None
        self._stuck_since_s = 0.0
        self._give_up_s = float("inf")
        self._ending = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"edgecnn-deliver-{channel.key}", daemon=True
        )

    @property
    def counts(self) -> DeliveryCounts:
        """Where the events are."""
        return self._outbox.counts

    def put(self, event: Event) -> None:
        """Takes an event; never waits."""
        self._outbox.put(event)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def begin_end(self) -> None:
        """Nothing comes any more: what waits is tried for a short while. May be repeated."""
        if self._ending.is_set():
            return
        failing, patience = self._outages.failing, self._patience
        allowed_s = patience.finish_failing_s if failing else patience.finish_s
        self._give_up_s = self._clock.now().monotonic_s + allowed_s
        self._outbox.close()
        self._ending.set()

    def end(self) -> None:
        """Waits for that while; what is still here then is dropped. May be repeated."""
        self.begin_end()
        if self._thread.is_alive():
            left_s = self._give_up_s - self._clock.now().monotonic_s
            self._thread.join(max(left_s, 0.0))
        self._over.set()
        self._outbox.give_up()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_S)

    def turn(self) -> bool:
        """One turn of the thread: an event is sent, or put back and followed by a pause.

        Returns:
            False when there is nothing more to do.
        """
        event = self._outbox.take(self._channel.tend_s)
        if event is None and self._outbox.drained:
            return False
        try:
            if event is None:
                self._channel.tend()
            else:
                self._channel.send(_payload(event), event)
        except DeliveryError as error:
            return self._failed(error, event)
        if event is not None:
            self._outbox.settle("delivered")
        self._failures = 0
        self._outages.worked(self._clock.now().monotonic_s, self.counts)
        return True

    def _failed(self, error: DeliveryError, event: Event | None) -> bool:
        now_s = self._clock.now().monotonic_s
        if event is not None:
            if error.permanent or (error.answered and self._in_vain(event, now_s)):
                self._outbox.settle("dropped")
                which = "such events are" if error.permanent else "what fails so for long is"
                self._outages.refused(f"{error.cause}; {which} dropped")
                return True
            self._outbox.settle("again")
        self._outages.failed(now_s, error.cause, self.counts)
        self._failures += 1
        if not self._ending.is_set():
            self._clock.wait(self._ending, max(self._pause_s(), error.wait_s))
        elif now_s < self._give_up_s:
            self._clock.wait(self._over, _LAST_PAUSE_S)
        else:
            return False
        return not self._over.is_set()

    def _in_vain(self, event: Event, now_s: float) -> bool:
        if event is not self._stuck:
            self._stuck, self._stuck_since_s = event, now_s
        return now_s - self._stuck_since_s >= self._patience.stuck_s

    def _pause_s(self) -> float:
        patience = self._patience
        doublings = min(self._failures - 1, 30)
        whole_s = min(patience.pause_s * 2**doublings, patience.longest_pause_s)
        return whole_s * (0.5 + 0.5 * self._chance())

    def _run(self) -> None:
        try:
            while self.turn():
                pass
        finally:
            self._outbox.give_up()
            if not self._ending.is_set():
                self._outages.refused("stopped by an error of ours; events are dropped")
            self._channel.close()


class Deliveries:
    """All ways out as one sink of the loop: each event goes to every one of them."""

    wants: Literal["nothing"] = "nothing"

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = tuple(deliveries)
        for delivery in self._deliveries:
            delivery.start()

    def put(self, seen: Seen) -> None:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        for event in seen.events:
            self.tell(event)

    def tell(self, event: Event) -> None:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        for delivery in self._deliveries:
            delivery.put(event)

    def finish(self) -> None:
        """Tries what waits for some seconds, on all ways at once; drops and counts the rest."""
        for delivery in self._deliveries:
            delivery.begin_end()
        for delivery in self._deliveries:
            delivery.end()

    def discard(self) -> None:
        """Likewise: an event has its worth, whatever ended the loop."""
        self.finish()

    def summary(self) -> dict[str, object]:
        """See :class:`edgecnn.camera.seen.FrameSink`."""
        return {"deliveries": {one.key: one.counts.to_json() for one in self._deliveries}}


def _payload(event: Event) -> bytes:
    """The event's line, without the line's end.

    Raises:
        DeliveryError: a number of it cannot be said in JSON.
    """
    try:
        return to_line(event.to_json()).rstrip("\n").encode("utf-8", "replace")
    except ValueError as error:
        raise DeliveryError("an event holds NaN or infinity", permanent=True) from error

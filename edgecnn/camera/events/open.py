"""Opens what events were asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.deliveries import open_deliveries
from edgecnn.camera.events.log import open_log
from edgecnn.camera.events.watch import Attach, EventWatch
from edgecnn.camera.notices import Notices
from edgecnn.camera.seen import FrameSink


def open_event_sinks(config: EventConfig | None, notices: Notices) -> tuple[FrameSink, ...]:
    """The log and the deliveries; all cameras of a run share them.

    Args:
        config: what was asked for; None: nothing.
        notices: get what happens to them.

    Raises:
        UsageError: a log that cannot be written, an address that can be none.
        MissingExtraError: MQTT without its package.
    """
    if config is None:
        return ()
    log = open_log(config.log, notices)
    try:
        deliveries = open_deliveries(config, notices)
    except BaseException:
        log.discard()
        raise
    return (log,) if deliveries is None else (log, deliveries)


@dataclass(frozen=True)
class EventRun:
    """What the events of all cameras of a run have in common.

    Attributes:
        name: the same in all of them, another one in each run.
        next_number: counts them from 1.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    next_number: Callable[[], int] = field(default_factory=lambda: count(1).__next__)


def watch_events(
    config: EventConfig | None,
    source: str,
    attach: Attach | None,
    run: EventRun,
    camera: str | None,
) -> EventWatch | None:
    """What makes events of one camera; None: there are to be none.

    Args:
        config: what makes an event.
        source: where frames come from as messages say it, passwords masked.
        attach: names the files that are made for an event, in the event that begins it.
        run: the same for all cameras.
        camera: its name; None: it has none.
    """
    if config is None:
        return None
    # Messages put a path in quotes.
    name = source[1:-1] if len(source) > 1 and source[0] == source[-1] == "'" else source
    return EventWatch(config, name, attach, run.name, camera=camera, next_number=run.next_number)

"""Opens what events were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.deliveries import open_deliveries
from edgecnn.camera.events.log import open_log
from edgecnn.camera.events.watch import Attach, EventWatch
from edgecnn.camera.loop import EventSource
from edgecnn.camera.notices import Notices
from edgecnn.camera.seen import FrameSink


@dataclass(frozen=True)
class OpenEvents:
    """What makes events, and who gets them."""

    source: EventSource | None = None
    sinks: tuple[FrameSink, ...] = ()


def open_events(
    config: EventConfig | None,
    *,
    source: str,
    notices: Notices,
    attach: Attach | None = None,
) -> OpenEvents:
    """What makes events, the log and the deliveries.

    Args:
        config: what was asked for; None: nothing.
        source: where frames come from as messages say it, passwords masked.
        notices: get what happens to the deliveries.
        attach: names the files that are made for an event, in the event that begins it.

    Raises:
        UsageError: a log that cannot be written, an address that can be none.
        MissingExtraError: MQTT without its package.
    """
    if config is None:
        return OpenEvents()
    sinks: list[FrameSink] = [open_log(config.log, notices)]
    try:
        deliveries = open_deliveries(config, notices)
    except BaseException:
        sinks[0].discard()
        raise
    if deliveries is not None:
        sinks.append(deliveries)
    # Messages put a path in quotes.
    name = source[1:-1] if len(source) > 1 and source[0] == source[-1] == "'" else source
    return OpenEvents(EventWatch(config, name, attach), tuple(sinks))

"""Opens what events were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.events.config import EventConfig
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
    labels: tuple[str, ...],
    attached: tuple[str, ...],
    notices: Notices,
) -> OpenEvents:
    """What makes events, the log and the deliveries.

    Args:
        config: what was asked for; None: nothing, and ``attached`` is empty.
        source: where frames come from, passwords masked.
        labels: that the model knows.
        attached: ``clip``, ``snapshot``: which files are made for an event, and named in it.
        notices: get what happens to the deliveries.

    Raises:
        UsageError: an unknown class, or a log that cannot be written.
        MissingExtraError: MQTT without its package.
    """
    return OpenEvents()

"""Opens the ways out that were asked for."""

from __future__ import annotations

from edgecnn.camera.events.channel import Channel
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.delivery import Deliveries, Delivery
from edgecnn.camera.events.mqtt import mqtt_channel
from edgecnn.camera.events.webhook import webhook_channel
from edgecnn.camera.notices import Notices


def open_deliveries(config: EventConfig, notices: Notices) -> Deliveries | None:
    """A sink that sends events to every address of ``config``; None where there is none.

    Nothing is connected yet: a server that is not there is no error.

    Args:
        config: has the addresses.
        notices: hear of outages.

    Raises:
        UsageError: an address that can be none, or a certificate file that cannot be read.
        MissingExtraError: MQTT without its package.
    """
    channels: list[Channel] = []
    if config.mqtt is not None:
        channels.append(mqtt_channel(config.mqtt))
    if config.webhook is not None:
        channels.append(webhook_channel(config.webhook))
    if not channels:
        return None
    return Deliveries([Delivery(channel, notices) for channel in channels])

"""How a source is opened and kept open, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecnn.camera.sources.reconnect import ReconnectPolicy


@dataclass(frozen=True)
class SourceOptions:
    """What ``--source`` is given beside its name.

    Attributes:
        realtime: play a file at its own speed, and drop what comes too fast, as a camera would.
        wait: a source that is not there yet is waited for, instead of ending the program.
            A source that is not there gives no frame at first.
        reconnect: what to do when a live source is lost.
    """

    realtime: bool = False
    wait: bool = False
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)

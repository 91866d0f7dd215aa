"""What makes an event, and where events go, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Region:
    """A part of the frame.

    Attributes:
        name: for the events.
        points: corners x, y of a polygon, as shares of the frame's width and height, 0 to 1.
    """

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class EventConfig:
    """What ``--events`` and its companions ask for.

    Attributes:
        log: JSON Lines are appended to it; None: to no file.
        mqtt, webhook: URLs that events are sent to; None: not sent.
        classes: labels that make events; empty: all.
        thresholds: label → least score for an event, where it is not the model's own.
        regions: only what stands in one of them makes an event; empty: the whole frame.
        after_s: something must have been there for so long before it has appeared, seconds.
        gap_s: it has left when it was not seen for so long, seconds.
    """

    log: Path | None = None
    mqtt: str | None = None
    webhook: str | None = None
    classes: tuple[str, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    after_s: float = 0.0
    gap_s: float = 2.0

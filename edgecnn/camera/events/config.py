"""What makes an event, and where events go, as plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from edgecnn.camera.events.regions import FrameRegion
from edgecnn.core.errors import UsageError

#: As ``log``: the lines go to standard output.
STDOUT = Path("-")


@dataclass(frozen=True)
class EventConfig:
    """What ``--events`` and its companions ask for.

    Attributes:
        log: JSON Lines are appended to it; ``STDOUT``: written to standard output; None: neither.
        mqtt, webhook: URLs that events are sent to; None: not sent.
        regions: only what stands in one of them makes an event; empty: the whole frame.
        after_s: something must have been there for so long before it has appeared, seconds.
        gap_s: it has left when it was not there for so long, seconds.
    """

    log: Path | None = None
    mqtt: str | None = None
    webhook: str | None = None
    regions: tuple[FrameRegion, ...] = ()
    after_s: float = 0.0
    gap_s: float = 2.0

    def __post_init__(self) -> None:
        """Raises UsageError when a time cannot be meant, or two regions have one name."""
        for option, value in (("--event-after", self.after_s), ("--event-gap", self.gap_s)):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(
                    f"{option} is {value} s, expected 0 or more",
                    hint=f"for example {option} 2s",
                )
        names = [region.name for region in self.regions]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(
                f"there are two regions '{twice}'", hint="give each --region a name of its own"
            )

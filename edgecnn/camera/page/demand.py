"""What those who watch a camera wait for."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.camera.seen import Wants


@dataclass(frozen=True)
class Job:
    """What is to be made of one frame.

    Attributes:
        live: a message for the page.
        stream: a drawn JPEG for other programs.
        snapshots: pictures of the full size: as the frame came (False), drawn (True).
    """

    live: bool = False
    stream: bool = False
    snapshots: frozenset[bool] = frozenset()

    @property
    def pixels(self) -> Wants:
        """Which pixels of the frame that takes."""
        raw = self.live or False in self.snapshots
        drawn = self.stream or True in self.snapshots
        return "both" if raw and drawn else "raw" if raw else "drawn" if drawn else "nothing"

    def __bool__(self) -> bool:
        """Whether anything is to be made."""
        return self.live or self.stream or bool(self.snapshots)


NOTHING = Job()

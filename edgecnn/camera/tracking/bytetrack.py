"""ByteTrack."""

from __future__ import annotations

from edgecnn.camera.result import Item
from edgecnn.camera.tracking.tracked import Tracked


class ByteTracker:
    """Implements :class:`~edgecnn.camera.tracking.tracked.Tracker`."""

    def update(self, items: tuple[Item, ...], time_s: float) -> Tracked:
        """See :class:`~edgecnn.camera.tracking.tracked.Tracker`."""
        return Tracked(tuple(item for item in items if not item.candidate))

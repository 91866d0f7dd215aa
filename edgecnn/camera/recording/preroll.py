"""The last seconds as JPEG frames in memory, for what a clip shows before its event."""

from __future__ import annotations

import os
from collections import deque

from edgecnn.camera.recording.encoder import EncodedFrame

_LEAST_BYTES, _MOST_BYTES, _USUAL_BYTES = 16 << 20, 256 << 20, 64 << 20
#: Seconds below which two times are one: sums of fractions are not exact.
SAME_S = 1e-6
#: The share of the machine's memory; a computer of 512 MB gives about 30 MB.
_SHARE = 16


class PreRoll:
    """Frames of the last seconds, bounded by seconds and by bytes.

    Args:
        seconds: how far back it goes.
        most_bytes: it never holds more; None: what :func:`preroll_bytes` gives one camera.

    Attributes:
        short_s: how far back it went when the bytes first bounded it; None: they never did.
    """

    def __init__(self, seconds: float, most_bytes: int | None = None) -> None:
        self._seconds = seconds
        self.most_bytes = preroll_bytes() if most_bytes is None else most_bytes
        self._frames: deque[tuple[float, EncodedFrame]] = deque()
        self.size_bytes = 0
        self.short_s: float | None = None

    def add(self, now_s: float, frame: EncodedFrame) -> None:
        """Takes the newest frame, and gives up the oldest."""
        while self._frames and self._frames[0][0] < now_s - self._seconds - SAME_S:
            self._drop()
        self._frames.append((now_s, frame))
        self.size_bytes += len(frame.jpeg)
        while self.size_bytes > self.most_bytes:
            self._drop()
            if self.size_bytes <= self.most_bytes and self.short_s is None:
                self.short_s = now_s - self._frames[0][0] if self._frames else 0.0

    def frames(self, start_s: float) -> list[tuple[float, EncodedFrame]]:
        """When and what, the oldest first, from a moment on."""
        return [(at_s, frame) for at_s, frame in self._frames if at_s >= start_s - SAME_S]

    def _drop(self) -> None:
        self.size_bytes -= len(self._frames.popleft()[1].jpeg)


def preroll_bytes(cameras: int = 1) -> int:
    """What suits this machine: a sixteenth of its memory, 16 to 256 MiB, for all cameras together.

    Args:
        cameras: so many have equal parts of it.
    """
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        memory = _USUAL_BYTES * _SHARE
    return min(max(memory // _SHARE, _LEAST_BYTES), _MOST_BYTES) // cameras

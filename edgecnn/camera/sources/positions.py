"""When each frame of a video file is due, also where the rate varies."""

from __future__ import annotations

import math

_DEFAULT_FPS = 30.0
_MOST_MS = 1e10


class FramePositions:
    """Seconds from the first frame on, always rising.

    The container's own positions count where they make sense. Some of OpenCV's backends tell the
    position of the frame that was read, some that of the next one; the first frame shows which, and
    its position is then taken off all. Where there is none, or it does not rise, the frame is due
    one period after the one before.

    Args:
        fps: nominal frames per second; None: unknown, 30 are assumed.
    """

    def __init__(self, fps: float | None) -> None:
        self.period_s = 1 / (fps or _DEFAULT_FPS)
        self._first_s = 0.0
        self._last_s: float | None = None

    def of(self, position_ms: float | None, skipped: int = 0) -> float:
        """The position of the next frame, in seconds.

        Args:
            position_ms: as the container says; None: it does not.
            skipped: how many frames before it could not be read.
        """
        position_s = _sane(position_ms)
        if self._last_s is None:
            if position_s is None:
                self._last_s = skipped * self.period_s
            elif position_s <= 1.5 * self.period_s:
                self._first_s, self._last_s = position_s, 0.0
            else:
                self._last_s = position_s
        elif position_s is not None and position_s - self._first_s > self._last_s:
            self._last_s = position_s - self._first_s
        else:
            self._last_s += (1 + skipped) * self.period_s
        return self._last_s


def _sane(position_ms: float | None) -> float | None:
    """The position in seconds; None: no number that a position can be."""
    if position_ms is None or not math.isfinite(position_ms) or not 0 <= position_ms < _MOST_MS:
        return None
    return position_ms / 1e3

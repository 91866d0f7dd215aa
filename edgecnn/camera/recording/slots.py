"""Frames that come when they come, in a video whose frames lie at equal distances."""

from __future__ import annotations

from collections.abc import Sequence

#: A pause between two frames is shown up to so long; an outage of the camera is not watched.
LONGEST_PAUSE_S = 2.0
# A model of seconds per frame is no outage: so many places may always be filled.
_LONGEST_PLACES = 10
_SLOWEST, _FASTEST = 1.0, 120.0
# A gap of so many usual ones was a start or an outage, and says nothing of the rate.
_OUTLIER = 3.0


class Slots:
    """Which places of the video each frame takes, so that the video keeps real time.

    A frame may lie up to one place beside its own, so that the jitter of a camera neither repeats
    frames nor leaves any out. After a longer pause than a few seconds the video goes on at once.

    Args:
        rate: places per second.

    Attributes:
        cut_s: seconds of pauses that the video does not show.

    >>> slots = Slots(10.0)
    >>> [slots.take(second) for second in (0.0, 0.1, 0.5, 0.6, 0.61, 0.62, 0.63, 60.0)]
    [1, 1, 4, 1, 1, 0, 0, 19]
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._longest_s = max(LONGEST_PAUSE_S, _LONGEST_PLACES / rate)
        self._next = 0
        self._zero_s = 0.0
        self._last_s: float | None = None
        self.cut_s = 0.0

    def take(self, timestamp_s: float) -> int:
        """How many places there are up to this frame, its own included.

        Returns:
            0: the video is ahead, the frame is left out; 1: the next place is its own; n: the
            frame before it is repeated n - 1 times.
        """
        if self._last_s is None:
            self._zero_s = timestamp_s
        else:
            gap_s = timestamp_s - self._last_s
            shown_s = min(max(gap_s, 0.0), self._longest_s)
            self._zero_s += gap_s - shown_s
            self.cut_s += max(gap_s - shown_s, 0.0)
        self._last_s = timestamp_s
        late = (timestamp_s - self._zero_s) * self._rate - self._next
        if late < -1:
            return 0
        count = 1 + round(late) if late > 1 else 1
        self._next += count
        return count


def measured_rate(timestamps_s: Sequence[float]) -> float:
    """Frames per second of a live source, as its first frames came.

    The first gap may hold the model's first run, and any gap an outage: a gap far beyond the
    usual one does not count.

    Returns:
        1 to 120, rounded to a tenth: MPEG-4 cannot hold arbitrary fractions in its 16-bit time
        base. 15 where nothing can be told.

    >>> measured_rate([0.0, 0.9, 0.94, 0.98])
    25.0
    """
    pairs = zip(timestamps_s, timestamps_s[1:], strict=False)
    gaps = sorted(gap for gap in (later - earlier for earlier, later in pairs) if gap > 0)
    if not gaps:
        return 15.0
    usual = gaps[(len(gaps) - 1) // 2]
    counted = [gap for gap in gaps if gap <= _OUTLIER * usual]
    return round(min(max(len(counted) / sum(counted), _SLOWEST), _FASTEST), 1)

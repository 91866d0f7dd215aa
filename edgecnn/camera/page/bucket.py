"""How often something may happen."""

from __future__ import annotations


class Bucket:
    """A token bucket: so often a second on average, and so often at once.

    >>> bucket = Bucket(1, 2)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0), bucket.take(1.0)]
    [True, True, False, True]
    """

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._most = rate, most
        self._left, self._at_s = most, float("-inf")

    def take(self, now_s: float) -> bool:
        """Whether it may happen now, at this time of a monotonic clock."""
        if now_s > self._at_s:
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._rate)
            self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True

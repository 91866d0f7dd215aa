"""On which side of a border something surely is."""

from __future__ import annotations

from collections import deque

from edgecnn.camera.counting.walk import Walk

# Means of up to so many sightings are looked at.
_MOST = 9
# When nothing more will be seen, so much of the usual distance has to do.
_AT_THE_END = 0.7
# Where something begins is known if it begins at such a share of the usual distance.
_AT_THE_BEGINNING = 0.6


class Evidence:
    """The latest distances of one track from one border; on one side more than 0, else less.

    One sighting is enough if it is farther from the border than noise reaches; else the mean of the
    last ones, whose noise is smaller by the root of their number. So something that stops on the
    border stays undecided, and what stops a little behind it does not.
    """

    __slots__ = ("_first", "_last")

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_MOST)
        self._first: float | None = None

    def add(self, distance: float, walk: Walk) -> int:
        """Takes the next distance.

        Returns:
            1 or -1: it surely is on that side; 0: nobody can tell.
        """
        if self._first is None:
            self._first = distance
        self._last.append(distance)
        return 0 if walk.leapt else self._side(walk, 1.0)

    def forget(self) -> None:
        """What was seen up to now says nothing of what comes."""
        self._last.clear()

    def at_first(self, walk: Walk) -> int:
        """Where it was when it was seen first, likewise; ``walk`` knows its noise by now."""
        first = self._first or 0.0
        sure = abs(first) >= _AT_THE_BEGINNING * walk.clear()
        return (1 if first > 0 else -1) if sure else 0

    def at_last(self, walk: Walk) -> int:
        """Where it was when it was seen last, likewise."""
        return 0 if walk.leapt else self._side(walk, _AT_THE_END)

    def _side(self, walk: Walk, share: float) -> int:
        total = 0.0
        for count, distance in enumerate(reversed(self._last), 1):
            total += distance
            if abs(total) >= share * count * walk.clear(count):
                # The mean lags behind: what is just coming over is not still on its old side.
                return 0 if total * self._last[-1] <= 0 else 1 if total > 0 else -1
        return 0

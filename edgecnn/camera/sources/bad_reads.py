"""Failed reads in a row: damaged frames to go over, or a source that is at its end?"""

from __future__ import annotations

from edgecnn.camera.sources.reconnect import ReconnectPolicy

#: A failed read that took less than ``AT_ONCE_S`` brought nothing. The next one is tried after
#: ``REST_S``; ``RESTS`` of them, a quarter of a second, are the source's end.
AT_ONCE_S, REST_S, RESTS = 0.005, 0.02, 12


class BadReads:
    """Counts failed reads since the last good frame.

    OpenCV says the same of a damaged frame and of a lost camera: nothing. Only what follows tells
    them apart. Damaged frames come at the camera's pace, with good ones between them; from a lost
    source nothing comes, and at once.

    Args:
        policy: how much is too much.
        now_s: when reading began, monotonic.
    """

    def __init__(self, policy: ReconnectPolicy, now_s: float) -> None:
        self._count = self._unsure = self._at_once = 0
        self._policy = policy
        self._good_s = now_s

    def good(self, now_s: float) -> int:
        """A good frame came: what failed before it were damaged frames.

        Returns:
            How many of them have not been counted as damaged before.
        """
        unsure, self._unsure = self._unsure, 0
        self._count = self._at_once = 0
        self._good_s = now_s
        return unsure

    def failed(self, took_s: float, now_s: float, damaged: bool) -> float | None:
        """A read failed.

        Args:
            took_s: so long.
            now_s: now, monotonic.
            damaged: a damaged frame came for certain.

        Returns:
            Seconds to rest before the next one; None: it makes no sense to go on.
        """
        self._count += 1
        self._unsure += not damaged
        at_once = not damaged and took_s < AT_ONCE_S
        self._at_once += at_once
        if (
            self._at_once >= RESTS
            or self._count >= self._policy.bad_reads
            or now_s - self._good_s > self._policy.silence_s
        ):
            return None
        return REST_S if at_once else 0.0

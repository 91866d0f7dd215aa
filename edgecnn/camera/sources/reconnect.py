"""What to do when a live source stops giving frames, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReconnectPolicy:
    """What to do when a live source stops giving frames.

    Attributes:
        attempts: how often to reopen it before giving up, counted anew after each good frame;
            None: for ever.
        backoff_s: wait before the first attempt; doubles up to ``backoff_max_s``.
        stall_s: a read that has returned nothing for this long hangs: it is left behind.
        hung: so many reads may hang at the same time, left behind; one more ends the source.
        bad_reads: the source is reopened after this many failed or damaged frames in a row,
        silence_s: or when this long none but failed ones came.
    """

    attempts: int | None = 5
    backoff_s: float = 0.5
    backoff_max_s: float = 5.0
    stall_s: float = 30.0
    hung: int = 3
    bad_reads: int = 60
    silence_s: float = 5.0

    def pause_s(self, failures: int) -> float:
        """How long to wait after so many failed attempts."""
        return min(self.backoff_s * 2.0 ** min(failures, 30), self.backoff_max_s)

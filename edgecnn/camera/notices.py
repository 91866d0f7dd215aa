"""What happened to a source or an output, told from any thread to whoever listens."""

from __future__ import annotations

import queue
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.clock import SYSTEM_CLOCK, Instant, TimeSource

NoticeKind = Literal[
    "source_waiting",
    "source_lost",
    "source_back",
    "source_changed",
    "source_ended_early",
    "source_corrupt",
    "source_over",
    "counting_changed",
    "log_repaired",
    "recording_leftover",
    "recording_stopped",
    "recording_resumed",
    "recording_kept",
    "recording_short",
    "clip_shortened",
    "delivery_failing",
    "delivery_resumed",
    "run_interrupted",
    "run_resumed",
    "run_unmarked",
    "limits_changed",
    "page_failed",
    "dropped",
]


@dataclass(frozen=True)
class LoopNotice:
    """One thing that happened.

    Attributes:
        kind: for machines: the ``event`` of its line in the event log.
        text: for people: one line, passwords masked.
        moment: when.
        camera: the name of the camera that it is about; None: it has none, or it is about what all
            cameras share.
    """

    kind: NoticeKind
    text: str
    moment: Instant
    camera: str | None = None


class Notices:
    """Where any thread puts notices, and the loop takes them.

    Args:
        clock: stamps them.
        most: further ones are dropped while nobody takes any; how many is then a notice itself.
        camera: the name of the camera that they are about; None: it has none.
        common: :meth:`take` takes those of ``common`` as well: what all cameras share is told by
            whichever loop comes first.
    """

    def __init__(
        self,
        clock: TimeSource = SYSTEM_CLOCK,
        most: int = 1000,
        camera: str | None = None,
        common: Notices | None = None,
    ) -> None:
        self._clock = clock
        self._most = most
        self._camera, self._common = camera, common
        self._queue: queue.SimpleQueue[LoopNotice] = queue.SimpleQueue()
        self._dropped = 0

    def say(self, kind: NoticeKind, text: str) -> None:
        """Adds a notice of this moment."""
        if self._queue.qsize() >= self._most:
            self._dropped += 1
            return
        self._queue.put(LoopNotice(kind, text, self._clock.now(), self._camera))

    def take(self) -> tuple[LoopNotice, ...]:
        """All that came since the last call, in order; then those of ``common``."""
        return (*self.take_own(), *(self._common.take() if self._common is not None else ()))

    def take_own(self) -> tuple[LoopNotice, ...]:
        """Likewise without those of ``common``: for a loop that is over while others go on."""
        taken = []
        while True:
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                break
        if self._dropped:
            lost, self._dropped = self._dropped, 0
            text = f"{lost} notices were dropped"
            taken.append(LoopNotice("dropped", text, self._clock.now(), self._camera))
        return tuple(taken)

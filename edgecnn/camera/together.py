"""The loops of all cameras side by side: one ends by itself, all end together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from edgecnn.camera.clock import SYSTEM_CLOCK
from edgecnn.camera.common import CommonOutputs
from edgecnn.camera.interrupt import stop_on_interrupt
from edgecnn.camera.loop import (
    Follower,
    Listeners,
    LoopConfig,
    LoopOutcome,
    LoopSummary,
    OnNotice,
    run_loop,
)
from edgecnn.camera.notices import LoopNotice
from edgecnn.camera.pipeline import FrameModel
from edgecnn.camera.sources.frames import Source, SourceCounts
from edgecnn.camera.sources.several import about_camera
from edgecnn.core.errors import CameraError

#: How the run ended is how the first of these did that any camera has.
_ENDS = ("reader", "lost", "interrupted", "limit", "source")


@dataclass(frozen=True)
class CameraLoop:
    """One camera, and everything that is its own.

    Attributes:
        source: open; closed when its loop ends.
        model: looks at its frames, and remembers none of another camera's.
        listeners: get what it sees; those that all share as :meth:`CommonOutputs.shared` gives
            them.
        name: None: there is one camera, and it has none.
        follower: see :func:`edgecnn.camera.loop.run_loop`.
    """

    source: Source
    model: FrameModel
    listeners: Listeners
    name: str | None = None
    follower: Follower | None = None


@dataclass(frozen=True)
class CameraSummary:
    """A camera's name (None: it has none) and its run."""

    name: str | None
    run: LoopSummary


@dataclass(frozen=True)
class RunSummary:
    """The run of all cameras as a whole.

    Attributes:
        cameras: each one's, in the order in which they were named.
        ended: ``reader``, ``lost``, ``interrupted``, ``limit`` or ``source``: the first of these
            that is true of any camera.
        outputs: what the sinks that they share say of themselves, by key.
    """

    cameras: tuple[CameraSummary, ...]
    ended: str
    outputs: dict[str, object] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Adds up the processed frames of all cameras."""
        return sum(camera.run.frames for camera in self.cameras)

    @property
    def counts(self) -> SourceCounts:
        """Adds up what all sources have been through."""
        each = [camera.run.counts for camera in self.cameras]
        return SourceCounts(
            sum(counts.dropped for counts in each),
            sum(counts.corrupt for counts in each),
            sum(counts.reconnects for counts in each),
        )

    @property
    def fps(self) -> float:
        """Adds up the processed frames per second of all cameras."""
        return sum(camera.run.fps for camera in self.cameras)

    @property
    def target(self) -> str | None:
        """The name of what ran the model; None: this machine."""
        return self.cameras[0].run.target

    def to_json(self) -> dict[str, Any]:
        """The last JSON line, ``edgecnn.detect/1``."""
        first = self.cameras[0]
        if first.name is None:
            return {**first.run.to_json(), **self.outputs}
        counts = self.counts
        own = {str(camera.name): camera.run.to_json() for camera in self.cameras}
        for fields in own.values():
            del fields["schema"], fields["target"]
        return {
            "schema": "edgecnn.detect/1",
            "frames": self.frames,
            "dropped": counts.dropped,
            "corrupt": counts.corrupt,
            "reconnects": counts.reconnects,
            "fps": round(self.fps, 2),
            "cameras": own,
            "ended": self.ended,
            "target": self.target,
            **self.outputs,
        }


class CamerasFailedError(CameraError):
    """Cameras with names failed, while others may have gone on.

    Args:
        told: what happened to each, with its name.
        hint: what to do.
        summary: of the whole run, all the same.
    """

    def __init__(self, told: Sequence[str], hint: str, summary: RunSummary) -> None:
        several = len(told) > 1
        message = f"{len(told)} cameras failed" if several else told[0]
        super().__init__(message, hint=hint, details=told if several else ())
        self.summary = summary


def run_together(
    cameras: Sequence[CameraLoop],
    config: LoopConfig,
    common: CommonOutputs | None = None,
    on_notice: OnNotice | None = None,
    stop: threading.Event | None = None,
) -> RunSummary:
    """Runs the loops until each has ended by itself, ``stop`` is set, or Ctrl-C is pressed.

    The first one runs on the calling thread, each other one on a thread of its own. A camera that
    is lost or comes to its end leaves the others alone; an error of ours ends all, and so does a
    reader of the JSON Lines that goes away. Then what all share is brought to its end.

    Args:
        cameras: one or more; those of several have names.
        config: limits and looks; ``max_frames`` is for each camera, ``max_seconds`` for all.
        common: what they share.
        on_notice: gets what happens to these, and that a camera is over while others go on.
        stop: set it from another thread to end all loops after their current frames.

    Raises:
        UsageError: an output cannot be written.
        CameraError: a source was lost or gave no frame at all, or an output could not be brought
            to its end; told when everything else was. Of cameras with names a CamerasFailedError.
    """
    common = common or CommonOutputs()
    stop = stop or threading.Event()
    with ExitStack() as stack:
        stack.callback(common.discard)
        stack.enter_context(stop_on_interrupt(stop))
        outcomes = _SideBySide(cameras, config, on_notice, stop).run()
        failed = common.finish()
        if on_notice is not None:
            for notice in common.notices.take():
                on_notice(notice)
        ends = [outcome.summary.ended for outcome in outcomes]
        summary = RunSummary(
            tuple(
                CameraSummary(camera.name, outcome.summary)
                for camera, outcome in zip(cameras, outcomes, strict=True)
            ),
            next(end for end in _ENDS if end in ends),
            common.summary(),
        )
        if summary.ended != "reader":
            common.finish_lines(summary.to_json())
        failures = [
            (camera.name, outcome.failure)
            for camera, outcome in zip(cameras, outcomes, strict=True)
            if outcome.failure is not None
        ]
        failure = _failure(failures, summary) or failed
        if failure is not None:
            raise failure
        return summary


class _SideBySide:
    """The loops while they run."""

    def __init__(
        self,
        cameras: Sequence[CameraLoop],
        config: LoopConfig,
        on_notice: OnNotice | None,
        stop: threading.Event,
    ) -> None:
        self._cameras, self._config = tuple(cameras), config
        self._on_notice, self._stop = on_notice, stop
        self._running = len(self._cameras)
        self._lock = threading.Lock()

    def run(self) -> list[LoopOutcome]:
        """Runs them all; raises an error of ours when the others have ended."""
        first, *others = self._cameras
        with ThreadPoolExecutor(max(len(others), 1), "edgecnn-loop") as threads:
            running = [threads.submit(self._one, camera) for camera in others]
            outcome = self._one(first)
        return [outcome, *(future.result() for future in running)]

    def _one(self, camera: CameraLoop) -> LoopOutcome:
        """Runs one loop; whatever is wrong with more than its camera ends the others."""
        config = replace(self._config, camera=camera.name, alone=len(self._cameras) == 1)
        try:
            outcome = run_loop(
                camera.source, camera.model, config, camera.listeners, self._stop, camera.follower
            )
        except BaseException:
            self._stop.set()
            raise
        if outcome.summary.ended == "reader":
            self._stop.set()
        with self._lock:
            self._running -= 1
            others_go_on = self._running > 0 and not self._stop.is_set()
        if others_go_on and outcome.summary.ended in ("lost", "source"):
            self._tell(camera.name, outcome)
        return outcome

    def _tell(self, name: str | None, outcome: LoopOutcome) -> None:
        """Says that a camera is over, and the others are not."""
        if self._on_notice is None:
            return
        why = outcome.failure
        text = f"over after {outcome.summary.frames} frames" if why is None else why.message
        self._on_notice(
            LoopNotice("source_over", f"{text}; the others go on", SYSTEM_CLOCK.now(), name)
        )


def _failure(
    failures: Sequence[tuple[str | None, CameraError]], summary: RunSummary
) -> CameraError | None:
    """All failures as one error; that of a camera without a name as it is."""
    if not failures or failures[0][0] is None:
        return failures[0][1] if failures else None
    told = [about_camera(error, name).message for name, error in failures]
    hints = dict.fromkeys(error.hint for _, error in failures)
    return CamerasFailedError(told, "; ".join(hints), summary)

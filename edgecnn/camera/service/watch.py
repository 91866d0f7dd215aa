"""A supervised run: what its manager is told, and what the next run will know of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from edgecnn.camera.clock import SYSTEM_CLOCK, Instant, TimeSource
from edgecnn.camera.events.event import Event
from edgecnn.camera.following import PlaceCount
from edgecnn.camera.loop import Listeners
from edgecnn.camera.notices import LoopNotice, Notices
from edgecnn.camera.seen import Seen
from edgecnn.camera.service.config import ServiceConfig
from edgecnn.camera.service.loss import find_loss
from edgecnn.camera.service.marker import CameraCounts, RunMarker, write_marker
from edgecnn.camera.service.notify import Notifier
from edgecnn.camera.service.watchdog import Watchdog
from edgecnn.core.errors import EdgecnnError

# What a power cut costs of the marker, at the most, seconds; a memory card wears with each one.
_MARK_EVERY_S = 45.0
# What begins to fail again and again is to say that it had begun to work.
_FIRST_MARK_S = 5.0
# The last one is waited for; a disk that hangs is not.
_LAST_MARK_S = 10.0
_STATUS_EVERY_S = 10.0
# A manager wants two signs in its time; four leave room for a slow model's frame.
_SIGNS = 4
# Kinds of notices that say: the source is not there, and the loop goes on until it is.
_WAITS = ("source_waiting", "source_lost")


class ServiceWatch:
    """Tells the service manager that the run goes on, and keeps the marker of the run.

    The manager hears ``READY`` when each camera has given a frame or is waited for, then
    ``WATCHDOG`` as long as the loops of all cameras go on, and how fast they are. A context
    manager: leaving it says in the marker why the run ended.

    Args:
        config: who listens, and where the marker lies.
        cameras: their names; "": there is one without a name.
        notices: hear what the run before lost, and that the marker cannot be written.
        clock: for spans and dates.
    """

    def __init__(
        self,
        config: ServiceConfig,
        cameras: Sequence[str],
        notices: Notices,
        clock: TimeSource = SYSTEM_CLOCK,
    ) -> None:
        self._config, self._clock, self._notices = config, clock, notices
        self._notifier = Notifier(config.socket)
        self._lock = threading.Lock()
        self._started = now = clock.now()
        self._watchdog = Watchdog(cameras, now)
        self._cameras = {name: CameraWatch(self, name) for name in cameras}
        self._begun = self._ready = False
        self._sign_s = self._status_s = float("-inf")
        self._told = (0, now.monotonic_s)
        self._ended: str | None = None
        self._notice: str | None = None
        self._page: str | None = None
        state, boot = config.state, config.boot
        self._loss = None if state is None else find_loss(state, now, boot, config.clock_set)
        self._marks: _Marks | None = None
        self._notifier.send("STATUS=opening the model and the source")

    def __enter__(self) -> ServiceWatch:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Writes why the run ended, unless its loop never began."""
        if error is not None:
            what = error.message if isinstance(error, EdgecnnError) else type(error).__name__
            self._ended = f"failed: {what}"
        if self._marks is not None:
            self._marks.close()
        self._notifier.close()

    def camera(self, name: str) -> CameraWatch:
        """The part that one camera's loop talks to."""
        return self._cameras[name]

    def serves(self, page: str) -> None:
        """Where the live page is, for those who ask how the service is."""
        self._page = page

    def ends(self, why: str) -> None:
        """The loops are over, without an error."""
        self._ended = why

    def hear(self, camera: str) -> None:
        """A camera's loop goes on; each calls it ten times a second."""
        now = self._clock.now()
        with self._lock:
            if not self._begun:
                self._begin()
            if self._watchdog.hear(camera, now):
                self._tell(now)

    def retire(self, camera: str) -> None:
        """A camera's loop is at its end; may be repeated."""
        if self._watchdog.retire(camera):
            self._notifier.send("STOPPING=1", "STATUS=finishing its files")

    def note(self, notice: LoopNotice) -> None:
        """Keeps a notice for those who ask how the service is."""
        self._notice = f"{notice.moment.iso()[:19]}Z {notice.text}"

    def _begin(self) -> None:
        """Says what was lost, and begins the marker; called with the first sign of life."""
        self._begun = True
        if self._loss is not None:
            self._notices.say(self._loss.kind, self._loss.text)
        if self._config.state is not None:
            self._marks = _Marks(partial(self._mark, self._config.state), self._notices)

    def _tell(self, now: Instant) -> None:
        """Tells the manager what it is time to tell."""
        lines = []
        if not self._ready and all(camera.is_up for camera in self._cameras.values()):
            self._ready = True
            lines.append("READY=1")
            self._status_s = float("-inf")
        every_s = self._config.watchdog_s
        if every_s is not None and now.monotonic_s - self._sign_s >= every_s / _SIGNS:
            self._sign_s = now.monotonic_s
            lines.append("WATCHDOG=1")
        if now.monotonic_s - self._status_s >= _STATUS_EVERY_S:
            self._status_s = now.monotonic_s
            lines.append(f"STATUS={self._status(now)}")
        if lines:
            self._notifier.send(*lines)

    def _status(self, now: Instant) -> str:
        """One line for people: frames, frames per second, the last notice."""
        frames = sum(camera.frames for camera in self._cameras.values())
        (before, before_s), self._told = self._told, (frames, now.monotonic_s)
        fps = (frames - before) / max(now.monotonic_s - before_s, 1e-3)
        text = f"{fps:.1f} FPS, {frames:,} frames" if frames else "no frame yet"
        return text if self._notice is None else f"{text}; {self._notice}"

    def _mark(self, folder: Path) -> None:
        """Writes the run up to now."""
        marker = RunMarker(
            started=self._started,
            alive=self._watchdog.alive,
            boot=self._config.boot,
            cameras={
                name: CameraCounts(camera.frames, camera.counts)
                for name, camera in self._cameras.items()
            },
            ended=self._ended,
            before=None if self._loss is None else self._loss.text,
            notice=self._notice,
            page=self._page,
        )
        write_marker(folder, marker)


class CameraWatch:
    """Implements :class:`edgecnn.camera.seen.FrameSink`: what one camera's loop tells.

    Attributes:
        frames: seen up to now.
    """

    wants: Literal["nothing"] = "nothing"

    def __init__(self, watch: ServiceWatch, name: str) -> None:
        self._watch, self._name = watch, name
        self._waits = self._over = False
        self.frames = 0
        self._counts: tuple[PlaceCount, ...] = ()

    @property
    def is_up(self) -> bool:
        """It has given a frame, is waited for, or its loop is over."""
        return self.frames > 0 or self._waits or self._over

    @property
    def counts(self) -> tuple[Mapping[str, Any], ...]:
        """Of the camera's lines and zones, as JSON has them."""
        return tuple(count.to_json() for count in self._counts)

    def join(self, listeners: Listeners) -> Listeners:
        """Those listeners and this one; to be called once."""
        others = listeners.on_notice

        def on_notice(notice: LoopNotice) -> None:
            self._note(notice)
            if others is not None:
                others(notice)

        return replace(
            listeners,
            # The last sink is the first to hear that the loop is over.
            sinks=(*listeners.sinks, self),
            on_notice=on_notice,
            on_alive=lambda: self._watch.hear(self._name),
        )

    def put(self, seen: Seen) -> None:
        """See :class:`FrameSink`."""
        self.frames += 1
        following = seen.result.following
        if following is not None:
            self._counts = following.counts

    def tell(self, event: Event) -> None:
        """See :class:`FrameSink`."""

    def finish(self) -> None:
        """See :class:`FrameSink`."""
        self._over = True
        self._watch.retire(self._name)

    def discard(self) -> None:
        """See :class:`FrameSink`."""
        self.finish()

    def summary(self) -> dict[str, object]:
        """See :class:`FrameSink`."""
        return {}

    def _note(self, notice: LoopNotice) -> None:
        self._waits = self._waits or notice.kind in _WAITS
        self._watch.note(notice)


class _Marks:
    """Writes the marker now, every so often, and at the end, on a thread of its own.

    Args:
        write: writes it; EdgecnnError: it cannot be.
        notices: hear that, once.
    """

    def __init__(self, write: Callable[[], None], notices: Notices) -> None:
        self._write, self._notices = write, notices
        self._failed = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-marker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes it once more, unless the disk hangs."""
        self._over.set()
        self._thread.join(_LAST_MARK_S)

    def _run(self) -> None:
        pause_s = _FIRST_MARK_S
        self._one()
        while not self._over.wait(pause_s):
            self._one()
            pause_s = _MARK_EVERY_S
        self._one()

    def _one(self) -> None:
        try:
            self._write()
        except EdgecnnError as error:
            if not self._failed:
                self._failed = True
                self._notices.say(
                    "run_unmarked",
                    f"{error.message}; the next run will not know what it lost",
                )

"""A live source: a thread captures, keeps only the newest frame, and reopens what was lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.bad_reads import BadReads
from edgecnn.camera.sources.buffers import FrameBuffers
from edgecnn.camera.sources.capture import (
    Capture,
    DamagedFrameError,
    SourceRefusedError,
    property_of,
    quiet_cv2,
)
from edgecnn.camera.sources.frames import Closing, Frame, SourceCounts, read_shot
from edgecnn.camera.sources.newest import NewestFrame
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.sources.voice import Size, SourceVoice
from edgecnn.core.errors import CameraError, EdgecnnError

_JOIN_TIMEOUT_S, _OPENING_JOIN_S = 2.0, 0.2
_CAP_PROP_FPS = 5


class _Worker:
    """A capture thread's standing.

    Attributes:
        alive_s: when its last read or opening returned.
        resting: it pauses by itself, and does not hang.
        capture: what it reads, once open.
    """

    def __init__(self, run: Callable[[_Worker], None], alive_s: float, pause_s: float) -> None:
        self.alive_s = alive_s
        self.pause_s = pause_s
        self.resting = pause_s > 0
        self.capture: Capture | None = None
        self.thread = threading.Thread(
            target=run, args=(self,), name="edgecnn-capture", daemon=True
        )


class NewestSource(Closing):
    """A thread captures; :meth:`read` gives the newest frame that nobody has taken yet.

    A lost source is reopened by the policy, from the same thread. A read that hangs cannot be
    ended from outside: its thread is left behind and another one opens the source anew. When the
    hung read returns after all, its thread gives the capture back and ends; what it read is not
    used.

    Args:
        opener: opens the capture; called in the thread, again after a loss.
        name: for messages, passwords masked.
        policy: how to reconnect; None: a failed read is the end (a file in real time).
        fps: nominal frames per second; None: what the capture says.
        clock: for spans and pauses.
        notices: get what happens to it.
        wait: a source that is not there yet is tried again until it is.
    """

    live = True

    def __init__(
        self,
        opener: Callable[[], Capture],
        name: str,
        policy: ReconnectPolicy | None,
        fps: float | None = None,
        clock: TimeSource = SYSTEM_CLOCK,
        *,
        notices: Notices | None = None,
        wait: bool = False,
    ) -> None:
        self._clock = clock
        self._opener = opener
        self._name = name
        self._policy = policy
        self._wait = wait
        self.fps = fps
        self._newest = NewestFrame(clock, lambda: self._finished)
        self._voice = SourceVoice(name, notices, clock)
        self._reconnects = self._failures = 0
        self._given = self._lost = self._finished = False
        self._size: Size | None = None
        self._error: EdgecnnError | None = None
        self._stop = threading.Event()
        self._left_behind: list[threading.Thread] = []
        self._lock = self._newest.changed
        with self._lock:
            self._worker = self._start(0.0)

    @property
    def ended(self) -> bool:
        """The source is at its end or closed, and its last frame was taken."""
        with self._lock:
            return self._finished and self._newest.empty and self._error is None

    @property
    def counts(self) -> SourceCounts:
        """See :class:`Source`."""
        return SourceCounts(self._newest.dropped, self._newest.corrupt, self._reconnects)

    def read(self, timeout_s: float) -> Frame | None:
        """See :class:`Source`."""
        frame = self._newest.take(timeout_s)
        if frame is not None:
            self._see_size((frame.image.shape[0], frame.image.shape[1]))
            return frame
        with self._lock:
            if self._newest.empty and self._error is not None:
                raise self._error
            if not self._finished:
                self._leave_hung()
        return None

    def close(self) -> None:
        """Stops the thread; what hangs inside a driver is left behind after 2 s.

        An opening that hangs is left at once: there is nothing yet to give back.
        """
        first = not self._stop.is_set()
        self._stop.set()
        with self._lock:
            self._finished, self._error = True, None
            self._newest.clear()
            self._lock.notify_all()
            worker = self._worker
            opening = worker.capture is None and not worker.resting
            interrupt = getattr(worker.capture, "interrupt", None)
        if not first:
            return
        if interrupt is not None:
            interrupt()
        deadline_s = time.monotonic() + (_OPENING_JOIN_S if opening else _JOIN_TIMEOUT_S)
        for thread in (worker.thread, *self._left_behind):
            if thread is not threading.current_thread():
                thread.join(max(deadline_s - time.monotonic(), 0))

    def _start(self, pause_s: float) -> _Worker:
        worker = _Worker(self._run, self._clock.now().monotonic_s, pause_s)
        worker.thread.start()
        return worker

    def _leave_hung(self) -> None:
        """Leaves a read that hangs behind, and starts a new thread; called under the lock."""
        hung = self._worker
        silent_s = self._clock.now().monotonic_s - hung.alive_s
        if self._policy is None or hung.resting or silent_s <= self._policy.stall_s:
            return
        cause = self._because(
            f"it has given no frame for {silent_s:.0f} s",
            "unplug the camera and plug it in again, or restart the stream",
        )
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        self._left_behind.append(hung.thread)
        try:
            if len(self._left_behind) > self._policy.hung:
                raise CameraError(
                    f"{self._name} was lost: {cause.message}, and {self._policy.hung} reads before"
                    " that hang still",
                    hint=cause.hint,
                )
            pause_s = self._after_loss(cause)
        except EdgecnnError as error:
            self._finish(error)
            raise
        self._worker = self._start(pause_s)

    def _run(self, me: _Worker) -> None:
        """The thread: captures until stopped, left behind, ended, or lost for good."""
        error: EdgecnnError | None = CameraError(
            f"reading {self._name} ended unexpectedly",
            hint="please report this, with the lines above",
        )
        try:
            with quiet_cv2():
                self._keep_open(me)
            error = None
        except EdgecnnError as lost:
            error = lost
        finally:
            with self._lock:
                if self._is_current(me):
                    self._finish(error)

    def _finish(self, error: EdgecnnError | None) -> None:
        self._finished, self._error = True, error
        self._lock.notify_all()

    def _is_current(self, me: _Worker) -> bool:
        # While the constructor runs there is no worker yet: the lock keeps the thread waiting.
        return self._worker is me and not self._finished and not self._stop.is_set()

    def _goes_on(self, me: _Worker) -> bool:
        with self._lock:
            return self._is_current(me)

    def _keep_open(self, me: _Worker) -> None:
        pause_s = me.pause_s
        while True:
            if pause_s:
                self._clock.wait(self._stop, pause_s)
            with self._lock:
                me.alive_s, me.resting = self._clock.now().monotonic_s, False
                if not self._is_current(me):
                    return
            cause = self._capture_all(me)
            with self._lock:
                if cause is None or not self._is_current(me):
                    return
                pause_s = self._after_loss(cause)
                me.resting = True

    def _after_loss(self, cause: EdgecnnError) -> float:
        """Seconds to wait before the next attempt; called under the lock.

        Raises:
            EdgecnnError: there is no next attempt.
        """
        policy = self._policy or ReconnectPolicy(attempts=0)
        failures, self._failures = self._failures, self._failures + 1
        if not self._given:
            if not self._wait or not isinstance(cause, CameraError):
                raise cause
            if isinstance(cause, SourceRefusedError):
                raise cause  # it is there; trying again and again may lock the account
            self._voice.waiting(cause)
            return policy.pause_s(failures)
        if policy.attempts is not None and failures >= policy.attempts:
            tried = f" and did not come back in {failures} attempts" if failures else ""
            raise CameraError(
                f"{self._name} was lost{tried}: {cause.message}",
                hint="check cable, power and network, then start again; --reconnect forever keeps"
                " trying",
            )
        if not self._lost:
            self._lost = True
            self._voice.lost(cause)
        return policy.pause_s(failures)

    def _capture_all(self, me: _Worker) -> EdgecnnError | None:
        """Opens the source and reads until it gives no more; returns why, None: at its end."""
        try:
            capture = self._opener()
        except EdgecnnError as error:
            return error
        with self._lock:
            me.capture = capture
        try:
            if self.fps is None:
                self.fps = property_of(capture, _CAP_PROP_FPS)
            return self._frames(me, capture)
        finally:
            with self._lock:
                me.capture = None
            capture.release()

    def _frames(self, me: _Worker, capture: Capture) -> EdgecnnError | None:
        """Reads frames; returns why it makes no sense to go on, None: it is the end."""
        policy = self._policy or ReconnectPolicy()
        bad, buffers = BadReads(policy, me.alive_s), FrameBuffers()
        welcome = partial(self._is_current, me)
        good = False
        while self._goes_on(me):
            start_s = self._clock.now().monotonic_s
            damaged = False
            try:
                shot = read_shot(capture, buffers)
            except CameraError as over:
                return self._because(over.message, over.hint)
            except DamagedFrameError:
                shot, damaged = None, True
            now_s = me.alive_s = self._clock.now().monotonic_s
            if shot is not None:
                if self._newest.put(shot, (now_s - start_s) * 1e3, welcome):
                    good = True
                    self._newest.skip(welcome, bad.good(now_s))
                    self._came(me)
                elif self._newest.undecodable >= policy.bad_reads:
                    return self._because("it gives only damaged frames")
                continue
            if self._policy is None and not damaged:
                return None
            rest_s = bad.failed(now_s - start_s, now_s, damaged)
            if damaged:
                self._newest.skip(welcome)
            if rest_s is None:
                return self._because("it gives no more frames" if good else "it gives no frame")
            if rest_s:
                self._clock.wait(self._stop, rest_s)
        return None

    def _because(self, why: str, hint: str = "check cable, power and network") -> CameraError:
        """A reason why no frames come, with the source's name where no other sentence has it."""
        if self._given or self._wait:
            return CameraError(why, hint=hint)
        return CameraError(f"{self._name} was opened but {why.removeprefix('it ')}", hint=hint)

    def _came(self, me: _Worker) -> None:
        """A good frame came: an outage, if there was one, is over."""
        with self._lock:
            if self._is_current(me):
                self._given, self._failures = True, 0
                self._reconnects += self._lost
                self._lost = False
                self._voice.back()

    def _see_size(self, size: Size) -> None:
        before, self._size = self._size, size
        if before is not None and before != size:
            with self._lock:
                self._voice.changed(before, size)

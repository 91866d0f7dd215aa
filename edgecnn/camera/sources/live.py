"""A live source: a thread captures and keeps only the newest frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.camera.clock import SYSTEM_CLOCK, Clock
from edgecnn.camera.sources.capture import Capture, Image, quiet_cv2
from edgecnn.camera.sources.frames import Closing, Frame, SourceCounts, read_image
from edgecnn.core.errors import CameraError

_JOIN_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class ReconnectPolicy:
    """What to do when a live source stops giving frames.

    Attributes:
        attempts: how often to reopen it before giving up; counted anew after each good frame.
        backoff_s: wait before the first attempt; doubles up to ``backoff_max_s``.
        stall_s: give up when nothing at all has come for this long (a read that hangs).
    """

    attempts: int = 5
    backoff_s: float = 0.5
    backoff_max_s: float = 5.0
    stall_s: float = 30.0


class NewestSource(Closing):
    """A thread captures; :meth:`read` gives the newest frame that nobody has taken yet.

    Args:
        opener: opens the capture; called in the thread, again after a loss.
        name: for messages.
        policy: how to reconnect; None: a failed read is the end (a file in real time).
    """

    live = True

    def __init__(
        self,
        opener: Callable[[], Capture],
        name: str,
        policy: ReconnectPolicy | None,
        fps: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._clock = clock
        self._opener = opener
        self._name = name
        self._policy = policy
        self.fps = fps
        self._dropped = self._corrupt = self._reconnects = 0
        self._newest: Frame | None = None
        self._finished = False
        self._error: CameraError | None = None
        self._sequence = 0
        self._first_s = 0.0
        self._alive_s = time.monotonic()
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-capture", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """The source is at its end or closed, and its last frame was taken."""
        with self._wake:
            return self._finished and self._newest is None and self._error is None

    @property
    def counts(self) -> SourceCounts:
        """See :class:`Source`."""
        return SourceCounts(self._dropped, self._corrupt, self._reconnects)

    def read(self, timeout_s: float) -> Frame | None:
        """See :class:`Source`."""
        with self._wake:
            self._wake.wait_for(lambda: self._newest is not None or self._finished, timeout_s)
            frame, self._newest = self._newest, None
            if frame is not None:
                return frame
            if self._error is not None:
                raise self._error
            if self._finished or self._policy is None:
                return None
            silent_s = time.monotonic() - self._alive_s
            if silent_s > self._policy.stall_s:
                raise CameraError(
                    f"{self._name} has given no frame for {silent_s:.0f} s",
                    hint="unplug the camera and plug it in again, or restart the stream",
                )
            return None

    def close(self) -> None:
        """Stops the thread; one that hangs inside the driver is left behind after 2 s."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_TIMEOUT_S)
        with self._wake:
            self._newest, self._finished = None, True

    def _run(self) -> None:
        error: CameraError | None = None
        try:
            with quiet_cv2():
                self._capture_all()
        except CameraError as lost:
            error = lost
        finally:
            with self._wake:
                self._finished, self._error = True, error
                self._wake.notify_all()

    def _capture_all(self) -> None:
        """Captures until stopped, ended, or lost for good; the capture is released here."""
        failures, opened_once = 0, False
        while not self._stop.is_set():
            frames = 0
            try:
                capture = self._opener()
            except CameraError:
                if not opened_once:
                    raise
            else:
                opened_once = True
                try:
                    frames = self._capture_one(capture)
                finally:
                    capture.release()
            if self._policy is None or self._stop.is_set():
                return
            if not self._sequence:
                raise CameraError(
                    f"{self._name} was opened but gives no frame",
                    hint="does another program use it? unplug it and plug it in again",
                )
            failures = 0 if frames else failures
            if failures >= self._policy.attempts:
                raise CameraError(
                    f"{self._name} was lost and did not come back in {failures} attempts",
                    hint="check cable, power and network, then start again",
                )
            wait_s = self._policy.backoff_s * 2**failures
            failures += 1
            self._stop.wait(min(wait_s, self._policy.backoff_max_s))
            self._alive_s = time.monotonic()

    def _capture_one(self, capture: Capture) -> int:
        """Captures until a read fails; returns how many frames came."""
        frames = 0
        while not self._stop.is_set():
            start = time.monotonic()
            image = read_image(capture)
            now = time.monotonic()
            if image is None:
                break
            frames += 1
            self._publish(image, now, (now - start) * 1e3)
        return frames

    def _publish(self, image: Image, now: float, capture_ms: float) -> None:
        with self._wake:
            if self._sequence == 0:
                self._first_s = now
            if self._newest is not None:
                self._dropped += 1
            self._newest = Frame(
                image, self._sequence, self._clock.now(), now - self._first_s, capture_ms
            )
            self._sequence += 1
            self._alive_s = now
            self._wake.notify_all()

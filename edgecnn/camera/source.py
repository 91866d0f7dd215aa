"""Where frames come from.

A live source has a thread that keeps only the newest frame, so a slow consumer sees fewer frames
and never older ones. A file is read frame by frame, or played in real time with the same
newest-only rule. Sources are context managers; leaving one releases the device and joins the thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from edgecnn.camera.capture import (
    Capture,
    Image,
    PacedCapture,
    SourceSpec,
    open_capture,
    parse_source,
    property_of,
    quiet_cv2,
)
from edgecnn.core.errors import CameraError

_CAP_PROP_FPS = 5
_CAP_PROP_FRAME_COUNT = 7
_JOIN_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Frame:
    """One captured frame.

    Attributes:
        image: uint8 (H, W, 3), BGR; the consumer owns it.
        sequence: number of the frame in the source, from 0; gaps are dropped frames.
        captured_s: ``time.monotonic()`` when the source's read returned it.
        timestamp_s: position in the file, or seconds since the live source's first frame.
        capture_ms: how long the source's read took.
    """

    image: Image
    sequence: int
    captured_s: float
    timestamp_s: float
    capture_ms: float


class Source(Protocol):
    """Frames, one after the other."""

    @property
    def live(self) -> bool:
        """Frames come in real time, and may be dropped."""

    @property
    def fps(self) -> float | None:
        """Nominal frames per second, if the source says so."""

    @property
    def dropped(self) -> int:
        """How many captured frames were replaced by newer ones before anyone took them."""

    @property
    def ended(self) -> bool:
        """No frame will come any more."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame; None: none came within the time, or the source has ended.

        Raises:
            CameraError: a live source was lost for good.
        """

    def close(self) -> None:
        """Releases everything; may be called twice."""


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


class _Closing:
    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class FileSource(_Closing):
    """Every frame of a file, in order, none dropped."""

    live = False
    dropped = 0

    def __init__(self, capture: Capture, fps: float | None = None) -> None:
        self._capture: Capture | None = capture
        self.fps = fps
        self.ended = False
        self._next = 0

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame (decoding is not interrupted by ``timeout_s``); None at the end."""
        if self._capture is None or self.ended:
            return None
        start = time.monotonic()
        ok, image = self._capture.read()
        now = time.monotonic()
        if not ok or image is None:
            self.ended = True
            return None
        frame = Frame(image, self._next, now, self._next / (self.fps or 30.0), (now - start) * 1e3)
        self._next += 1
        return frame

    def close(self) -> None:
        """Closes the file."""
        capture, self._capture, self.ended = self._capture, None, True
        if capture is not None:
            capture.release()


class NewestSource(_Closing):
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
    ) -> None:
        self._opener = opener
        self._name = name
        self._policy = policy
        self.fps = fps
        self.dropped = 0
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
            ok, image = capture.read()
            now = time.monotonic()
            if not ok or image is None:
                break
            frames += 1
            self._publish(image, now, (now - start) * 1e3)
        return frames

    def _publish(self, image: Image, now: float, capture_ms: float) -> None:
        with self._wake:
            if self._sequence == 0:
                self._first_s = now
            if self._newest is not None:
                self.dropped += 1
            self._newest = Frame(image, self._sequence, now, now - self._first_s, capture_ms)
            self._sequence += 1
            self._alive_s = now
            self._wake.notify_all()


def open_source(
    text: str, *, realtime: bool = False, policy: ReconnectPolicy | None = None
) -> FileSource | NewestSource:
    """Opens a camera (``"0"``), a video or image file, or an http/rtsp stream.

    Args:
        text: as given to ``--source``.
        realtime: play a file at its own speed and drop what comes too fast, as a camera would.
        policy: how a live source reconnects.

    Raises:
        UsageError: the text can be no source.
        CameraError: it cannot be opened.
    """
    spec = parse_source(text)
    capture = open_capture(spec)
    fps = property_of(capture, _CAP_PROP_FPS)
    finite = spec.kind != "camera" and (
        spec.kind == "file" or property_of(capture, _CAP_PROP_FRAME_COUNT) is not None
    )
    if finite and not realtime:
        return FileSource(capture, fps)
    if finite:
        paced = PacedCapture(capture, fps or 30.0)
        return NewestSource(lambda: paced, spec.display, None, fps)
    return NewestSource(_first_open(capture, spec), spec.display, policy or ReconnectPolicy(), fps)


def _first_open(capture: Capture, spec: SourceSpec) -> Callable[[], Capture]:
    """An opener that hands out ``capture`` first, and opens anew afterwards."""
    ready = [capture]
    return lambda: ready.pop() if ready else open_capture(spec)

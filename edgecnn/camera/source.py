"""Where frames come from.

A live source has a thread that keeps only the newest frame, so a slow consumer sees fewer frames
and never older ones. A file is read frame by frame, or played in real time with the same
newest-only rule. Sources are context managers; leaving one releases the device and joins the
thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgecnn.camera.capture import (
    Capture,
    PacedCapture,
    SourceSpec,
    open_capture,
    parse_source,
    property_of,
)
from edgecnn.camera.frames import Closing, Frame, Source, read_image
from edgecnn.camera.live import NewestSource, ReconnectPolicy

__all__ = ["FileSource", "Frame", "NewestSource", "ReconnectPolicy", "Source", "open_source"]

_CAP_PROP_FPS = 5
_CAP_PROP_FRAME_COUNT = 7


class FileSource(Closing):
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
        image = read_image(self._capture)
        now = time.monotonic()
        if image is None:
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

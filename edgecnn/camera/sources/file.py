"""A video or image file, frame by frame."""

from __future__ import annotations

import time

from edgecnn.camera.clock import SYSTEM_CLOCK
from edgecnn.camera.sources.capture import Capture
from edgecnn.camera.sources.frames import Closing, Frame, SourceCounts, read_image


class FileSource(Closing):
    """Every frame of a file, in order, none dropped."""

    live = False

    def __init__(self, capture: Capture, fps: float | None = None) -> None:
        self._capture: Capture | None = capture
        self.fps = fps
        self.ended = False
        self._next = 0

    @property
    def counts(self) -> SourceCounts:
        """See :class:`Source`."""
        return SourceCounts()

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
        at_s = self._next / (self.fps or 30.0)
        frame = Frame(image, self._next, SYSTEM_CLOCK.now(), at_s, (now - start) * 1e3)
        self._next += 1
        return frame

    def close(self) -> None:
        """Closes the file."""
        capture, self._capture, self.ended = self._capture, None, True
        if capture is not None:
            capture.release()

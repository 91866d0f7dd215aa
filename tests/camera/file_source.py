"""A video file, frame by frame."""

from __future__ import annotations

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.ahead import ReadAhead
from edgecnn.camera.sources.capture import Capture
from edgecnn.camera.sources.reader import VideoReader


class FileSource(ReadAhead):
    """Every frame of an open video, in order, none dropped; decoded ahead on a thread of its own.

    Args:
        capture: open; released here.
        fps: nominal frames per second; None: unknown.
        notices: get what happens.
    """

    def __init__(
        self, capture: Capture, fps: float | None = None, notices: Notices | None = None
    ) -> None:
        super().__init__(VideoReader(capture, fps, notices=notices))

"""The annotated .mp4 or .avi of ``-o``, never half-written under its final name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecnn.camera.recording.temporary import checked_temporary
from edgecnn.camera.sources.capture import Image, quiet_cv2
from edgecnn.core.errors import CameraError, UsageError

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
# Frames held back to measure a live source's real rate before the video's rate is fixed.
_RATE_FRAMES = 10


class VideoFile:
    """An .mp4 or .avi that appears under its name when :meth:`finish` has closed it.

    Args:
        path: the suffix chooses the codec: .mp4 (MPEG-4 Part 2) or .avi (Motion JPEG).
        fps: of the source; None: measured on the first frames (live sources, whose real rate is
            what the model leaves over).

    Raises:
        UsageError: unknown suffix, or a folder that cannot be written to.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        if path.suffix.lower() not in _CODECS:
            raise UsageError(
                f"the video '{path}' has the suffix '{path.suffix}',"
                f" expected {' or '.join(_CODECS)}",
                hint=f"for example {path.with_suffix('.mp4').name}",
            )
        self._path = path
        self._temporary = checked_temporary(path, "video")
        self._fps = fps
        self._held: list[tuple[float, Image]] = []
        self._writer: Any = None
        self._size = (0, 0)
        self.frames = 0

    def write(self, image: Image, timestamp_s: float) -> None:
        """Adds a frame; one of another size than the first is scaled to it."""
        if self._writer is not None:
            self._put(image)
            return
        self._held.append((timestamp_s, image.copy()))
        if self._fps is not None or len(self._held) >= _RATE_FRAMES:
            self._open()

    def finish(self) -> None:
        """Closes the video and gives it its name; without any frame no file appears.

        Raises:
            CameraError: the file is not readable as a video (a full disk, most likely).
        """
        try:
            if self._writer is None and self._held:
                self._open()
            if self._writer is None:
                return
            self._writer.release()
            self._writer = None
            self._check()
            self._temporary.replace(self._path)
        except OSError as error:
            raise CameraError(
                f"cannot write the video '{self._path}': {error.strerror or error}",
                hint="choose a file in a folder that you may write to",
            ) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Removes what was written, if :meth:`finish` has not named it."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._held.clear()
        self._temporary.unlink(missing_ok=True)

    def _open(self) -> None:
        import cv2

        first = self._held[0][1]
        self._size = (first.shape[1], first.shape[0])
        codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
        with quiet_cv2():
            writer = cv2.VideoWriter(str(self._temporary), codec, self._rate(), self._size)
        if not writer.isOpened():
            raise CameraError(
                f"cannot write the video '{self._path}': OpenCV opens no encoder for it",
                hint="try the other format: .mp4 or .avi",
            )
        self._writer = writer
        for _, image in self._held:
            self._put(image)
        self._held.clear()

    def _rate(self) -> float:
        if self._fps is not None:
            return min(max(self._fps, 1.0), 240.0)
        seconds = self._held[-1][0] - self._held[0][0]
        rate = (len(self._held) - 1) / seconds if seconds > 0 else 15.0
        # MPEG-4 cannot hold arbitrary fractions in its 16-bit time base.
        return round(min(max(rate, 1.0), 120.0), 1)

    def _put(self, image: Image) -> None:
        import cv2

        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(image)
        self.frames += 1

    def _check(self) -> None:
        """cv2's writer reports no write error, so the file is opened once."""
        import cv2

        with quiet_cv2():
            capture = cv2.VideoCapture(str(self._temporary))
            readable = capture.isOpened()
            capture.release()
        if not readable:
            raise CameraError(
                f"the video '{self._path}' could not be finished",
                hint="is the disk full?",
            )

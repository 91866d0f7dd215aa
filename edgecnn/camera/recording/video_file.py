"""The annotated .mp4 or .avi of ``-o``, never half-written under its final name."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecnn.camera.recording.slots import Slots, measured_rate
from edgecnn.camera.recording.temporary import checked_temporary, keep_incomplete
from edgecnn.camera.sources.capture import Image, quiet_cv2
from edgecnn.core.errors import CameraError, UsageError

_CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
# Frames held back to measure a live source's real rate before the video's rate is fixed.
_RATE_FRAMES = 10
# Large frames are held in smaller number: a small computer has 512 MB for everything.
_HELD_BYTES = 32 << 20
# OpenCV's writer reports no error, and without its index, which is written last, an .mp4 cannot be
# opened: writing stops while the disk has room for a few more frames and for the index.
_RESERVE_BYTES = 2 << 20
_INDEX_BYTES = 32


class VideoFile:
    """An .mp4 or .avi that appears under its name when :meth:`finish` has closed it.

    A disk that becomes full ends the video while it can still be made whole: it keeps what was
    written under a name that says so (``detections.incomplete.mp4``).

    Args:
        path: the suffix chooses the codec: .mp4 (MPEG-4 Part 2) or .avi (Motion JPEG).
        fps: of the source, each of whose frames is written; None: frames come in real time, which
            the video keeps: its rate is measured on the first of them, a frame is repeated
            or left out where they come slower or faster.

    Attributes:
        live: frames come in real time.
        frames: in the video.

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
        self.live = fps is None
        self._held: list[tuple[float, Image]] = []
        self._slots: Slots | None = None
        self._last: Image | None = None
        self._writer: Any = None
        self._closed = False
        self._size = (0, 0)
        self.frames = 0

    @property
    def cut_s(self) -> float:
        """Seconds of outages that the video does not show."""
        return self._slots.cut_s if self._slots is not None else 0.0

    def write(self, image: Image, timestamp_s: float) -> None:
        """Adds a frame; one of another size than the first is scaled to it.

        Raises:
            CameraError: no encoder, or the disk is nearly full: the video is closed and kept.
        """
        if self._closed:
            return
        if self._writer is not None:
            self._place(image, timestamp_s)
            return
        self._held.append((timestamp_s, image))
        enough = min(_RATE_FRAMES, max(2, _HELD_BYTES // max(image.nbytes, 1)))
        if self._fps is not None or len(self._held) >= enough:
            self._open()

    def finish(self) -> None:
        """Closes the video and gives it its name; without any frame no file appears.

        Raises:
            CameraError: the file is not readable as a video (a full disk, most likely).
        """
        if self._closed:
            return
        if self._writer is None and self._held:
            self._open()
        if self._writer is None:
            self.discard()
            return
        self._close()
        if not _readable(self._temporary):
            raise CameraError(
                f"the video '{self._path}' could not be finished{self._keep()}",
                hint="is the disk full?",
            )
        try:
            with self._temporary.open("r+b") as stream:
                os.fsync(stream.fileno())
            self._temporary.replace(self._path)
        except OSError as error:
            raise CameraError(
                f"cannot write the video '{self._path}': {error.strerror or error};"
                f" it is left as '{self._temporary}'",
                hint="choose a file in a folder that you may write to",
            ) from error

    def discard(self) -> None:
        """Removes what was written, if it was neither named nor kept."""
        if not self._closed:
            self._close()
            with suppress(OSError):  # the folder may be gone
                self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        self._closed = True
        if self._writer is not None:
            self._writer.release()
        self._writer = self._last = None
        self._held.clear()

    def _open(self) -> None:
        import cv2

        first = self._held[0][1]
        self._size = (first.shape[1], first.shape[0])
        codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
        if self._fps is not None:
            rate = min(max(self._fps, 1.0), 240.0)
        else:
            rate = measured_rate([timestamp_s for timestamp_s, _ in self._held])
            self._slots = Slots(rate)
        with quiet_cv2():
            writer = cv2.VideoWriter(str(self._temporary), codec, rate, self._size)
        if not writer.isOpened():
            self.discard()
            raise CameraError(
                f"cannot write the video '{self._path}': OpenCV opens no encoder for it",
                hint="try the other format: .mp4 or .avi",
            )
        self._writer = writer
        held, self._held = self._held, []
        for timestamp_s, image in held:
            self._place(image, timestamp_s)

    def _place(self, image: Image, timestamp_s: float) -> None:
        """Puts a frame where it belongs, the one before it up to there."""
        count = 1 if self._slots is None else self._slots.take(timestamp_s)
        for _ in range(count - 1):
            self._put(self._last)
        if count:
            self._put(image)
            self._last = image if self._slots is not None else None

    def _put(self, image: Image | None) -> None:
        import cv2

        if image is None:
            return
        self._check_room(image.nbytes)
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(image)
        self.frames += 1

    def _check_room(self, frame_bytes: int) -> None:
        """Ends the video while it can still be made whole."""
        try:
            room = min(_free_bytes(self._temporary), _left_of_file_limit(self._temporary))
        except OSError as error:
            self._close()
            raise CameraError(
                f"the video '{self._path}' stopped after {self.frames} frames:"
                f" {error.strerror or error}",
                hint="its folder must stay until the video is finished",
            ) from error
        if room >= _RESERVE_BYTES + frame_bytes // 2 + _INDEX_BYTES * self.frames:
            return
        self._close()
        raise CameraError(
            f"the video '{self._path}' stopped after {self.frames} frames: there is room for only"
            f" {room / 1e6:.1f} MB more{self._keep()}",
            hint="make room on the disk, or write to another one",
        )

    def _keep(self) -> str:
        """Gives the unfinished video a name that says so; returns what to tell of it."""
        with suppress(OSError):
            if not self.frames:
                self._temporary.unlink(missing_ok=True)
            if not self._temporary.exists():
                return ""
        kept = keep_incomplete(self._temporary, self._path)
        plays = "" if _readable(kept) else ", but cannot be played"
        return f"; what was recorded is in '{kept}'{plays}"


def _readable(path: Path) -> bool:
    """Whether it opens as a video: cv2's writer reports no error."""
    import cv2

    with quiet_cv2():
        capture = cv2.VideoCapture(str(path))
        readable = capture.isOpened()
        capture.release()
    return readable


def _free_bytes(path: Path) -> int:
    """Bytes that the disk of a file has free; asking costs microseconds."""
    return shutil.disk_usage(path.parent).free


def _left_of_file_limit(path: Path) -> float:
    """How many bytes a file may still grow by (``ulimit -f``)."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return float("inf")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return float("inf") if limit < 0 else limit - path.stat().st_size

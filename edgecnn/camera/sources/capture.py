"""Opening a video file with cv2, with errors that name what was given."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.sources.containers import facts_of
from edgecnn.camera.sources.forms import forms_text
from edgecnn.camera.sources.spec import SourceSpec
from edgecnn.core.errors import CameraError

Image = NDArray[np.uint8]


class Undecoded(Protocol):
    """A picture as it came, still compressed."""

    def decode(self) -> Image | None:
        """The picture, uint8 (H, W, 3) BGR; None: it is damaged."""


class Capture(Protocol):
    """What the sources need of ``cv2.VideoCapture``; test doubles have it too.

    One that also has ``interrupt()`` can be woken from its ``read`` by another thread.
    """

    def read(self) -> tuple[bool, Any]:
        """Blocks for the next frame.

        Returns:
            (True, uint8 (H, W, 3) BGR), (True, :class:`Undecoded`), or (False, None): no frame
            came, or a damaged one.

        Raises:
            DamagedFrameError: a damaged one for certain; the next may be good.
            CameraError: none will come any more; why, as a sentence about "it".
        """

    def release(self) -> None:
        """Gives the device back."""


class DamagedFrameError(Exception):
    """A frame came that cannot be decoded; inside this room alone."""


class SourceRefusedError(CameraError):
    """The source is there, and lets nobody in: trying again is of no use."""


@contextlib.contextmanager
def quiet_cv2() -> Iterator[None]:
    """Keeps OpenCV and its FFmpeg from writing to stderr; our own errors say it better.

    OpenCV would write URLs with their passwords. It stays quiet from here on: a capture's thread
    may log at any time, and the level is one for the whole process.
    """
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is not None:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    yield


def open_capture(spec: SourceSpec, threads: int | None = None) -> Any:
    """An open ``cv2.VideoCapture`` of a file.

    Args:
        spec: what to open.
        threads: that decode it, where FFmpeg does; None: as many as it chooses.

    Raises:
        CameraError: it does not exist, cannot be opened, or is of no known format.
    """
    import cv2

    _check_file(Path(str(spec.value)))
    with quiet_cv2():
        try:
            capture = _opened(spec.value, threads)
        except cv2.error as error:
            raise _cannot_open(spec) from error
    if not capture.isOpened():
        capture.release()
        raise _cannot_open(spec)
    return capture


def _opened(value: int | str, threads: int | None) -> Any:
    import cv2

    if threads is not None:
        capture = cv2.VideoCapture(value, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
        if capture.isOpened():
            return capture
        capture.release()
    return cv2.VideoCapture(value)


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            reason = "it is a folder, expected a video or image file"
        elif stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            # Opening one waits, for ever perhaps, and OpenCV could not read it twice.
            reason = "it is a pipe, expected a file"
        else:
            with path.open("rb") as stream:
                reason = "" if stream.read(1) else "the file is empty"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise CameraError(
            f"cannot open the source '{path}': {reason}",
            hint=f"check the path; forms of --source: {forms_text()}",
        )


def _cannot_open(spec: SourceSpec) -> CameraError:
    if facts_of(Path(str(spec.value))).headless:
        return CameraError(
            f"cannot read {spec.display}: it is an MP4, and its index is cut off or was never"
            " written",
            hint="copy it again in full; what is left of it OpenCV and FFmpeg cannot play",
        )
    return CameraError(
        f"cannot read {spec.display}: OpenCV knows no video or image format in it",
        hint="convert it, for example: ffmpeg -i INPUT -c:v mpeg4 OUTPUT.mp4",
    )


def property_of(capture: Capture, number: int) -> float | None:
    """A positive, finite property such as frames per second, or None."""
    getter = getattr(capture, "get", None)
    value = float(getter(number)) if getter else 0.0
    return value if 0 < value < 1e7 else None

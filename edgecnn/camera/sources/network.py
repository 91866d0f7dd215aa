"""Opening a stream of the network: MJPEG with our own reader, all others with FFmpeg."""

from __future__ import annotations

from typing import Any

from edgecnn.camera.sources.capture import Capture, quiet_cv2
from edgecnn.camera.sources.http_stream import open_mjpeg
from edgecnn.camera.sources.spec import SourceSpec
from edgecnn.core.errors import CameraError

_OPEN_MS, _READ_MS = 10_000, 10_000
#: FFmpeg decodes on as many threads as there are cores, and each holds a frame back. Two keep up
#: with any camera, and hold back one.
_THREADS = 2


def open_stream(spec: SourceSpec) -> Capture:
    """Connects to the stream of a URL.

    Raises:
        SourceRefusedError: user or password are wrong, as far as that can be seen.
        CameraError: there is no stream, or none that can be read.
    """
    url = str(spec.value)
    if url.lower().startswith("http"):
        capture = open_mjpeg(url, spec.display)
        if capture is not None:
            return capture
    return _open_with_ffmpeg(url, spec.display)


def _open_with_ffmpeg(url: str, name: str) -> Any:
    import cv2

    settings = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS,
    ]  # fmt: skip
    if hasattr(cv2, "CAP_PROP_N_THREADS"):
        settings += [cv2.CAP_PROP_N_THREADS, _THREADS]
    with quiet_cv2():
        try:
            capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, settings)
        except cv2.error:
            raise _cannot_open(name) from None
    if not capture.isOpened():
        capture.release()
        raise _cannot_open(name)
    return capture


def _cannot_open(name: str) -> CameraError:
    return CameraError(
        f"cannot open the stream {name}",
        hint="check the address, user and password; does the camera answer on this network?",
    )

"""Opening a stream of the network: MJPEG with our own reader, all others with FFmpeg."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from edgecnn.camera.clock import SYSTEM_CLOCK, TimeSource
from edgecnn.camera.sources.capture import Capture, Image, property_of, quiet_cv2
from edgecnn.camera.sources.http_stream import open_mjpeg
from edgecnn.camera.sources.rtsp_answer import why_closed
from edgecnn.camera.sources.spec import SourceSpec
from edgecnn.camera.sources.url import with_password
from edgecnn.core.errors import CameraError

PASSWORD_VARIABLE = "EDGECNN_SOURCE_PASSWORD"
_OPEN_MS, _READ_MS = 10_000, 5000
_CAP_PROP_FRAME_COUNT = 7
#: FFmpeg decodes on as many threads as there are cores, and each holds a frame back. Two keep up
#: with any camera, and hold back one.
_THREADS = 2
_CHECK_NETWORK = "check the address; does the camera answer on this network?"


def open_stream(spec: SourceSpec, environ: Mapping[str, str] = os.environ) -> Capture:
    """Connects to the stream of a URL.

    Args:
        spec: of the kind ``url``.
        environ: ``EDGECNN_SOURCE_PASSWORD`` is the password where the URL has a user alone.

    Raises:
        SourceRefusedError: user or password are wrong, as far as that can be seen.
        CameraError: there is no stream, or none that can be read.
    """
    url = with_password(str(spec.value), environ.get(PASSWORD_VARIABLE))
    if url.lower().startswith("http"):
        capture = open_mjpeg(url, spec.display)
        if capture is not None:
            return capture
    return _open_with_ffmpeg(url, spec.display)


class FfmpegStream:
    """A live stream that FFmpeg reads and decodes.

    Damaged frames are not counted: FFmpeg mends them as well as it can, and tells nobody.

    Args:
        capture: an open ``cv2.VideoCapture``; released here.
        clock: says how long a read takes.
    """

    #: Its read takes an array to write into.
    reuses = True

    def __init__(self, capture: Any, clock: TimeSource = SYSTEM_CLOCK) -> None:
        self._capture = capture
        self._clock = clock

    def read(self, image: Image | None = None) -> tuple[bool, Any]:
        """See :class:`~edgecnn.camera.sources.capture.Capture`."""
        start_s = self._clock.now().monotonic_s
        ok, image = self._capture.read(image)
        if self._clock.now().monotonic_s - start_s >= _READ_MS / 1e3:
            # When its time is over FFmpeg empties its decoder: frames from before the silence.
            raise CameraError(f"it sent nothing for {_READ_MS // 1000} s", hint=_CHECK_NETWORK)
        return ok, image

    def get(self, number: int) -> float:
        """A property of ``cv2.VideoCapture``."""
        return float(self._capture.get(number))

    def release(self) -> None:
        """Ends the connection."""
        self._capture.release()


def _open_with_ffmpeg(url: str, name: str) -> Capture:
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
            raise _cannot_open(url, name) from None
    if not capture.isOpened():
        capture.release()
        raise _cannot_open(url, name)
    if property_of(capture, _CAP_PROP_FRAME_COUNT) is not None:
        return capture  # a file behind a URL
    return FfmpegStream(capture)


def _cannot_open(url: str, name: str) -> CameraError:
    if url.lower().startswith("rtsp:"):
        return why_closed(url, name)
    return CameraError(
        f"cannot open the stream {name}",
        hint=f"check user and password; {_CHECK_NETWORK}",
    )

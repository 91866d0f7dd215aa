"""What opens a source, and opens it again after a loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.capture import Capture, open_capture
from edgecnn.camera.sources.network import open_stream
from edgecnn.camera.sources.picamera import PicameraOpener
from edgecnn.camera.sources.spec import SourceSpec
from edgecnn.camera.sources.v4l2 import CameraOpener


def opener_of(spec: SourceSpec, notices: Notices | None = None) -> Callable[[], Capture]:
    """What opens the source; a camera that gives something else than asked says so once.

    Args:
        spec: the source.
        notices: get what a camera gives instead of what was asked.
    """
    if spec.kind == "url":
        return partial(open_stream, spec)
    if spec.camera is None:
        return partial(open_capture, spec)
    notices = notices or Notices()
    if spec.camera.kind == "picamera2":
        return PicameraOpener(spec.camera, partial(notices.say, "source_changed"))
    return CameraOpener(spec.camera, partial(notices.say, "source_changed"))

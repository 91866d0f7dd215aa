"""Where frames come from.

A live source has a thread that keeps only the newest frame, so a slow consumer sees fewer frames
and never older ones. A file is read frame by frame, or played in real time with the same
newest-only rule. Sources are context managers; leaving one releases the device and joins the
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.capture import (
    Capture,
    PacedCapture,
    open_capture,
    property_of,
)
from edgecnn.camera.sources.file import FileSource
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reader import counts_exactly
from edgecnn.camera.sources.spec import SourceSpec, parse_source

_CAP_PROP_FPS = 5
_CAP_PROP_FRAME_COUNT = 7


def open_source(
    text: str, options: SourceOptions | None = None, notices: Notices | None = None
) -> FileSource | NewestSource:
    """Opens a camera (``"0"``), a video or image file, or an http/rtsp stream.

    Args:
        text: as given to ``--source``.
        options: how it is opened and kept open.
        notices: get what happens to it.

    Raises:
        UsageError: the text can be no source.
        CameraError: it cannot be opened.
    """
    options = options or SourceOptions()
    spec = parse_source(text)
    capture = open_capture(spec)
    fps = property_of(capture, _CAP_PROP_FPS)
    finite = spec.kind != "camera" and (
        spec.kind == "file" or property_of(capture, _CAP_PROP_FRAME_COUNT) is not None
    )
    if finite and not options.realtime:
        return FileSource(
            capture,
            fps,
            name=spec.display,
            exact=spec.kind == "file" and counts_exactly(Path(str(spec.value))),
            notices=notices,
        )
    if finite:
        paced = PacedCapture(capture, fps or 30.0)
        return NewestSource(lambda: paced, spec.display, None, fps)
    return NewestSource(_first_open(capture, spec), spec.display, options.reconnect, fps)


def _first_open(capture: Capture, spec: SourceSpec) -> Callable[[], Capture]:
    """An opener that hands out ``capture`` first, and opens anew afterwards."""
    ready = [capture]
    return lambda: ready.pop() if ready else open_capture(spec)

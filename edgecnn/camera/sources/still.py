"""Opening what waits to be read, video files and images, and the test pattern."""

from __future__ import annotations

from pathlib import Path

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.ahead import ReadAhead, StillReader
from edgecnn.camera.sources.capture import Capture, open_capture, property_of
from edgecnn.camera.sources.containers import facts_of
from edgecnn.camera.sources.image_files import find_images
from edgecnn.camera.sources.images import ImagesReader
from edgecnn.camera.sources.paced import PacedSource
from edgecnn.camera.sources.pattern_source import PatternSource
from edgecnn.camera.sources.reader import VideoReader
from edgecnn.camera.sources.spec import SourceSpec

_CAP_PROP_FPS = 5


def open_still(
    spec: SourceSpec, *, realtime: bool = False, notices: Notices | None = None
) -> ReadAhead | PatternSource:
    """Opens a source of the kind ``file`` or ``test``.

    Args:
        spec: what to open.
        realtime: play it at its own speed, and drop what comes too fast.
        notices: get what happens to it.

    Raises:
        CameraError: it cannot be opened.
    """
    if spec.kind == "test":
        return PatternSource(spec.pattern)
    reader = open_reader(spec, notices)
    if realtime:
        return PacedSource(reader)
    # One image of a camera is some ten times the size of a video's frame.
    return ReadAhead(reader, room=1 if isinstance(reader, ImagesReader) else 2)


def open_reader(spec: SourceSpec, notices: Notices | None = None) -> StillReader:
    """Opens a source of the kind ``file``.

    Raises:
        CameraError: it cannot be opened.
    """
    images = find_images(str(spec.value))
    if images is not None:
        return ImagesReader(images, notices)
    return video_reader(open_capture(spec), spec, notices)


def video_reader(capture: Capture, spec: SourceSpec, notices: Notices | None) -> VideoReader:
    """Reads an open video, be it a file here or one behind an address."""
    return VideoReader(
        capture,
        property_of(capture, _CAP_PROP_FPS),
        name=spec.display,
        facts=facts_of(Path(str(spec.value))) if spec.kind == "file" else None,
        notices=notices,
    )

"""Opening what waits to be read, video files and images, and the test pattern."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

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

_CAP_PROP_POS_MSEC = 0
_CAP_PROP_FPS = 5
_MOST_FPS = 121.0
_PROBED = 24


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
    return video_reader(open_capture(spec, threads=1), spec, notices)


def video_reader(capture: Capture, spec: SourceSpec, notices: Notices | None) -> VideoReader:
    """Reads an open video, be it a file here or one behind an address."""
    fps = property_of(capture, _CAP_PROP_FPS)
    if spec.kind != "file":
        return VideoReader(capture, fps, name=spec.display, notices=notices)
    if fps is None or fps > _MOST_FPS:
        fps = _measured_fps(spec) or fps
    return VideoReader(
        capture,
        fps,
        name=spec.display,
        facts=facts_of(Path(str(spec.value))),
        notices=notices,
        faster=lambda: open_capture(spec),
    )


def _measured_fps(spec: SourceSpec) -> float | None:
    """Frames per second by the positions of the first ones; None: they tell none.

    Where the rate varies, containers without a nominal one are said to have that of their clock,
    which often is 1000 per second.
    """
    probe = open_capture(spec)
    try:
        told: list[float] = []
        while len(told) < _PROBED and probe.grab():
            told.append(float(probe.get(_CAP_PROP_POS_MSEC)))
    finally:
        probe.release()
    gaps = [later - sooner for sooner, later in pairwise(told) if later > sooner]
    return 1e3 / median(gaps) if gaps else None

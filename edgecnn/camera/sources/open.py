"""Where frames come from.

A live source has a thread that keeps only the newest frame, so a slow consumer sees fewer frames
and never older ones. A file is read frame by frame, or played in real time with the same
newest-only rule. Sources are context managers; leaving one releases the device and joins the
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import PurePosixPath
from threading import Thread
from urllib.parse import urlsplit

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.ahead import ReadAhead
from edgecnn.camera.sources.capture import (
    Capture,
    SourceRefusedError,
    property_of,
)
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.late import LateSource
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.openers import opener_of
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.paced import PacedSource
from edgecnn.camera.sources.spec import SourceSpec, parse_source
from edgecnn.camera.sources.still import open_still, video_reader
from edgecnn.core.errors import CameraError, EdgecnnError

_CAP_PROP_FPS = 5
_CAP_PROP_FRAME_COUNT = 7
_OPENING_S = 30.0
_VIDEO_FILES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")


def open_source(
    text: str, options: SourceOptions | None = None, notices: Notices | None = None
) -> Source:
    """Opens whatever ``--source`` names; ``forms.py`` has all forms.

    Args:
        text: as given to ``--source``.
        options: how it is opened and kept open.
        notices: get what happens to it.

    Raises:
        UsageError: the text can be no source.
        CameraError: it cannot be opened, and is not to be waited for.
    """
    options = options or SourceOptions()
    spec = parse_source(text)
    if not options.wait or spec.kind == "test":
        return _open_now(spec, options, notices)
    if is_live(spec):
        return _live(spec, opener_of(spec, notices), None, options, notices)
    opener = partial(_open_now, spec, options, notices)
    try:
        return opener()
    except SourceRefusedError:
        raise
    except CameraError:
        return LateSource(opener, spec.display, notices)


def is_live(spec: SourceSpec) -> bool:
    """Whether it is live, as far as its name tells."""
    if spec.kind == "url":
        return PurePosixPath(urlsplit(str(spec.value)).path).suffix.lower() not in _VIDEO_FILES
    return spec.kind in ("camera", "test")


def _open_now(spec: SourceSpec, options: SourceOptions, notices: Notices | None) -> Source:
    if spec.kind in ("file", "test"):
        return open_still(spec, realtime=options.realtime, notices=notices)
    opener = opener_of(spec, notices)
    capture = _opened_beside(opener, spec.display)
    if spec.kind == "url" and property_of(capture, _CAP_PROP_FRAME_COUNT) is not None:
        reader = video_reader(capture, spec, notices)
        return PacedSource(reader) if options.realtime else ReadAhead(reader)
    fps = property_of(capture, _CAP_PROP_FPS)
    return _live(spec, _first_open(capture, opener), fps, options, notices)


def _live(
    spec: SourceSpec,
    opener: Callable[[], Capture],
    fps: float | None,
    options: SourceOptions,
    notices: Notices | None,
) -> NewestSource:
    return NewestSource(
        opener, spec.display, options.reconnect, fps, notices=notices, wait=options.wait
    )


def _first_open(capture: Capture, opener: Callable[[], Capture]) -> Callable[[], Capture]:
    """An opener that hands out ``capture`` first, and opens anew afterwards."""
    ready = [capture]
    return lambda: ready.pop() if ready else opener()


def _opened_beside(opener: Callable[[], Capture], name: str) -> Capture:
    """Opens a camera or a stream on a thread, so that Ctrl-C need not wait for it.

    Raises:
        CameraError: it cannot be opened, or opening it hangs.
    """
    opened: Future[Capture] = Future()

    def run() -> None:
        try:
            capture = opener()
        except EdgecnnError as error:
            if opened.set_running_or_notify_cancel():
                opened.set_exception(error)
        else:
            if opened.set_running_or_notify_cancel():
                opened.set_result(capture)
            else:
                capture.release()

    Thread(target=run, name="edgecnn-open", daemon=True).start()
    try:
        return opened.result(_OPENING_S)
    except TimeoutError:
        opened.cancel()
        raise CameraError(
            f"opening {name} takes longer than {_OPENING_S:.0f} s",
            hint="unplug the camera and plug it in again, or restart the stream",
        ) from None
    except KeyboardInterrupt:
        opened.cancel()
        raise

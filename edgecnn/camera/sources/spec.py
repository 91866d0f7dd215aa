"""What ``--source`` names: a camera, a file, a stream, the pattern, as a kind and a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.sources.device_options import CameraName, camera_name
from edgecnn.camera.sources.forms import forms_text
from edgecnn.camera.sources.pattern_options import PatternOptions, pattern_options
from edgecnn.camera.sources.url import checked_url
from edgecnn.core.errors import UsageError

SourceKind = Literal["camera", "file", "url", "test"]


@dataclass(frozen=True)
class SourceSpec:
    """A parsed ``--source``.

    Attributes:
        kind: what opens it.
        value: a camera's number, or the text that names it.
        display: for messages: passwords in URLs are masked.
        camera: a camera's whole name, with what is asked of it.
        pattern: what is asked of the test pattern.
    """

    kind: SourceKind
    value: int | str
    display: str
    camera: CameraName | None = None
    pattern: PatternOptions | None = None


def parse_source(text: str) -> SourceSpec:
    """Reads ``--source``: a camera, a URL, or a path.

    >>> parse_source("0,size=640x480").kind, parse_source("clips/a,b.mp4").kind
    ('camera', 'file')
    >>> parse_source("rtsp://me:secret@door.local/1").display
    'rtsp://me:***@door.local/1'

    Raises:
        UsageError: empty, a negative number, an option that cannot be meant, or a URL that cannot
            be one.
    """
    text = text.strip()
    if not text or text.lstrip("-").isdigit() and text.startswith("-"):
        raise UsageError(
            f"--source is {text!r}, expected a camera, a file, a folder, a URL, or test",
            hint=forms_text(),
        )
    for form in _FORMS:
        spec = form(text)
        if spec is not None:
            return spec
    return SourceSpec("file", text, f"'{text}'")


def _camera(text: str) -> SourceSpec | None:
    name = camera_name(text)
    return SourceSpec("camera", name.value, name.display, name) if name else None


def _url(text: str) -> SourceSpec | None:
    return SourceSpec("url", text, checked_url(text)) if "://" in text else None


def _pattern(text: str) -> SourceSpec | None:
    options = pattern_options(text)
    return SourceSpec("test", text, "the test pattern", pattern=options) if options else None


#: Each reads one form of ``--source``, or says None; what none reads is a file.
_FORMS: tuple[Callable[[str], SourceSpec | None], ...] = (_camera, _pattern, _url)

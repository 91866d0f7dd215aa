"""What ``--source`` names: a camera, a file, a stream, as a kind, a value and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgecnn.camera.sources.url import checked_url
from edgecnn.core.errors import UsageError

SourceKind = Literal["camera", "file", "url"]


@dataclass(frozen=True)
class SourceSpec:
    """A parsed ``--source``.

    Attributes:
        kind: what opens it.
        value: a camera's number, or the text that names it.
        display: for messages: passwords in URLs are masked.
        options: what was said behind the name, such as a size; their meaning is the kind's.
    """

    kind: SourceKind
    value: int | str
    display: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_source(text: str) -> SourceSpec:
    """Reads ``--source``: a camera's number, a URL, or a path.

    >>> parse_source("0").kind, parse_source("clips/a.mp4").kind
    ('camera', 'file')
    >>> parse_source("rtsp://me:secret@door.local/1").display
    'rtsp://me:***@door.local/1'

    Raises:
        UsageError: empty, a negative number, or a URL that cannot be one.
    """
    text = text.strip()
    if not text or text.lstrip("-").isdigit() and text.startswith("-"):
        raise UsageError(
            f"--source is {text!r}, expected a camera number from 0, a file, or a URL",
            hint="for example --source 0, --source clip.mp4, --source rtsp://camera.local/stream",
        )
    for form in _FORMS:
        spec = form(text)
        if spec is not None:
            return spec
    return SourceSpec("file", text, f"'{text}'")


def _camera_number(text: str) -> SourceSpec | None:
    if text.isascii() and text.isdigit():
        return SourceSpec("camera", int(text[:9]), f"camera {text}")
    return None


def _url(text: str) -> SourceSpec | None:
    return SourceSpec("url", text, checked_url(text)) if "://" in text else None


#: Each reads one form of ``--source``, or says None; what none reads is a file.
_FORMS: tuple[Callable[[str], SourceSpec | None], ...] = (_camera_number, _url)

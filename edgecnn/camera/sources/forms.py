"""The forms of ``--source``: one table, for the help and for errors that show what is possible."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceForm:
    """One form of ``--source``.

    Attributes:
        example: what is typed.
        meaning: what it names, as the end of a sentence.
    """

    example: str
    meaning: str


SOURCE_FORMS = (
    SourceForm("0", "a camera by its number"),
    SourceForm("/dev/video0 or /dev/v4l/by-id/…", "a camera by its device (Linux)"),
    SourceForm("v4l2:C615", "a camera by a part of its name (Linux)"),
    SourceForm("picamera2 or picamera2:1", "a camera on a Raspberry Pi's ribbon cable"),
    SourceForm("clip.mp4", "a video or image file"),
    SourceForm("photos/, 'photos/*.jpg' or list.txt", "images"),
    SourceForm("rtsp://host/stream or http://…", "a stream"),
    SourceForm("test or test,size=640x480,rate=15", "a moving pattern with known boxes"),
)
#: What may stand behind each camera.
DEVICE_OPTIONS = "0,size=1280x720,rate=30,format=MJPG"


def forms_text() -> str:
    """All forms in one line."""
    each = "; ".join(f"{form.example}: {form.meaning}" for form in SOURCE_FORMS)
    return f"{each}; a camera takes options: {DEVICE_OPTIONS}"

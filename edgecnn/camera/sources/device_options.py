"""A camera as ``--source`` names it, and the size, rate and pixel format asked of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn.camera.sources.forms import DEVICE_OPTIONS
from edgecnn.core.errors import UsageError

CameraKind = Literal["camera", "v4l2", "picamera2"]
_KEYS = ("size", "rate", "format")
_MAX_SIDE = 65535
_MAX_RATE = 10_000.0
#: Other names that people use → V4L2's.
_SYNONYMS = {"MJPEG": "MJPG", "YUY2": "YUYV", "I420": "YU12", "GRAY": "GREY"}
_OPTION = re.compile(r"[A-Za-z_]+=.*", re.DOTALL)
_HEADS: tuple[tuple[re.Pattern[str], CameraKind], ...] = (
    (re.compile(r"([0-9]+)"), "camera"),
    (re.compile(r"(/dev/(?:video[0-9]+|v4l/[^,]+))"), "camera"),
    (re.compile(r"v4l2:(.*)", re.DOTALL | re.IGNORECASE), "v4l2"),
    (re.compile(r"picamera2(?::(.*))?", re.DOTALL | re.IGNORECASE), "picamera2"),
)


@dataclass(frozen=True)
class CameraName:
    """One camera as the user named it.

    Attributes:
        kind: ``camera`` (a number, or a device's path), ``v4l2`` (a part of a card's name) or
            ``picamera2`` (a number, or a part of a model's name).
        value: that number, path or part.
        display: for messages.
        options: what was said behind the name; :func:`settings_of` reads it.
    """

    kind: CameraKind
    value: int | str
    display: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class DeviceSettings:
    """What is asked of a camera, or what it gives; None: not asked, or it does not say.

    Attributes:
        size: width and height, in pixels.
        rate: frames per second.
        pixel_format: the format's name: V4L2's four characters, or libcamera's name.
    """

    size: tuple[int, int] | None = None
    rate: float | None = None
    pixel_format: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.size[0]}x{self.size[1]}"] if self.size else []
        parts += [f"{self.rate:.4g} frames/s"] if self.rate else []
        parts += [self.pixel_format] if self.pixel_format else []
        return ", ".join(parts)

    def missed(self, given: DeviceSettings) -> DeviceSettings:
        """Those of these wishes that ``given`` is known not to fulfil.

        >>> str(DeviceSettings((640, 480), 30.0).missed(DeviceSettings((640, 480), 15.0)))
        '30 frames/s'
        """
        # Within 2 %: cameras round, and 29.97 frames per second are 30.
        slow = self.rate and given.rate and abs(given.rate - self.rate) > 0.02 * self.rate
        return DeviceSettings(
            self.size if given.size and given.size != self.size else None,
            self.rate if slow else None,
            self.pixel_format if given.pixel_format not in (None, self.pixel_format) else None,
        )


def camera_name(text: str) -> CameraName | None:
    """The camera that ``--source`` names, or None: it names something else.

    A file whose name has commas stays a file: options are ``key=value``, and stand behind a camera.

    >>> camera_name("0,size=640x480").options
    {'size': '640x480'}
    >>> camera_name("clips/0,size=2.mp4") is camera_name("0,1.jpg") is None
    True

    Raises:
        UsageError: a camera's options cannot be read, or it has no name.
    """
    head, pairs = _split(text)
    for pattern, kind in _HEADS:
        found = pattern.fullmatch(head)
        if found is not None:
            options = dict(pairs)
            if len(options) < len(pairs):
                raise UsageError(
                    "--source has an option twice, expected each once",
                    hint=f"for example --source {DEVICE_OPTIONS}",
                )
            settings_of(kind, options)
            return _named(kind, (found.group(1) or "").strip(), options)
    return None


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the options, and the options."""
    parts = text.split(",")
    first = len(parts)
    while first > 1 and _OPTION.fullmatch(parts[first - 1].strip()):
        first -= 1
    pairs = [part.strip().split("=", 1) for part in parts[first:]]
    return ",".join(parts[:first]).strip(), [(key.lower(), value.strip()) for key, value in pairs]


def _named(kind: CameraKind, part: str, options: dict[str, str]) -> CameraName:
    number = int(part[:9]) if part.isascii() and part.isdigit() else None
    if kind == "camera":
        return CameraName(kind, part if number is None else number, f"camera {part}", options)
    if kind == "picamera2":
        shown = f"the Pi camera '{part}'" if part else "the Pi camera"
        return CameraName(kind, part or 0 if number is None else number, shown, options)
    if not part:
        raise UsageError(
            "--source v4l2: names no camera, expected a part of its name behind the colon",
            hint="for example --source v4l2:C615; the names: cat /sys/class/video4linux/*/name",
        )
    return CameraName(kind, part, f"camera '{part}'", options)


def settings_of(kind: CameraKind, options: Mapping[str, str]) -> DeviceSettings:
    """The options' meaning.

    >>> str(settings_of("camera", {"size": "1280x720", "rate": "7.5", "format": "mjpeg"}))
    '1280x720, 7.5 frames/s, MJPG'

    Raises:
        UsageError: an unknown option, or a value that cannot be meant.
    """
    unknown = sorted(set(options) - set(_KEYS))
    if unknown:
        raise UsageError(
            f"--source has the option '{unknown[0]}', expected {', '.join(_KEYS)}",
            hint=f"for example --source {DEVICE_OPTIONS}",
        )
    size, rate, name = (options.get(key) for key in _KEYS)
    return DeviceSettings(
        None if size is None else _size(size),
        None if rate is None else _rate(rate),
        None if name is None else _pixel_format(kind, name),
    )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,5})[xX×]([0-9]{1,5})", text)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(0 < side <= _MAX_SIDE for side in sides):
        raise _unreadable("size", text, "WIDTHxHEIGHT in pixels")
    return sides


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MAX_RATE:
        raise _unreadable("rate", text, "frames per second, above 0")
    return rate


def _pixel_format(kind: CameraKind, text: str) -> str:
    """The format as its system writes it: libcamera's names are any length, V4L2's up to four."""
    longest = 16 if kind == "picamera2" else 4
    name = text.upper() if text.islower() else text
    name = name if kind == "picamera2" else _SYNONYMS.get(name, name)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]*", name) or len(name) > longest:
        expected = "a name such as RGB888" if kind == "picamera2" else "up to 4 characters"
        raise _unreadable("format", text, expected)
    return name


def _unreadable(key: str, text: str, expected: str) -> UsageError:
    return UsageError(
        f"--source has {key}={text!r}, expected {expected}",
        hint=f"for example --source {DEVICE_OPTIONS}",
    )

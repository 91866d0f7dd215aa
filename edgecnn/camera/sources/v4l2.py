"""Opening a camera with OpenCV: by number, device or name, with the size, rate and format asked.

Nothing here was tried with a camera: there is none where the tests run. They have stand-ins for
the kernel's list of devices and for ``cv2.VideoCapture``.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from edgecnn.camera.sources.capture import (
    Capture,
    SourceRefusedError,
    property_of,
    quiet_cv2,
)
from edgecnn.camera.sources.device_options import CameraName, DeviceSettings, settings_of
from edgecnn.camera.sources.jpeg import JpegSieve
from edgecnn.camera.sources.video_nodes import (
    NodeFacts,
    VideoDevices,
    VideoNode,
    format_code,
    format_name,
)
from edgecnn.core.errors import CameraError

#: One buffer with the camera, one being decoded. More is lag that no later stage can undo; with a
#: single one the camera has nowhere to write while we decode, and gives half its rate or less (so
#: says V4L2's manual of reading with one buffer).
_BUFFERS = 2
#: OpenCV before this version decodes NV12 and NV21 of V4L2 into RGB (its pull request 26081).
_RIGHT_COLOURS = (4, 11)
_COMPRESSED = ("MJPG", "JPEG")
_NO_DEVICE = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}
_NO_PERMISSION = {errno.EACCES, errno.EPERM}


class CameraOpener:
    """Opens one camera, as often as it is called; a camera that was plugged in again is found.

    Args:
        name: the camera, of the kind ``camera`` or ``v4l2``.
        say: told what the camera gives, where that is not what was asked; not twice the same.
        devices: the machine's video devices.
        factory: ``cv2.VideoCapture``, unless a test has its own.
        linux: whether V4L2 is there; elsewhere OpenCV's own numbers are all there is.
    """

    def __init__(
        self,
        name: CameraName,
        say: Callable[[str], None],
        devices: VideoDevices | None = None,
        factory: Callable[..., Any] | None = None,
        linux: bool = sys.platform.startswith("linux"),
    ) -> None:
        self._name = name
        self._asked = settings_of(name.kind, name.options)
        self._say = say
        self._devices = devices or VideoDevices()
        self._factory = factory
        self._linux = linux
        self._said = ""

    def __call__(self) -> Capture:
        """An open camera, set as asked as far as it can.

        Raises:
            CameraError: it is not there, cannot be opened, or gives what OpenCV cannot convert.
        """
        if not self._linux:
            if self._name.kind == "v4l2":
                raise SourceRefusedError(
                    f"cannot open {self._name.display}: names of V4L2 are Linux's",
                    hint="give the camera's number, such as --source 0",
                )
            return self._open(self._name.value, None)
        path = self._path()
        try:
            facts = self._devices.probe(path)
        except OSError as error:
            self._refuse(path, error)
        if not facts.gives_pictures:
            raise self._no_pictures(path, facts)
        return self._open(path, facts)

    def _path(self) -> str:
        """The device's path."""
        value = self._name.value
        if isinstance(value, int):
            return str(self._devices.dev / f"video{value}")
        if self._name.kind == "camera":
            return value
        found = self._devices.cameras(value)
        same = [node for node in found if node.name.casefold() == value.casefold()]
        found = tuple(same) if len(same) == 1 else found
        if len(found) == 1:
            return found[0].path
        if not found:
            raise CameraError(f"no camera here has '{value}' in its name", hint=self._here())
        raise CameraError(
            f"{len(found)} cameras here have '{value}' in their name",
            hint="give more of the name, or one of the devices; /dev/v4l/by-id/ and"
            " /dev/v4l/by-path/ tell equal ones apart",
            details=[str(node) for node in found],
        )

    def _open(self, source: int | str, facts: NodeFacts | None) -> Capture:
        import cv2

        factory = self._factory or cv2.VideoCapture
        with quiet_cv2():
            try:
                capture = factory(source, cv2.CAP_V4L2) if facts else factory(source)
                opened = capture.isOpened()
            except cv2.error:
                opened = False
            if not opened:
                raise self._not_opened(source, facts)
            try:
                return self._set(capture, source, facts)
            except CameraError:
                capture.release()
                raise

    def _set(self, capture: Any, source: int | str, facts: NodeFacts | None) -> Capture:
        """Asks for format, size and rate; what comes instead is said."""
        import cv2

        asked = self._asked
        # Each of these sets up the device anew, and the rate must not be lost by it: it comes last.
        # The sizes and rates that a camera offers depend on the format: it comes first.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)
        if asked.pixel_format is not None:
            capture.set(cv2.CAP_PROP_FOURCC, format_code(asked.pixel_format))
        if asked.size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, asked.size[0])
            if not capture.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.size[1]) and facts:
                raise SourceRefusedError(
                    f"{self._name.display} refuses {asked.size[0]}x{asked.size[1]}",
                    hint=f"{_lists(source)} lists its sizes",
                )
        if asked.rate is not None:
            capture.set(cv2.CAP_PROP_FPS, asked.rate)
        given = _given(capture, self._linux)
        if facts and not capture.set(cv2.CAP_PROP_CONVERT_RGB, 1):
            raise SourceRefusedError(
                f"{self._name.display} gives the pixel format {given.pixel_format},"
                " which OpenCV cannot convert",
                hint=f"ask for another, such as format=MJPG{_offers(facts)}",
            )
        self._tell(given, source)
        if not facts:
            return capture
        if given.pixel_format in _COMPRESSED and capture.set(cv2.CAP_PROP_CONVERT_RGB, 0):
            return JpegCamera(capture)
        wrong = given.pixel_format in ("NV12", "NV21") and _version(cv2) < _RIGHT_COLOURS
        return SwappedColours(capture) if wrong else capture

    def _tell(self, given: DeviceSettings, source: int | str) -> None:
        missed = str(self._asked.missed(given))
        text = f"{self._name.display} gives {given}, not {missed} as asked" if missed else ""
        if text and self._linux:
            text += f"; {_lists(source)} lists what it can"
        if text and text != self._said:
            self._say(text)
        self._said = text

    def _refuse(self, path: str, error: OSError) -> NoReturn:
        shown = self._name.display
        if error.errno in _NO_DEVICE:
            reason = f"there is no {path}" if error.errno == errno.ENOENT else "it is unplugged"
            raise CameraError(f"cannot open {shown}: {reason}", hint=self._here()) from error
        if error.errno in _NO_PERMISSION:
            raise SourceRefusedError(
                f"cannot open {shown}: this user may not open {path}",
                hint=f"sudo usermod -aG {_group(path)} $USER, then log out and in again"
                " (in a container: pass the device and that group)",
            ) from error
        if error.errno == errno.EBUSY:
            raise _busy(shown, path) from error
        reason = error.strerror or str(error)
        raise CameraError(
            f"cannot open {shown}: {path} is no video device ({reason})", hint=self._here()
        ) from error

    def _no_pictures(self, path: str, facts: NodeFacts) -> CameraError:
        shown = self._name.display
        shown = shown if path in shown else f"{shown} ({path})"
        if facts.needs_media_controller:
            return SourceRefusedError(
                f"{shown} is a part of a camera interface that OpenCV cannot set up",
                hint="a camera on a Raspberry Pi's ribbon cable is read with --source picamera2",
            )
        what = "metadata, not pictures" if facts.gives_metadata else "no pictures"
        return SourceRefusedError(f"{shown} gives {what}", hint=self._here())

    def _not_opened(self, source: int | str, facts: NodeFacts | None) -> CameraError:
        shown = self._name.display
        if facts is None:
            return CameraError(
                f"cannot open {shown}",
                hint="is it plugged in, in use by no other program, and may this program use it?"
                " a video file works too: --source clip.mp4",
            )
        if self._devices.is_busy(str(source)):
            return _busy(shown, str(source))
        return CameraError(
            f"cannot open {shown}: OpenCV finds no pixel format in {source} that it can convert",
            hint=f"unplug it and plug it in again, or try another camera{_offers(facts)}",
        )

    def _here(self) -> str:
        """What there is, as a hint."""
        found: tuple[VideoNode, ...] = self._devices.cameras()
        if found:
            return f"cameras here: {', '.join(map(str, found))}"
        return (
            "no camera found: is it plugged in? one on a Raspberry Pi's ribbon cable is"
            " --source picamera2; a video file works too: --source clip.mp4"
        )


class _Around:
    """A capture whose frames are changed on their way."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture

    def get(self, number: int) -> float:
        """A property, as ``cv2.VideoCapture`` gives it."""
        return float(self._capture.get(number))

    def release(self) -> None:
        """Gives the device back."""
        self._capture.release()


class JpegCamera(_Around):
    """A camera that sends JPEGs, handed on still compressed.

    Only what is looked at is decoded. And damaged ones are found, where OpenCV gives the last
    picture once more in place of one that it cannot decode.
    """

    def __init__(self, capture: Any) -> None:
        super().__init__(capture)
        self._sieve = JpegSieve()

    def read(self) -> tuple[bool, Any]:
        """See :meth:`Capture.read`."""
        ok, data = self._capture.read()
        return (True, self._sieve.picture(data.tobytes())) if ok else (False, None)


class SwappedColours(_Around):
    """A capture whose red and blue are exchanged."""

    def read(self) -> tuple[bool, Any]:
        """See :meth:`Capture.read`."""
        ok, image = self._capture.read()
        return ok, np.ascontiguousarray(image[:, :, ::-1]) if ok else None


def _given(capture: Any, v4l2: bool) -> DeviceSettings:
    """What the camera says that it gives."""
    import cv2

    width = property_of(capture, cv2.CAP_PROP_FRAME_WIDTH)
    height = property_of(capture, cv2.CAP_PROP_FRAME_HEIGHT)
    # Elsewhere the number is no V4L2 format, but the system's own.
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF if v4l2 else 0
    return DeviceSettings(
        (int(width), int(height)) if width and height else None,
        property_of(capture, cv2.CAP_PROP_FPS),
        format_name(code) if code else None,
    )


def _busy(shown: str, path: str) -> CameraError:
    return CameraError(
        f"cannot open {shown}: another program uses {path}",
        hint=f"fuser -v {path} names the program; end it",
    )


def _lists(source: int | str) -> str:
    return f"v4l2-ctl --list-formats-ext -d {source}"


def _offers(facts: NodeFacts) -> str:
    return f"; it offers {', '.join(facts.formats)}" if facts.formats else ""


def _version(cv2: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in cv2.__version__.split(".")[:2])


def _group(path: str) -> str:
    """The group that may open the device."""
    try:
        return Path(path).group()
    except (OSError, KeyError, NotImplementedError):
        return "video"

"""A camera on a Raspberry Pi's ribbon cable, read with the system's package picamera2.

Nothing here was tried with a camera: there is none where the tests run. They have a stand-in that
knows only the calls made here, as picamera2 defines them (version 0.3.x, its ``picamera2.py``).

libcamera names a pixel's bytes from the highest to the lowest, so that its ``RGB888`` is B, G, R in
memory, OpenCV's order, and its ``BGR888`` is R, G, B (The Picamera2 Manual, appendix A, table 1:
"RGB888: each pixel is laid out as [B, G, R]").
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np

from edgecnn.camera.sources.capture import SourceRefusedError
from edgecnn.camera.sources.device_options import CameraName, DeviceSettings, settings_of
from edgecnn.camera.sources.picamera_package import picamera_package
from edgecnn.core.errors import CameraError

_FRAME_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 5.0
_DEFAULT = DeviceSettings((1280, 720), None, "RGB888")
#: picamera2's own number for a preview; each is a whole frame of the memory that devices share.
_BUFFERS = 4
_LIMITS = "FrameDurationLimits"  # µs, the shortest and the longest
_CAP_PROP_FRAME_WIDTH, _CAP_PROP_FRAME_HEIGHT, _CAP_PROP_FPS = 3, 4, 5


def import_picamera2() -> Any:
    """The class ``picamera2.Picamera2``.

    Raises:
        CameraError: the package is missing, or not for this Python; says what to type.
    """
    # libcamera and picamera2 report on stderr; what goes wrong is said by our errors.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:FATAL")
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError, OSError) as error:
        # ValueError: the system's simplejpeg was built for another numpy than this environment's.
        package = picamera_package()
        hint = package.advice or "sudo apt install --reinstall python3-picamera2"
        if not package.relevant:
            hint += "; a USB camera is --source 0, on this machine and on a Raspberry Pi"
        raise SourceRefusedError(
            f"--source picamera2 needs the system's package python3-picamera2: {error}",
            hint=hint,
        ) from error
    Picamera2.set_logging(logging.CRITICAL)
    return Picamera2


class PicameraOpener:
    """Opens one camera with picamera2, as often as it is called.

    Args:
        name: the camera, of the kind ``picamera2``.
        say: told what the camera gives, where that is not what was asked; not twice the same.
        load: gives the class ``Picamera2``; tests have their own.
    """

    def __init__(
        self,
        name: CameraName,
        say: Callable[[str], None],
        load: Callable[[], Any] = import_picamera2,
    ) -> None:
        self._name = name
        self._asked = settings_of(name.kind, name.options)
        self._say = say
        self._load = load
        self._said = ""

    def __call__(self) -> PicameraCapture:
        """A running camera, set as asked as far as it can.

        Raises:
            CameraError: picamera2 is missing, there is no such camera, or it cannot be set up.
        """
        picamera2 = self._load()
        number = self._number(picamera2)
        shown = self._name.display
        try:
            camera = picamera2(number)
        except (RuntimeError, OSError, IndexError) as error:
            raise CameraError(
                f"cannot open {shown}: {error}",
                hint="does another program use it? rpicam-hello --list-cameras shows what is there;"
                " check the cable with the power off",
            ) from error
        capture = PicameraCapture(camera, shown)
        try:
            given = self._start(camera)
            capture.takes(given)
        except (RuntimeError, OSError, ValueError) as error:
            capture.release()
            raise CameraError(
                f"cannot start {shown} with {_wishes(self._asked)}: {error}",
                hint="rpicam-hello --list-cameras lists its sizes and rates",
            ) from error
        except CameraError:
            capture.release()
            raise
        self._tell(given)
        return capture

    def _number(self, picamera2: Any) -> int:
        """The camera's place in picamera2's list."""
        infos: Sequence[dict[str, Any]] = picamera2.global_camera_info()
        value = self._name.value
        listed = [f"{k}: {info.get('Model', '?')} ({info['Id']})" for k, info in enumerate(infos)]
        if isinstance(value, int):
            found = [value] if value < len(infos) else []
        else:
            part = value.casefold()
            found = [k for k, line in enumerate(listed) if part in line.split(" ", 1)[1].casefold()]
        if len(found) == 1:
            return found[0]
        here = (
            f"cameras here: {', '.join(listed)}" if listed else "libcamera finds no camera at all"
        )
        what = f"{len(found)} cameras match" if found else "there is no such camera"
        raise CameraError(
            f"cannot open {self._name.display}: {what}",
            hint=f"{here}; check the cable with the power off; a USB camera is --source 0",
        )

    def _start(self, camera: Any) -> DeviceSettings:
        """Sets the camera up and starts it; what it gives."""
        asked = self._asked
        limited = _LIMITS in camera.camera_controls
        duration = round(1e6 / asked.rate) if asked.rate and limited else None
        configuration = camera.create_video_configuration(
            main={
                "size": asked.size or _DEFAULT.size,
                "format": asked.pixel_format or _DEFAULT.pixel_format,
            },
            buffer_count=_BUFFERS,
            # One finished frame is kept, always the newest.
            queue=True,
            controls={_LIMITS: (duration, duration)} if duration else {},
        )
        camera.configure(configuration)
        main = camera.stream_configuration("main")
        rate = None
        # Unasked it is picamera2's own for video, 30 frames per second.
        wanted = configuration["controls"].get(_LIMITS)
        if limited and wanted:
            # Known only now: the limits are those of the sensor's mode that the size has chosen.
            shortest, longest = camera.camera_controls[_LIMITS][:2]
            rate = 1e6 / min(max(wanted[0], shortest), longest or wanted[0])
        width, height = main["size"]
        given = DeviceSettings((int(width), int(height)), rate, str(main["format"]))
        camera.start()
        return given

    def _tell(self, given: DeviceSettings) -> None:
        missed = str(self._asked.missed(given))
        text = f"{self._name.display} gives {given}, not {missed} as asked" if missed else ""
        if text and text != self._said:
            self._say(text)
        self._said = text


class PicameraCapture:
    """A running camera as a :class:`Capture`: each read gives the newest frame.

    A frame that does not come in time is a lost camera: the read ends with an error, and the source
    opens it anew. Closing never waits for longer than a few seconds, even when libcamera hangs.

    Args:
        camera: a ``Picamera2``.
        shown: its name, for messages.
    """

    def __init__(self, camera: Any, shown: str, timeout_s: float = _FRAME_TIMEOUT_S) -> None:
        self._camera: Any | None = camera
        self._shown = shown
        self._timeout_s = timeout_s
        self._given = DeviceSettings()
        self._convert: Callable[[Any, int], Any] = _RULES["RGB888"]

    def takes(self, given: DeviceSettings) -> None:
        """Prepares for what the camera gives.

        Raises:
            CameraError: a pixel format that cannot be converted.
        """
        rule = _RULES.get(given.pixel_format or "")
        if rule is None:
            raise SourceRefusedError(
                f"{self._shown} gives the format {given.pixel_format}, which cannot be converted",
                hint=f"ask for one of format={', format='.join(_RULES)};"
                " a USB camera is better read with --source 0",
            )
        self._given, self._convert = given, rule
        if given.rate:
            self._timeout_s = max(self._timeout_s, 3 / given.rate)

    def read(self) -> tuple[bool, Any]:
        """The newest frame, (True, uint8 (H, W, 3) BGR); (False, None) once it is released.

        Raises:
            CameraError: none came in time; the camera has to be opened anew.
        """
        camera = self._camera
        if camera is None:
            return False, None
        try:
            # The copy is made in picamera2's thread, which gives the buffer back by itself: no
            # buffer is lost when we stop waiting.
            job = camera.capture_array("main", wait=False)
            image = camera.wait(job, timeout=self._timeout_s)
        except TimeoutError as error:
            raise CameraError(
                f"it gave no frame for {self._timeout_s:g} s",
                hint="check the cable with the power off; dmesg says what the kernel saw",
            ) from error
        except (RuntimeError, OSError, ValueError, CancelledError) as error:
            raise CameraError(
                f"picamera2 gives no more frames ({str(error) or type(error).__name__})",
                hint="check the cable with the power off",
            ) from error
        width = self._given.size[0] if self._given.size else image.shape[1]
        return True, np.ascontiguousarray(self._convert(image, width))

    def get(self, number: int) -> float:
        """A property by OpenCV's number: width, height or frames per second; else 0."""
        width, height = self._given.size or (0, 0)
        known = {
            _CAP_PROP_FRAME_WIDTH: width,
            _CAP_PROP_FRAME_HEIGHT: height,
            _CAP_PROP_FPS: self._given.rate or 0.0,
        }
        return float(known.get(number, 0.0))

    def release(self) -> None:
        """Gives the camera back; one that hangs is left behind after a few seconds."""
        camera, self._camera = self._camera, None
        if camera is None:
            return
        closing = threading.Thread(
            target=_close, args=(camera,), name="edgecnn-picamera-close", daemon=True
        )
        closing.start()
        closing.join(_CLOSE_TIMEOUT_S)


def _close(camera: Any) -> None:
    for step in (camera.cancel_all_and_flush, camera.close):
        with contextlib.suppress(RuntimeError, OSError):
            step()


def _wishes(asked: DeviceSettings) -> str:
    return str(asked) or str(_DEFAULT)


def _converted(code: str) -> Callable[[Any, int], Any]:
    """Conversion with cv2's ``code``; rows may be padded behind ``width``."""

    def convert(image: Any, width: int) -> Any:
        import cv2

        return cv2.cvtColor(image, getattr(cv2, code))[:, :width]

    return convert


#: libcamera's format → from picamera2's array (padded rows) to uint8 (H, W, 3) BGR.
_RULES: dict[str, Callable[[Any, int], Any]] = {
    "RGB888": lambda image, width: image[:, :width],
    "BGR888": lambda image, width: image[:, :width, ::-1],
    "XRGB8888": lambda image, width: image[:, :width, :3],
    "XBGR8888": lambda image, width: image[:, :width, 2::-1],
    "YUV420": _converted("COLOR_YUV2BGR_I420"),
    "YVU420": _converted("COLOR_YUV2BGR_YV12"),
    "YUYV": _converted("COLOR_YUV2BGR_YUYV"),
    "UYVY": _converted("COLOR_YUV2BGR_UYVY"),
    "YVYU": _converted("COLOR_YUV2BGR_YVYU"),
}

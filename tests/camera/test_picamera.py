"""Cameras through picamera2, with a stand-in that knows only the calls of the real package.

There is neither a Raspberry Pi nor libcamera where these tests run: that the real package behaves
as the stand-in does (as its source, version 0.3, says) is not shown here.
"""

import builtins
import sys
import threading
import types
from concurrent.futures import CancelledError, Future
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.camera.sources import picamera
from edgecnn.camera.sources.device_options import camera_name
from edgecnn.camera.sources.openers import opener_of
from edgecnn.camera.sources.picamera import PicameraOpener, import_picamera2
from edgecnn.camera.sources.picamera_package import (
    PicameraPackage,
    Surroundings,
    look_around,
    picamera_package,
)
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import CameraError
from edgecnn.jobs import doctor

MODULES = (
    {"Model": "imx708", "Rotation": 180, "Id": "/base/soc/i2c0mux/imx708@1a", "Num": 0},
    {"Model": "ov5647", "Rotation": 0, "Id": "/base/soc/i2c0mux/ov5647@36", "Num": 1},
)


class Machine:
    """The cameras of a Raspberry Pi, and what happens to them."""

    def __init__(self, infos: tuple[dict[str, Any], ...] = MODULES) -> None:
        self.infos = infos
        self.calls: list[str] = []
        self.configuration: dict[str, Any] = {}
        self.opened: list[int] = []
        self.busy = False
        self.limits: tuple[int, int, int] | None = (16_667, 10_000_000, 33_333)
        self.format = ""  # what libcamera turns the one asked into; empty: nothing else
        self.padding = 0  # bytes behind each row
        self.silent = False
        self.hangs = threading.Event()
        self.hangs.set()
        self.error: Exception | None = None
        self.colour = (10, 60, 200)  # B, G, R

    def frame(self) -> Any:
        """A picture of one colour, as ``capture_array`` gives it."""
        main = self.configuration["main"]
        width, height = main["size"]
        bgr = np.full((height, width, 3), self.colour, np.uint8)
        if main["format"] in ("YUV420", "YVU420"):
            code = cv2.COLOR_BGR2YUV_I420 if main["format"] == "YUV420" else cv2.COLOR_BGR2YUV_YV12
            wide = cv2.copyMakeBorder(bgr, 0, 0, 0, self.padding, cv2.BORDER_REPLICATE)
            return cv2.cvtColor(wide, code)
        if main["format"] in ("YUYV", "UYVY", "YVYU"):
            y, u, v = self._yuv()
            pair = {"YUYV": (y, u, y, v), "UYVY": (u, y, v, y), "YVYU": (y, v, y, u)}
            row = np.array(pair[main["format"]] * (width // 2), np.uint8)
            return np.pad(np.tile(row, (height, 1)), ((0, 0), (0, self.padding))).reshape(
                height, -1, 2
            )
        alpha = np.full((height, width, 1), 255, np.uint8)
        return {
            "RGB888": bgr,
            "BGR888": bgr[:, :, ::-1].copy(),
            "XRGB8888": np.dstack((bgr, alpha)),
            "XBGR8888": np.dstack((bgr[:, :, ::-1], alpha)),
        }[main["format"]]

    def _yuv(self) -> tuple[int, int, int]:
        planes = cv2.cvtColor(np.full((2, 2, 3), self.colour, np.uint8), cv2.COLOR_BGR2YUV_I420)
        return int(planes[0, 0]), int(planes[2, 0]), int(planes[2, 1])


def picamera2_of(machine: Machine) -> Any:
    """The class ``Picamera2`` on that machine; a call that the real one does not have fails."""

    class Picamera2:
        def __init__(self, camera_num: int = 0) -> None:
            if machine.busy:
                raise RuntimeError("Camera __init__ sequence did not complete.")
            machine.infos[camera_num]
            machine.opened.append(camera_num)
            self.configured = self.started = self.closed = False

        @staticmethod
        def global_camera_info() -> list[dict[str, Any]]:
            return list(machine.infos)

        @staticmethod
        def set_logging(level: int) -> None:
            machine.calls.append(f"set_logging {level}")

        @property
        def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
            limits = machine.limits
            return {"FrameDurationLimits": limits} if limits else {"Brightness": (-1.0, 1.0, 0.0)}

        def create_video_configuration(
            self, main: dict[str, Any], buffer_count: int, queue: bool, controls: dict[str, Any]
        ) -> dict[str, Any]:
            assert set(main) == {"size", "format"} and buffer_count > 1 and queue
            width, height = main["size"]
            size = (width - width % 2, height - height % 2)  # align_stream
            usual = {"FrameDurationLimits": (33_333, 33_333)} if machine.limits else {}
            return {"main": {**main, "size": size}, "controls": usual | controls}

        def configure(self, configuration: dict[str, Any]) -> None:
            assert not self.started
            unknown = set(configuration["controls"]) - set(self.camera_controls)
            if unknown:
                raise RuntimeError(f"Control {unknown} is not advertised by libcamera")
            main = configuration["main"]
            if not main["format"].isupper():
                raise RuntimeError(f"Bad format {main['format']} in stream main")
            machine.configuration = configuration
            main["format"] = machine.format or main["format"]
            self.configured = True

        def stream_configuration(self, name: str) -> dict[str, Any]:
            assert self.configured
            return {**machine.configuration[name], "stride": 0, "framesize": 0}

        def start(self) -> None:
            assert self.configured
            self.started = True

        def capture_array(self, name: str, wait: bool) -> "Future[Any]":
            assert self.started and name == "main" and wait is False
            job: Future[Any] = Future()
            if machine.error is not None:
                job.set_exception(machine.error)
            elif not machine.silent:
                job.set_result(machine.frame())
            return job

        def wait(self, job: "Future[Any]", timeout: float) -> Any:
            return job.result(timeout=min(timeout, 0.01))

        def cancel_all_and_flush(self) -> None:
            machine.calls.append("flush")

        def close(self) -> None:
            machine.hangs.wait(5)
            self.closed = True
            machine.calls.append("close")

    return Picamera2


def opener(text: str, machine: Machine, said: list[str] | None = None) -> PicameraOpener:
    name = camera_name(text)
    assert name is not None
    sayings = [] if said is None else said
    return PicameraOpener(name, sayings.append, lambda: picamera2_of(machine))


def refused(open_it: Any) -> CameraError:
    with pytest.raises(CameraError) as caught:
        open_it()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("given", "least"),
    [("RGB888", 0), ("BGR888", 0), ("XRGB8888", 0), ("XBGR8888", 0), ("YUV420", 3), ("YVU420", 3),
     ("YUYV", 3), ("UYVY", 3), ("YVYU", 3)],
)  # fmt: skip
def test_frames_are_in_opencvs_order_of_colours(given: str, least: int) -> None:
    machine = Machine()
    machine.padding = 32
    capture = opener(f"picamera2,size=64x48,format={given}", machine)()
    ok, image = capture.read()
    assert ok and image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - machine.colour).max() <= least


def test_unasked_it_gives_what_opencv_wants_without_conversion() -> None:
    machine = Machine()
    said: list[str] = []
    capture = opener("picamera2", machine, said)()
    assert machine.configuration["main"] == {"size": (1280, 720), "format": "RGB888"}
    assert said == [] and machine.opened == [0]
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 1280
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30, abs=0.01)


def test_a_rate_within_the_limits_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    said: list[str] = []
    capture = opener("picamera2:1,size=640x480,rate=25", machine, said)()
    assert machine.configuration["controls"] == {"FrameDurationLimits": (40_000, 40_000)}
    assert capture.get(cv2.CAP_PROP_FPS) == 25 and said == [] and machine.opened == [1]


def test_what_comes_instead_is_said_once() -> None:
    machine = Machine()
    machine.format = "XBGR8888"
    said: list[str] = []
    open_it = opener("picamera2,size=641x480,rate=120,format=RGB888", machine, said)
    open_it().release()
    open_it().release()
    assert said == [
        "the Pi camera gives 640x480, 60 frames/s, XBGR8888, not 641x480, 120 frames/s, RGB888 as"
        " asked"
    ]


def test_a_camera_without_limits_of_its_rate_is_opened_without_one() -> None:
    machine = Machine()
    machine.limits = None
    capture = opener("picamera2,rate=10", machine)()
    assert machine.configuration["controls"] == {} and capture.get(cv2.CAP_PROP_FPS) == 0


def test_a_camera_is_found_by_a_part_of_its_models_name() -> None:
    machine = Machine()
    opener("picamera2:OV56", machine)()
    assert machine.opened == [1]


@pytest.mark.parametrize(
    ("text", "cause", "named"),
    [
        ("picamera2:2", "there is no such camera", "0: imx708 (/base"),
        ("picamera2:imx219", "there is no such camera", "1: ov5647 (/base"),
        ("picamera2:i2c0mux", "2 cameras match", "0: imx708 (/base"),
    ],
)
def test_a_camera_that_is_not_there_names_those_that_are(text: str, cause: str, named: str) -> None:
    error = refused(opener(text, Machine()))
    assert cause in error.message and named in error.hint


def test_no_camera_at_all_is_said() -> None:
    error = refused(opener("picamera2", Machine(())))
    assert "libcamera finds no camera at all" in error.hint


def test_a_camera_in_use_is_said() -> None:
    machine = Machine()
    machine.busy = True
    error = refused(opener("picamera2", machine))
    assert "did not complete" in error.message and "does another program use it?" in error.hint


def test_a_format_that_nobody_converts_is_refused_and_the_camera_closed() -> None:
    machine = Machine()
    machine.format = "SRGGB10_CSI2P"
    error = refused(opener("picamera2", machine))
    assert "SRGGB10_CSI2P" in error.message and "format=YUV420" in error.hint
    assert machine.calls == ["flush", "close"]


def test_a_configuration_that_is_refused_names_what_was_asked() -> None:
    machine = Machine()
    error = refused(opener("picamera2,format=Nonsense,size=64x48", machine))
    assert "cannot start the Pi camera with 64x48, Nonsense: Bad format" in error.message
    assert machine.calls == ["flush", "close"]


def test_a_camera_that_gives_no_frame_in_time_is_lost_and_can_be_closed() -> None:
    machine = Machine()
    capture = opener("picamera2,rate=0.2", machine)()
    machine.silent = True
    error = refused(capture.read)
    assert error.message == "it gave no frame for 15 s"
    capture.release()
    capture.release()
    assert machine.calls == ["flush", "close"] and capture.read() == (False, None)


@pytest.mark.parametrize("error", [RuntimeError("gone"), CancelledError(), OSError("gone")])
def test_what_goes_wrong_in_picamera2_is_a_lost_camera(error: Exception) -> None:
    machine = Machine()
    capture = opener("picamera2", machine)()
    machine.error = error
    assert "gives no more frames" in refused(capture.read).message


def test_a_camera_that_hangs_while_it_closes_is_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picamera, "_CLOSE_TIMEOUT_S", 0.05)
    machine = Machine()
    capture = opener("picamera2", machine)()
    machine.hangs.clear()
    capture.release()
    assert machine.calls == ["flush"]
    machine.hangs.set()


def test_the_source_picamera2_is_opened_by_picamera2(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    module = types.ModuleType("picamera2")
    module.Picamera2 = picamera2_of(machine)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.delenv("LIBCAMERA_LOG_LEVELS", raising=False)
    capture = opener_of(parse_source("picamera2,size=64x48"))()
    assert capture.read()[1].shape == (48, 64, 3)
    assert machine.calls == ["set_logging 50"]


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'libcamera'"), ValueError("numpy.dtype size")]
)
def test_a_package_that_cannot_be_imported_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "picamera2":
            raise error
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setenv("LIBCAMERA_LOG_LEVELS", "")
    caught = refused(import_picamera2)
    assert "python3-picamera2" in caught.message and str(error) in caught.message
    assert "sudo apt install" in caught.hint or "venv --system-site-packages" in caught.hint


def pi(**changes: Any) -> Surroundings:
    """A Raspberry Pi with Bookworm, where everything is right."""
    right: dict[str, Any] = {
        "raspberry_pi": True, "installed": True, "seen": True, "version": "0.3.27",
        "environment": "/home/pi/env", "python": (3, 11), "base": "/usr",
        "system_python": (3, 11),
        "numpy": 1, "system_numpy": 1,
    }  # fmt: skip
    return Surroundings(**{**right, **changes})


APT = "sudo apt install -y python3-picamera2"
VENV = "/usr/bin/python3 -m venv --system-site-packages /home/pi/env"


@pytest.mark.parametrize(
    ("around", "advice"),
    [
        (pi(), ""),
        (pi(installed=False, seen=False), f"{APT}; then {VENV}"),
        (pi(seen=False), VENV),
        (pi(seen=False, environment="/pi/my env"), VENV.replace("/home/pi/env", "'/pi/my env'")),
        (pi(installed=False, seen=False, environment=None), APT),
        (pi(seen=False, environment=None), "sudo apt install --reinstall -y python3-picamera2"),
    ],
)  # fmt: skip
def test_the_advice_is_what_to_type(around: Surroundings, advice: str) -> None:
    assert picamera_package(around).advice == advice


@pytest.mark.parametrize("other", [{"python": (3, 13)}, {"base": "/home/pi/.pyenv/versions/3.11"}])
def test_another_python_needs_an_environment_of_the_systems(other: dict[str, Any]) -> None:
    advice = picamera_package(pi(seen=False, **other)).advice
    assert advice.startswith("picamera2 is for the system's Python 3.11, this is 3.1")
    assert (
        "/usr/bin/python3 -m venv --system-site-packages ~/edgecnn && ~/edgecnn/bin/pip" in advice
    )


def test_a_numpy_that_is_too_new_for_the_systems_packages_is_found() -> None:
    package = picamera_package(pi(numpy=2))
    assert package.version is None
    assert "pip install 'numpy<2' 'opencv-python-headless<4.12'" in package.advice
    assert picamera_package(pi(numpy=2, system_numpy=2)).version == "0.3.27"


def test_the_doctor_speaks_of_picamera2_only_where_it_means_anything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rows(around: Surroundings) -> list[doctor.Finding]:
        package: PicameraPackage = picamera_package(around)
        monkeypatch.setattr(doctor, "picamera_package", lambda: package)
        return [row for row in doctor.examine() if row.name == "picamera2"]

    elsewhere = pi(raspberry_pi=False, installed=False, seen=False)
    assert rows(elsewhere) == []
    (missing,) = rows(pi(seen=False))
    assert not missing.ok and missing.version is None and missing.advice == VENV
    (there,) = rows(pi())
    assert there.ok and there.version == "0.3.27"


def test_this_machine_can_be_judged() -> None:
    around = look_around()
    assert around.python == sys.version_info[:2] and around.numpy is not None
    assert isinstance(picamera_package().advice, str)

"""V4L2 cameras, with stand-ins for the kernel's list and for ``cv2.VideoCapture``.

There is no camera where these tests run: that a real one answers as the stand-ins do (as OpenCV's
``cap_v4l.cpp`` and ``linux/videodev2.h`` say) is not shown here.
"""

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.sources.device_options import DeviceSettings, camera_name, settings_of
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.spec import parse_source
from edgecnn.camera.sources.v4l2 import CameraOpener
from edgecnn.camera.sources.video_nodes import (
    NodeFacts,
    VideoDevices,
    ask_node,
    format_code,
    format_name,
    node_is_busy,
)
from edgecnn.core.errors import CameraError, UsageError

PICTURES = NodeFacts(0x00000001, ("MJPG", "YUYV"))
METADATA = NodeFacts(0x00800000)
MEDIA_CONTROLLER = NodeFacts(0x20000001)


class StandIn:
    """``cv2.VideoCapture`` of a camera: each setting sets the device up anew, and loses the rate.

    Args:
        modes: pixel format → sizes, the first of each is the default; none: it cannot be opened.
        rate: the highest.
        convertible: whether OpenCV can convert what it gives.
    """

    def __init__(
        self, modes: dict[str, list[tuple[int, int]]], rate: float = 30.0, convertible: bool = True
    ) -> None:
        self.modes = modes
        self.highest = rate
        self.convertible = convertible
        self.opened_with: tuple[Any, ...] = ()
        self.released = False
        self.format = next(iter(modes), "")
        self.size = modes.get(self.format, [(0, 0)])[0]
        self.rate = rate
        self.buffers = 4
        self.width = 0

    def __call__(self, *arguments: Any) -> "StandIn":
        self.opened_with = arguments
        return self

    def isOpened(self) -> bool:
        return bool(self.modes)

    def set(self, number: int, value: float) -> bool:
        if number == cv2.CAP_PROP_CONVERT_RGB:
            return self.convertible
        if number == cv2.CAP_PROP_FPS:
            self.rate = min(value, self.highest)
        elif number == cv2.CAP_PROP_BUFFERSIZE:
            self.buffers, self.rate = int(value), self.highest
        elif number == cv2.CAP_PROP_FOURCC:
            name = format_name(int(value))
            self.format = name if name in self.modes else next(iter(self.modes))
            self.size, self.rate = self.modes[self.format][0], self.highest
        elif number == cv2.CAP_PROP_FRAME_WIDTH:
            self.width = int(value)
        elif number == cv2.CAP_PROP_FRAME_HEIGHT:
            wanted = (self.width, int(value))
            sizes = self.modes[self.format]
            self.size = wanted if wanted in sizes else sizes[0]
            self.rate = self.highest
        return True

    def get(self, number: int) -> float:
        return {
            cv2.CAP_PROP_FRAME_WIDTH: self.size[0],
            cv2.CAP_PROP_FRAME_HEIGHT: self.size[1],
            cv2.CAP_PROP_FPS: self.rate,
            cv2.CAP_PROP_FOURCC: format_code(self.format),
        }.get(number, 0.0)

    def read(self) -> tuple[bool, Any]:
        return True, np.full((2, 2, 3), (1, 2, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def devices(
    folder: Path, nodes: dict[int, tuple[str, int, NodeFacts | int]], busy: bool = False
) -> VideoDevices:
    """A machine with these video devices: number → name, index, facts or the errno of opening."""

    def probe(path: str) -> NodeFacts:
        number = int(path.rsplit("video", 1)[1])
        facts = nodes[number][2] if number in nodes else errno.ENOENT
        if isinstance(facts, int):
            raise OSError(facts, os.strerror(facts), path)
        return facts

    for number, (name, index, _) in nodes.items():
        node = folder / "sys" / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        (node / "index").write_text(f"{index}\n")
    return VideoDevices(folder / "sys", folder / "dev", probe, lambda _: busy)


def opener(
    text: str, here: VideoDevices, capture: StandIn, said: list[str] | None = None
) -> Callable[[], Any]:
    name = camera_name(text)
    assert name is not None
    say = (said if said is not None else []).append
    return CameraOpener(name, say, here, capture, linux=True)


@pytest.fixture
def webcam(tmp_path: Path) -> VideoDevices:
    """A USB camera with its metadata, and a second one."""
    return devices(tmp_path, {
        0: ("HD Pro Webcam C920", 0, PICTURES), 1: ("HD Pro Webcam C920", 1, METADATA),
        10: ("C615: C615", 0, PICTURES), 2: ("unicam-image", 0, MEDIA_CONTROLLER),
    })  # fmt: skip


def refused(open_it: Callable[[], Any]) -> CameraError:
    with pytest.raises(CameraError) as caught:
        open_it()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "value", "settings"),
    [
        ("0", 0, DeviceSettings()),
        ("0,size=1280x720,rate=30,format=MJPG", 0, DeviceSettings((1280, 720), 30.0, "MJPG")),
        (" 2 , Size=640X480 ", 2, DeviceSettings((640, 480))),
        ("/dev/video7,rate=7.5", "/dev/video7", DeviceSettings(rate=7.5)),
        ("/dev/v4l/by-id/usb-046d-video-index0,format=yuy2",
         "/dev/v4l/by-id/usb-046d-video-index0", DeviceSettings(pixel_format="YUYV")),
        ("v4l2:C615", "C615", DeviceSettings()),
        ("v4l2:Cam, left,size=320x240", "Cam, left", DeviceSettings((320, 240))),
        ("picamera2", 0, DeviceSettings()),
        ("picamera2:1,size=640x480", 1, DeviceSettings((640, 480))),
        ("picamera2:imx708,format=YUV420", "imx708", DeviceSettings(pixel_format="YUV420")),
    ],
)  # fmt: skip
def test_a_camera_is_named_with_what_is_asked_of_it(
    text: str, value: object, settings: DeviceSettings
) -> None:
    spec = parse_source(text)
    assert spec.camera is not None
    assert (spec.kind, spec.value) == ("camera", value)
    assert settings_of(spec.camera.kind, spec.camera.options) == settings


@pytest.mark.parametrize(
    "text",
    ["a,b.mp4", "clips/0,size=2x2.mp4", "0,1.jpg", "0,5", "/dev/shm/clip.mp4", "video0", "-,1.mp4",
     "clip,rate=30.mp4", "./0,size=640x480", "v4l2.mp4", "picamera2.mp4", "picamera2s"],
)  # fmt: skip
def test_a_file_whose_name_has_commas_stays_a_file(text: str) -> None:
    assert (parse_source(text).kind, parse_source(text).value) == ("file", text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("0,sise=640x480", "'sise', expected size, rate, format"),
        ("0,rate=30,Rate=15", "an option twice"),
        ("0,size=640", "size='640', expected WIDTHxHEIGHT"),
        ("0,size=0x480", "size='0x480'"),
        ("0,rate=fast", "rate='fast', expected frames per second"),
        ("0,rate=-1", "rate='-1'"),
        ("0,rate=nan", "rate='nan'"),
        ("0,format=", "format=''"),
        ("0,format=RGB888", "format='RGB888', expected up to 4 characters"),
        ("v4l2:", "names no camera"),
        ("v4l2:,size=640x480", "names no camera"),
    ],
)
def test_what_cannot_be_asked_of_a_camera_is_wrong_usage(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert named in caught.value.message and caught.value.hint


@given(st.integers(1, 9999), st.integers(1, 9999), st.floats(0.25, 1000))
def test_what_is_asked_is_read_back_from_the_text(width: int, height: int, rate: float) -> None:
    name = camera_name(f"3,rate={rate!r},size={width}x{height}")
    assert name is not None
    assert settings_of(name.kind, name.options) == DeviceSettings((width, height), rate)


@given(st.text(max_size=40))
def test_any_text_is_a_source_or_wrong_usage(text: str) -> None:
    try:
        parse_source(text)
    except UsageError as error:
        assert error.message and error.hint


@given(st.integers(0, 2**31 - 1))
def test_a_format_has_a_name_for_each_number(code: int) -> None:
    name = format_name(code)
    if code >> 24 > 32 and name.isascii() and not name.startswith("0x"):
        assert format_code(name) == code


def test_a_camera_is_opened_by_number_device_and_part_of_its_name(webcam: VideoDevices) -> None:
    for text, path in (
        ("10", str(webcam.dev / "video10")),
        ("/dev/video10", "/dev/video10"),
        ("v4l2:c615", str(webcam.dev / "video10")),
        ("v4l2:webcam", str(webcam.dev / "video0")),
    ):
        capture = StandIn({"YUYV": [(640, 480)]})
        assert opener(text, webcam, capture)() is capture
        assert capture.opened_with == (path, cv2.CAP_V4L2)


def test_what_is_asked_is_set_and_nothing_is_said(webcam: VideoDevices) -> None:
    said: list[str] = []
    capture = StandIn({"YUYV": [(640, 480)], "MJPG": [(640, 480), (1280, 720)]}, rate=60)
    opener("0,rate=15,size=1280x720,format=MJPG", webcam, capture, said)()
    assert (capture.format, capture.size, capture.rate) == ("MJPG", (1280, 720), 15)
    assert capture.buffers == 2 and said == []


def test_where_nothing_is_asked_the_driver_chooses(webcam: VideoDevices) -> None:
    said: list[str] = []
    capture = StandIn({"YUYV": [(640, 480)], "MJPG": [(1280, 720)]}, rate=5)
    opener("0", webcam, capture, said)()
    assert (capture.format, capture.size, capture.rate) == ("YUYV", (640, 480), 5) and said == []


def test_what_comes_instead_is_said_once(webcam: VideoDevices) -> None:
    said: list[str] = []
    capture = StandIn({"YUYV": [(640, 480)]}, rate=10)
    open_it = opener("0,size=1280x720,rate=30,format=MJPG", webcam, capture, said)
    open_it()
    open_it()
    assert len(said) == 1
    assert said[0].startswith(
        "camera 0 gives 640x480, 10 frames/s, YUYV, not 1280x720, 30 frames/s, MJPG as asked"
    )
    assert f"v4l2-ctl --list-formats-ext -d {webcam.dev / 'video0'}" in said[0]
    capture.highest = 30
    open_it()
    assert len(said) == 2 and ", not 1280x720, MJPG as asked" in said[1]


def test_a_rate_that_is_rounded_is_the_rate_asked(webcam: VideoDevices) -> None:
    said: list[str] = []
    opener("0,rate=30", webcam, StandIn({"YUYV": [(640, 480)]}, rate=29.97), said)()
    assert said == []


def test_a_format_that_opencv_cannot_convert_is_refused(webcam: VideoDevices) -> None:
    capture = StandIn({"pRAA": [(640, 480)]}, convertible=False)
    error = refused(opener("0", webcam, capture))
    assert "camera 0 gives the pixel format pRAA, which OpenCV cannot convert" in error.message
    assert "it offers MJPG, YUYV" in error.hint and capture.released


def test_a_size_that_the_driver_refuses_is_an_error(webcam: VideoDevices) -> None:
    class Refusing(StandIn):
        def set(self, number: int, value: float) -> bool:
            return number != cv2.CAP_PROP_FRAME_HEIGHT and super().set(number, value)

    capture = Refusing({"YUYV": [(640, 480)]})
    assert "refuses 8x8" in refused(opener("0,size=8x8", webcam, capture)).message
    assert capture.released


@pytest.mark.parametrize(("version", "first"), [("4.10.0", 3), ("4.11.0", 1), ("5.0.0", 1)])
def test_the_colours_of_nv12_are_right_with_every_opencv(
    webcam: VideoDevices, monkeypatch: pytest.MonkeyPatch, version: str, first: int
) -> None:
    monkeypatch.setattr(cv2, "__version__", version)
    capture = opener("0", webcam, StandIn({"NV12": [(640, 480)]}))()
    ok, image = capture.read()
    assert ok and image[0, 0, 0] == first and image.flags.c_contiguous
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 640
    capture.release()


def test_a_camera_that_is_not_there_names_those_that_are(webcam: VideoDevices) -> None:
    for text in ("5", "v4l2:C270"):
        error = refused(opener(text, webcam, StandIn({})))
        listed = f"{webcam.dev}/video0 'HD Pro Webcam C920', {webcam.dev}/video10 'C615: C615'"
        assert error.hint == f"cameras here: {listed}"
        assert text.removeprefix("v4l2:") in error.message


def test_no_camera_at_all_points_to_other_sources(tmp_path: Path) -> None:
    error = refused(opener("0", devices(tmp_path, {}), StandIn({})))
    assert "there is no " in error.message and "picamera2" in error.hint


def test_a_name_that_fits_two_cameras_is_refused_with_both(tmp_path: Path) -> None:
    here = devices(tmp_path, {
        0: ("C615", 0, PICTURES), 2: ("C615", 0, PICTURES), 4: ("C615 HD", 0, PICTURES),
    })  # fmt: skip
    error = refused(opener("v4l2:C615", here, StandIn({})))
    assert "3 cameras here have 'C615' in their name" in error.message
    assert [line[-5:] for line in error.details[:2]] == ["C615'", "C615'"]
    assert "/dev/v4l/by-path/" in error.hint
    capture = StandIn({"YUYV": [(640, 480)]})
    opener("v4l2:c615 hd", here, capture)()
    assert capture.opened_with[0].endswith("video4")


def test_a_whole_name_wins_over_a_longer_one(tmp_path: Path) -> None:
    here = devices(tmp_path, {0: ("C615 HD", 0, PICTURES), 4: ("C615", 0, PICTURES)})
    capture = StandIn({"YUYV": [(640, 480)]})
    opener("v4l2:C615", here, capture)()
    assert capture.opened_with[0].endswith("video4")


def test_where_devices_cannot_be_asked_the_first_of_each_camera_is_meant(tmp_path: Path) -> None:
    here = devices(tmp_path, {
        0: ("C615", 0, errno.EACCES), 1: ("C615", 1, errno.EACCES),
    })  # fmt: skip
    assert [node.number for node in here.cameras()] == [0]


@pytest.mark.parametrize(
    ("facts", "cause", "remedy"),
    [
        (METADATA, "gives metadata, not pictures", "cameras here: "),
        (NodeFacts(2), "gives no pictures", "no camera found"),
        (MEDIA_CONTROLLER, "a camera interface that OpenCV cannot set up", "--source picamera2"),
        (errno.EACCES, "this user may not open", "sudo usermod -aG video $USER"),
        (errno.EBUSY, "another program uses", "fuser -v "),
        (errno.ENODEV, "it is unplugged", "no camera found"),
        (errno.ENOTTY, "is no video device", "no camera found"),
    ],
)
def test_what_cannot_be_opened_names_its_cause_and_what_to_do(
    tmp_path: Path, facts: NodeFacts | int, cause: str, remedy: str
) -> None:
    nodes: dict[int, tuple[str, int, NodeFacts | int]] = {1: ("C615", 1, facts)}
    if facts is METADATA:
        nodes[0] = ("C615", 0, PICTURES)
    error = refused(opener("1", devices(tmp_path, nodes), StandIn({})))
    assert cause in error.message and "camera 1" in error.message
    assert remedy in error.hint


def test_what_opencv_cannot_open_is_busy_or_has_no_format(tmp_path: Path) -> None:
    for busy, cause in ((True, "another program uses"), (False, "no pixel format in")):
        here = devices(tmp_path / str(busy), {0: ("C615", 0, PICTURES)}, busy)
        assert cause in refused(opener("0", here, StandIn({}))).message


def test_a_camera_plugged_in_again_is_found_under_its_new_number(tmp_path: Path) -> None:
    nodes: dict[int, tuple[str, int, NodeFacts | int]] = {0: ("C615", 0, PICTURES)}
    here = devices(tmp_path, nodes)
    capture = StandIn({"YUYV": [(640, 480)]})
    open_it = opener("v4l2:C615", here, capture)
    open_it()
    (tmp_path / "sys" / "video0").rename(tmp_path / "sys" / "video3")
    nodes[3] = nodes.pop(0)
    open_it()
    assert capture.opened_with[0].endswith("video3")


def test_elsewhere_opencv_opens_the_number_itself() -> None:
    name = camera_name("1,size=640x480")
    assert name is not None
    capture = StandIn({"YUYV": [(640, 480)]})
    assert CameraOpener(name, print, VideoDevices(), capture, linux=False)() is capture
    assert capture.opened_with == (1,)
    with pytest.raises(CameraError, match="cannot open camera 1"):
        CameraOpener(name, print, VideoDevices(), StandIn({}), linux=False)()
    named = camera_name("v4l2:C615")
    assert named is not None
    with pytest.raises(CameraError, match="names of V4L2 are Linux's"):
        CameraOpener(named, print, VideoDevices(), capture, linux=False)()


def test_asking_a_file_whether_it_is_a_camera_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    (tmp_path / "video0").write_bytes(b"no device")
    for path in (str(tmp_path / "video0"), os.devnull):
        with pytest.raises(OSError, match=r".") as caught:
            ask_node(path)
        assert caught.value.errno in (errno.ENOTTY, errno.EINVAL)
        assert not node_is_busy(path)
    with pytest.raises(FileNotFoundError):
        ask_node(str(tmp_path / "video1"))
    assert not node_is_busy(str(tmp_path / "video1"))


def test_the_kernels_answers_are_read_as_its_header_lays_them_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fcntl = pytest.importorskip("fcntl")
    asked: list[int] = []

    def ioctl(device: int, request: int, answer: bytearray) -> int:
        """What a USB camera answers: its driver's capabilities, its device's, two formats."""
        asked.append(request)
        if request == 0x80685600:
            words = (0x60600, 0x84A00001, 0x04200001, 0, 0, 0)
            answer[:] = struct.pack("16s32s32s6I", b"uvcvideo", b"C615", b"usb-1", *words)
        elif request == 0xC0405602 and (index := struct.unpack_from("I", answer)[0]) < 2:
            code = (0x47504A4D, 0x56595559)[index]
            struct.pack_into("I", answer, 44, code)
        elif request == 0xC0145608:
            raise OSError(errno.EBUSY, "busy")
        else:
            raise OSError(errno.EINVAL, "no more")
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    facts = ask_node(os.devnull)
    assert facts == NodeFacts(0x04200001, ("MJPG", "YUYV")) and facts.gives_pictures
    assert asked[0] == 0x80685600 and node_is_busy(os.devnull)


def test_the_whole_way_from_the_text_to_the_error() -> None:
    error = refused(lambda: open_source("99,size=640x480"))
    assert "camera 99" in error.message

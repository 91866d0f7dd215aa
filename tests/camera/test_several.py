"""Names of cameras, and sources that are opened side by side."""

import threading

import pytest

from edgecnn.camera.sources.several import NamedSource, named_sources, open_each
from edgecnn.core.errors import CameraError, UsageError
from tests.camera.clocks import until


def test_cameras_have_the_names_that_were_given_in_order() -> None:
    assert named_sources(["0"]) == (NamedSource("0", None),)
    assert named_sources(["0"], ["Tür 1"]) == (NamedSource("0", "Tür 1"),)
    assert named_sources(["0"], ["cafe\u0301"]) == (NamedSource("0", "caf\u00e9"),)
    assert named_sources(["0"], ["दरवाज़ा"])[0].name is not None
    sources = ["a=b.mp4", "rtsp://door.local/1?x=1", "test"]
    assert [camera.source for camera in named_sources(sources)] == sources
    assert [camera.name for camera in named_sources(sources)] == ["camera1", "camera2", "camera3"]
    named = named_sources(sources, ["front", "back_2", "v1.0-x"])
    assert [camera.name for camera in named] == ["front", "back_2", "v1.0-x"]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "-o", "a/b", "a\\b", "a:b", "end.", "end ", " x", "nul", "COM1.x",
     "a\0b", "a\nb", "x" * 51, "../../etc", "a*b", "\u202egnp"],
)  # fmt: skip
def test_a_name_that_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected a name that a folder can have") as caught:
        named_sources(["0"], [name])
    assert "\n" not in caught.value.message and "--name front" in caught.value.hint


def test_names_that_do_not_fit_the_sources_are_refused() -> None:
    with pytest.raises(UsageError, match="there are 2 --source and 1 --name"):
        named_sources(["0", "1"], ["front"])
    for two in (["front", "Front"], ["caf\u00e9", "cafe\u0301"]):
        with pytest.raises(UsageError, match="two cameras are called"):
            named_sources(["0", "1"], two)


@pytest.mark.parametrize(
    "sources",
    [("0", "0"), ("0", "/dev/video0"), ("1,size=640x480", "0", "1"), ("picamera2", "picamera2:0"),
     ("v4l2:C920", "V4L2:c920,rate=30")],
)  # fmt: skip
def test_a_device_can_be_read_once(sources: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="are the same camera"):
        named_sources(sources)


def test_what_is_no_device_may_be_read_twice() -> None:
    for sources in (("test", "test"), ("a.mp4", "a.mp4"), ("0", "1"), ("picamera2:0", "0")):
        assert len(named_sources(sources)) == 2


class Opened:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_sources_are_opened_side_by_side_and_come_in_order() -> None:
    meeting, each = threading.Barrier(3, timeout=10), [Opened() for _ in range(3)]

    def opener(source: Opened):
        return lambda: (meeting.wait(), source)[1]

    assert open_each([opener(source) for source in each]) == each
    assert not any(source.closed for source in each)


def test_where_one_cannot_be_opened_the_others_are_closed_also_those_that_come_late() -> None:
    early, late, go = Opened(), Opened(), threading.Event()

    def fails():
        raise CameraError("it is not there", hint="plug it in")

    with pytest.raises(CameraError, match="it is not there"):
        open_each([lambda: early, fails, lambda: (go.wait(10), late)[1]])
    assert early.closed and not late.closed
    go.set()
    until(lambda: late.closed)


def test_what_is_just_being_opened_is_closed_before_the_error_is_told() -> None:
    """A thread that is still in OpenCV when the program ends makes it abort."""
    failed, late = threading.Event(), Opened()

    def fails():
        failed.set()
        raise CameraError("there is none", hint="plug it in")

    def comes_a_little_later():
        failed.wait(5)
        threading.Event().wait(0.1)
        return late

    with pytest.raises(CameraError, match="there is none"):
        open_each([fails, comes_a_little_later])
    assert late.closed

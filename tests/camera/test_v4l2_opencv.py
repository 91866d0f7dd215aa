"""OpenCV's own V4L2 code, and ours, in front of a stand-in of the kernel's video devices.

``video_device.c`` answers the system calls; what a camera's driver does beyond them (times, errors
on the wire, what it forgets when it is set up anew) is not shown here.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.run import python

COLOUR = (10, 60, 200)  # B, G, R
MODES = (
    "YUYV 640x480 30, YUYV 1280x720 10, MJPG 640x480 60, MJPG 1280x720 30, NV12 640x480 30,"
    " NV21 640x480 30, pRAA 640x480 30"
)
CODE = """
import json, sys
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.openers import opener_of
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import CameraError
for text in sys.argv[1:]:
    notices = Notices()
    try:
        capture = opener_of(parse_source(text), notices)()
        ok, image = capture.read()
        if hasattr(image, "decode"):
            image = image.decode()
        told = {"shape": image.shape, "pixel": image[9, 9].tolist(), "rate": capture.get(5)}
        capture.release()
    except CameraError as error:
        told = {"error": error.message, "hint": error.hint}
    print(json.dumps({**told, "said": [notice.text for notice in notices.take()]}))
"""
COUNTS = """
import sys
from edgecnn.camera.sources.open import open_source
with open_source("0,format=MJPG,size=640x480") as source:
    frames = [frame for _ in range(400) if (frame := source.read(5)) is not None]
    last, counts = frames[-1].sequence + 1, source.counts
    assert all(abs(int(frame.image[9, 9, 2]) - 200) < 4 for frame in frames)
    print(last, len(frames), counts.dropped, counts.corrupt, counts.reconnects)
"""
UNPLUGGED = """
import os, sys
from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
gone, notices, told = os.environ["VIDEO_GONE"], Notices(), []
policy = ReconnectPolicy(attempts=None, backoff_s=0.02, bad_reads=3)
with open_source("0,format=MJPG,rate=90", SourceOptions(reconnect=policy), notices) as source:
    for _ in range(2):
        while source.read(5) is None:
            pass
        open(gone, "w").close()
        while "source_lost" not in told:
            source.read(0.01)
            told += [notice.kind for notice in notices.take()]
        os.remove(gone)
        while "source_back" not in told:
            source.read(0.01)
            told += [notice.kind for notice in notices.take()]
        print(*told)
        told.clear()
    print(source.counts.reconnects)
"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which /dev/video0 is a camera."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the stand-in for the kernel's video devices needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("video")
    library = folder / "video_device.so"
    source = Path(__file__).with_name("video_device.c")
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run([compiler, *flags, "-o", library, source, "-ldl"], check=True)
    for name, data in pictures().items():
        (folder / name).write_bytes(data)
    return {"LD_PRELOAD": str(library), "VIDEO_FRAMES": str(folder), "VIDEO_MODES": MODES}


def pictures() -> dict[str, bytes]:
    """What the camera sends in each mode: one colour."""
    small = np.full((2, 2, 3), COLOUR, np.uint8)
    planes = cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420).ravel()
    y, u, v = (bytes([planes[place]]) for place in (0, 4, 5))
    found = {
        "NV12_640x480": y * (640 * 480) + (u + v) * (640 * 480 // 4),
        "NV21_640x480": y * (640 * 480) + (v + u) * (640 * 480 // 4),
        "pRAA_640x480": b"raw" * (640 * 480),
    }
    for width, height in ((640, 480), (1280, 720)):
        picture = np.full((height, width, 3), COLOUR, np.uint8)
        found[f"YUYV_{width}x{height}"] = (y + u + y + v) * (width * height // 2)
        found[f"MJPG_{width}x{height}"] = cv2.imencode(".jpg", picture)[1].tobytes()
    return found


def opened(camera: dict[str, str], *texts: str, **more: str) -> list[dict[str, Any]]:
    """What each source gave, in one process with the camera."""
    run = python("-c", CODE, *texts, **camera, **more)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_camera_is_set_as_asked_by_opencv_itself(camera: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    plain, wide, rated, other, *planar = opened(
        camera, "0", "0,size=1280x720", "/dev/video0,rate=25,format=MJPG,size=1280x720",
        "0,size=800x600,rate=60", "0,format=NV12", "0,format=NV21", VIDEO_LOG=str(log),
    )  # fmt: skip
    assert (plain["shape"], plain["rate"]) == ([480, 640, 3], 30)
    assert (wide["shape"], wide["rate"]) == ([720, 1280, 3], 10)
    assert (rated["shape"], rated["rate"]) == ([720, 1280, 3], 25)
    assert [row["said"] for row in (plain, wide, rated, *planar)] == [[]] * 5
    assert other["said"] == [
        "camera 0 gives 640x480, 30 frames/s, YUYV, not 800x600, 60 frames/s as asked;"
        " v4l2-ctl --list-formats-ext -d /dev/video0 lists what it can"
    ]
    for row in (plain, wide, rated, other, *planar):
        assert np.abs(np.subtract(row["pixel"], COLOUR)).max() <= 3
    assert log.read_text().splitlines()[2] == "25 frames/s, 2 buffers"


def test_what_cannot_be_used_says_why(camera: dict[str, str]) -> None:
    raw, metadata, pipeline, private, absent = opened(
        camera, "0,format=pRAA", "1", "2", "3", "/dev/video4"
    )
    assert "gives the pixel format pRAA, which OpenCV cannot convert" in raw["error"]
    assert "it offers YUYV, MJPG, NV12, NV21, pRAA" in raw["hint"]
    assert "gives metadata, not pictures" in metadata["error"]
    assert "--source picamera2" in pipeline["hint"]
    assert "this user may not open /dev/video3" in private["error"]
    assert absent["error"] == "cannot open camera /dev/video4: there is no /dev/video4"


def test_a_camera_that_another_program_uses_is_busy(camera: dict[str, str]) -> None:
    (told,) = opened(camera, "0", VIDEO_BUSY="1")
    assert told["error"] == "cannot open camera 0: another program uses /dev/video0"


def test_broken_jpegs_of_a_camera_are_skipped_and_counted(
    camera: dict[str, str], tmp_path: Path
) -> None:
    whole = pictures()["MJPG_640x480"]
    bad = {2: whole[: len(whole) // 2], 7: b"\0" * 3000}
    for place in range(10):
        (tmp_path / f"MJPG_640x480.{place}").write_bytes(bad.get(place, whole))
    run = python("-c", COUNTS, **{**camera, "VIDEO_FRAMES": str(tmp_path)})
    assert run.returncode == 0, run.stderr
    last, taken, dropped, corrupt, reconnects = map(int, run.stdout.split())
    assert taken == 400 and reconnects == 0 and last >= taken
    assert abs(corrupt - last / 5) <= 2 and taken + dropped + corrupt >= last


def test_an_unplugged_camera_is_lost_and_comes_back(camera: dict[str, str], tmp_path: Path) -> None:
    run = python("-c", UNPLUGGED, **camera, VIDEO_GONE=str(tmp_path / "gone"))
    assert run.returncode == 0, run.stderr
    # What it gives instead of the rate asked is said at the first opening alone.
    assert run.stdout.splitlines() == [
        "source_changed source_lost source_back", "source_lost source_back", "2",
    ]  # fmt: skip

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import CameraError, UsageError
from tests.camera.doubles import FakeCamera, cameras, make_video
from tests.camera.file_source import FileSource
from tests.run import python

QUICK = ReconnectPolicy(attempts=3, backoff_s=0.01, backoff_max_s=0.02, stall_s=0.2)


def frames_of(source, most: int = 1000) -> list:
    frames = []
    while len(frames) < most and not source.ended:
        frame = source.read(0.5)
        if frame is not None:
            frames.append(frame)
    return frames


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("0", "camera", 0),
        (" 12 ", "camera", 12),
        ("clip.mp4", "file", "clip.mp4"),
        ("C:\\clips\\a.mp4", "file", "C:\\clips\\a.mp4"),
        ("http://pi.local:8080/x?y=1", "url", "http://pi.local:8080/x?y=1"),
    ],
)
def test_parse(text: str, kind: str, value: object) -> None:
    spec = parse_source(text)
    assert (spec.kind, spec.value) == (kind, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "-1",
        "file:///a.mp4",
        "ftp://host/a",
        "http://",
        "http://host:99999/",
        "http://[x",
        "udp://",
        "rtsp://:554/x",
    ],
)
def test_what_can_be_no_source_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert caught.value.hint


def test_a_password_is_never_shown() -> None:
    spec = parse_source("rtsp://admin:hunter2@127.0.0.1:9/live?token=hunter2")
    assert "hunter2" not in spec.display and spec.display.startswith("rtsp://admin:***@127")


def test_a_stream_from_anybody_has_no_host() -> None:
    assert parse_source("udp://@:5000").display == "udp://:5000"
    assert parse_source("http://[::1]:80/a").display == "http://[::1]:80/a"


@pytest.mark.parametrize("secret", ["77{}88", "77{}99/88", "77@{}88", "%37{}88", "77"])
@pytest.mark.parametrize("mark", ["/", "#", "?", ":", "@", "a"])
@pytest.mark.parametrize("shape", ["me:{}@host/1", "host/u=me&password={}", "[{}"])
def test_no_part_of_a_password_is_in_a_message(secret: str, mark: str, shape: str) -> None:
    try:
        shown = parse_source("rtsp://" + shape.format(secret.format(mark))).display
    except UsageError as error:
        shown = error.message
    assert not set("78") & set(shown) and "%" not in shown


def broken_sources(folder: Path) -> dict[str, str]:
    """What cannot be opened → what the message must name."""
    (folder / "folder.mp4").mkdir()
    (folder / "empty.mp4").write_text("")
    (folder / "text.mp4").write_text("no video " * 50)
    whole = make_video(folder / "whole.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[:600])
    names = ("missing", "folder", "empty", "text", "truncated")
    files = {str(folder / f"{name}.mp4"): f"{name}.mp4" for name in names}
    return {**files, "99": "camera 99", "http://127.0.0.1:9/x": "http://127.0.0.1:9/x"}


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    for text, shown in broken_sources(tmp_path).items():
        with pytest.raises(CameraError) as caught:
            open_source(text)
        assert shown in caught.value.message and caught.value.hint


def test_opencv_stays_quiet_about_what_cannot_be_opened(tmp_path: Path) -> None:
    # In a process of its own: FFmpeg reads its log level once.
    code = """
import sys
from edgecnn.camera.sources.open import open_source
from edgecnn.core.errors import CameraError
for text in sys.argv[1:]:
    try:
        open_source(text)
    except CameraError:
        print("refused")
"""
    sources = broken_sources(tmp_path)
    result = python("-c", code, *sources)
    assert result.stdout.splitlines() == ["refused"] * len(sources)
    assert result.stderr == ""


def test_a_file_gives_every_frame_in_order(tmp_path: Path) -> None:
    with open_source(str(make_video(tmp_path / "a.avi", 12, 25))) as source:
        frames = frames_of(source)
        assert [frame.sequence for frame in frames] == list(range(12))
        assert frames[5].timestamp_s == pytest.approx(5 / 25)
        assert frames[0].image.shape == (48, 64, 3)
        assert source.fps == 25 and source.counts.dropped == 0
    assert source.read(0.1) is None and source.ended


def test_a_photo_is_a_source_of_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((20, 30, 3), (1, 2, 3), np.uint8))
    with open_source(str(path)) as source:
        frames = frames_of(source)
    assert len(frames) == 1 and frames[0].image[0, 0].tolist() == [1, 2, 3]


def test_a_file_in_real_time_drops_for_a_slow_consumer(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", 20, 100)
    with open_source(str(path), SourceOptions(realtime=True)) as source:
        assert source.live
        first = source.read(2)
        time.sleep(0.1)
        second = source.read(2)
        rest = frames_of(source)
    assert first and second and second.sequence > first.sequence + 1
    assert rest[-1].sequence == 19
    assert source.counts.dropped == 20 - 2 - len(rest)


def test_a_slow_consumer_gets_the_newest_frame() -> None:
    camera = FakeCamera(40, hang=True)
    with NewestSource(lambda: camera, "fake", QUICK) as source:
        deadline = time.monotonic() + 5
        while camera.left and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.02)
        frame = source.read(1)
        assert frame is not None
        assert (frame.sequence, int(frame.image[0, 0, 0])) == (39, 40)
        assert source.counts.dropped == 39
        camera.released.set()
    assert camera.released.is_set()


def test_a_lost_camera_comes_back() -> None:
    opener, left = cameras(FakeCamera(2, 0.02), CameraError("no", hint="h"), FakeCamera(3, 0.02),
                           FakeCamera(0), FakeCamera(0), FakeCamera(0))  # fmt: skip
    with NewestSource(opener, "camera 0", QUICK) as source:
        frames = []
        with pytest.raises(CameraError, match="camera 0 was lost and did not come back in 3"):
            while True:
                frame = source.read(1)
                if frame is not None:
                    frames.append(frame.sequence)
    assert frames == [0, 1, 2, 3, 4] and not left


def test_a_camera_that_never_gives_a_frame() -> None:
    camera = FakeCamera(0)
    with (
        NewestSource(lambda: camera, "camera 0", QUICK) as source,
        pytest.raises(CameraError, match="opened but gives no frame"),
    ):
        source.read(2)
    assert camera.released.is_set()


def test_a_read_that_hangs_is_an_error_and_close_returns() -> None:
    camera = FakeCamera(1, hang=True)
    source = NewestSource(lambda: camera, "camera 0", QUICK)
    assert source.read(1) is not None
    with pytest.raises(CameraError, match="no frame for"):
        while True:
            source.read(0.05)
    threading.Timer(0.05, camera.released.set).start()
    source.close()
    source.close()
    assert source.ended and not any(t.name == "edgecnn-capture" for t in threading.enumerate())


def test_closing_releases_even_when_the_consumer_fails() -> None:
    camera = FakeCamera(100, 0.01)
    with (
        pytest.raises(ZeroDivisionError),
        NewestSource(lambda: camera, "fake", QUICK) as source,
    ):
        source.read(1)
        _ = 1 / 0
    assert camera.released.is_set()
    camera = FakeCamera(3)
    with pytest.raises(ZeroDivisionError), FileSource(camera):
        _ = 1 / 0
    assert camera.released.is_set()

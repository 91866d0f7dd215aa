"""The video of ``-o``: on a thread of its own, in real time, and kept when the disk is full."""

import io
import json
import os
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.clock import Instant
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.recording import video_file
from edgecnn.camera.recording.slots import LONGEST_PAUSE_S, Slots, measured_rate
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.recording.video_sink import VideoSink
from edgecnn.camera.recording.worker import Worker
from edgecnn.camera.result import FrameResult
from edgecnn.camera.seen import Picture, Seen
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.stats import StageTimes
from edgecnn.cli.record_options import video_line
from edgecnn.core.errors import CameraError
from tests.camera.doubles import DETECT, PREPROCESS, FakeCamera, FakeDetector, looped, video_frames
from tests.camera.file_source import FileSource

PIPELINE = Pipeline(FakeDetector(), PREPROCESS, DETECT)


def picture(brightness: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((size[1], size[0], 3), brightness, np.uint8)


def seen(number: int, timestamp_s: float) -> Seen:
    moment = Instant(timestamp_s, timestamp_s)
    frame = Frame(picture(number), number, moment, timestamp_s, 1.0)
    result = FrameResult(number, timestamp_s, moment, 1.0, (), {})
    return Seen(frame, result, Picture(frame.image, result, None, None, False, StageTimes()))


def live_video(path: Path, timestamps_s: list[float]) -> VideoFile:
    """A finished video whose k-th frame has the brightness 20 + 10 k."""
    video = VideoFile(path, None)
    for k, timestamp_s in enumerate(timestamps_s):
        video.write(picture(20 + 10 * k), timestamp_s)
    video.finish()
    return video


def rate_of(path: Path) -> float:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate


@given(
    st.lists(st.floats(0.0, 1.9), min_size=1, max_size=60),
    st.sampled_from([1.0, 7.3, 15.0, 30.0, 120.0]),
    st.floats(-10.0, 1e6),
)
def test_the_video_is_as_long_as_the_time_that_passed(
    gaps_s: list[float], rate: float, start_s: float
) -> None:
    slots, now_s = Slots(rate), start_s
    places = slots.take(now_s)
    for gap_s in gaps_s:
        now_s += gap_s
        places += slots.take(now_s)
        assert abs((now_s - start_s) * rate - (places - 1)) <= 1 + 1e-6
    assert slots.cut_s == 0


@given(st.floats(-0.9, 0.9), st.lists(st.floats(-0.49, 0.49), min_size=5, max_size=60))
def test_jitter_neither_repeats_nor_leaves_out_frames(shift: float, jitters: list[float]) -> None:
    slots = Slots(25.0)
    steady = [k / 25 for k in range(5)]
    jittered = [(k + 5 + jitter) / 25 for k, jitter in enumerate(jitters)]
    assert {slots.take(second + 100 + shift) for second in steady + jittered} == {1}


def test_an_outage_is_cut_and_a_clock_that_jumps_back_is_none() -> None:
    slots = Slots(10.0)
    assert [slots.take(second) for second in (0.0, 0.1)] == [1, 1]
    assert slots.take(600.1) == LONGEST_PAUSE_S * 10
    assert slots.cut_s == pytest.approx(600 - LONGEST_PAUSE_S)
    assert [slots.take(second) for second in (3.0, 3.1, 3.2)] == [1, 1, 1]


def test_a_model_of_seconds_per_frame_is_no_outage() -> None:
    slots = Slots(1.0)
    assert [slots.take(6.0 * k) for k in range(5)] == [1, 6, 6, 6, 6] and slots.cut_s == 0


def test_the_rate_is_measured_without_the_first_run_and_without_outages() -> None:
    steady = [k / 30 for k in range(9)]
    assert measured_rate(steady) == 30.0
    assert measured_rate([-2.0, *steady, 9.0]) == 30.0
    assert measured_rate([0.0, 1 / 30, 3 / 30, 4 / 30, 6 / 30]) == 20.0
    assert measured_rate([5.0]) == measured_rate([5.0, 5.0]) == 15.0
    assert (measured_rate([0, 9]), measured_rate([0, 0.001])) == (1.0, 120.0)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_live_video_of_irregular_frames_keeps_real_time(suffix: str, tmp_path: Path) -> None:
    start = [k / 20 for k in range(10)]
    slower = [start[-1] + 0.2 * k for k in range(1, 6)]
    quicker = [slower[-1] + 0.01 * k for k in range(1, 31)]
    times = [*start, *slower, *quicker, quicker[-1] + 1.0]
    path = tmp_path / f"o{suffix}"
    video = VideoFile(path, None)
    for k, timestamp_s in enumerate(times):
        video.write(picture(4 * k), timestamp_s)
    video.finish()
    frames, rate = video_frames(path), rate_of(path)
    assert rate == pytest.approx(20.0) and video.frames == len(frames)
    assert len(frames) / rate == pytest.approx(times[-1] - times[0], abs=2 / rate)
    # Each moment shows the frame of then, one place earlier or later.
    shown = [frame.mean() for frame in frames]
    for at_s in (0.2, 0.45, 0.85, 1.25):
        least, most = (
            max(k for k, second in enumerate(times) if second <= at_s + change)
            for change in (-0.051, 0.051)
        )
        assert 4 * least - 3 <= shown[round(at_s * rate)] <= 4 * most + 3


def test_a_long_outage_is_not_watched(tmp_path: Path) -> None:
    steady = [k / 10 for k in range(12)]
    video = live_video(tmp_path / "o.avi", [*steady, 3600.0, 3600.1])
    assert video.frames == 12 + LONGEST_PAUSE_S * 10 + 1
    assert video.cut_s == pytest.approx(3600.0 - 1.1 - LONGEST_PAUSE_S)


def test_large_frames_are_held_in_smaller_number(tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "o.avi", None)
    for k in range(3):
        video.write(np.zeros((2400, 3200, 3), np.uint8), k / 10)
        assert video.frames == (0 if k == 0 else k + 1)
    video.discard()
    assert list(tmp_path.iterdir()) == []


class SlowVideo(VideoFile):
    """Writes when it is told to."""

    def __init__(self, path: Path, fps: float | None) -> None:
        super().__init__(path, fps)
        self.go, self.written = threading.Event(), []

    def write(self, image: np.ndarray, timestamp_s: float) -> None:
        assert self.go.wait(30)
        self.written.append(timestamp_s)


def test_live_frames_without_room_are_left_out_and_counted(tmp_path: Path) -> None:
    video = SlowVideo(tmp_path / "o.avi", None)
    sink = VideoSink(video, StageTimes())
    for k in range(20):
        sink.put(seen(k, float(k)))
    video.go.set()
    sink.finish()
    left_out = sink.summary()["video"]["left_out"]
    assert 15 <= left_out <= 16 and len(video.written) == 20 - left_out
    assert video.written[:2] == [0.0, 1.0]


def test_the_loop_waits_until_each_frame_of_a_file_is_written(tmp_path: Path) -> None:
    video = SlowVideo(tmp_path / "o.avi", 25.0)
    sink = VideoSink(video, StageTimes())
    threading.Timer(0.05, video.go.set).start()
    for k in range(20):
        sink.put(seen(k, float(k)))
    sink.finish()
    assert video.written == list(range(20))
    assert sink.summary() == {"video": {"frames": 0, "left_out": 0, "cut_s": 0.0}}


def full_after(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has room for so many frames."""
    asked = iter(range(10_000))

    def free(path: Path) -> int:
        return 10**9 if next(asked) < frames else 10**6

    monkeypatch.setattr(video_file, "_free_bytes", free)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_full_disk_ends_the_video_and_keeps_it_and_detection_goes_on(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept = tmp_path / f"o{suffix}", tmp_path / f"o.incomplete{suffix}"
    out.write_text("old")
    full_after(7, monkeypatch)
    notices, said, lines = Notices(), [], io.StringIO()
    with pytest.raises(CameraError, match=r"stopped after 7 frames.*o\.incomplete") as failed:
        looped(
            FileSource(FakeCamera(30), 25), PIPELINE, jsonl=lines, video_out=out,
            notices=notices, on_notice=said.append,
        )  # fmt: skip
    assert "make room" in failed.value.hint
    assert out.read_text() == "old" and len(video_frames(kept)) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.name, kept.name])
    assert len(lines.getvalue().splitlines()) == 31
    assert [notice.kind for notice in said] == ["recording_stopped"]
    assert "detection goes on" in said[0].text and str(kept) in said[0].text


def test_an_incomplete_video_of_an_earlier_run_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "o.incomplete.avi").write_text("old")
    full_after(5, monkeypatch)
    with pytest.raises(CameraError, match=r"o\.incomplete-2\.avi"):
        looped(FileSource(FakeCamera(9), 25), PIPELINE, video_out=tmp_path / "o.avi")
    assert (tmp_path / "o.incomplete.avi").read_text() == "old"
    assert len(video_frames(tmp_path / "o.incomplete-2.avi")) == 5


def test_a_disk_that_is_full_from_the_start_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_after(0, monkeypatch)
    with pytest.raises(CameraError, match="stopped after 0 frames"):
        looped(FileSource(FakeCamera(9), 25), PIPELINE, video_out=tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_limit_on_the_size_of_files_is_met_before_it_harms(suffix: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(3).integers(0, 255, (4, 720, 1280, 3), np.uint8)
    video = VideoFile(tmp_path / f"o{suffix}", 25.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, before[1]))
    try:
        with pytest.raises(CameraError, match="stopped after"):
            for k in range(200):
                video.write(noise[k % 4], k / 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = tmp_path / f"o.incomplete{suffix}"
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert len(video_frames(kept)) == video.frames > 0 and kept.stat().st_size < 8 << 20


def test_a_video_that_cannot_be_read_is_kept_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "_readable", lambda path: False)
    with pytest.raises(CameraError, match=r"could not be finished.*incomplete.*cannot be played"):
        looped(FileSource(FakeCamera(3), 25), PIPELINE, video_out=tmp_path / "o.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["o.incomplete.mp4"]


def test_a_bug_in_the_thread_reaches_the_caller(tmp_path: Path) -> None:
    class Broken(VideoFile):
        def write(self, image: np.ndarray, timestamp_s: float) -> None:
            raise ZeroDivisionError

    sink = VideoSink(Broken(tmp_path / "o.avi", 25.0), StageTimes())
    with pytest.raises(ZeroDivisionError):
        looped(FileSource(FakeCamera(30), 25), PIPELINE, sinks=(sink,))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_discarded_drops_what_waits() -> None:
    go, done = threading.Event(), []

    def work(item: int) -> None:
        assert go.wait(30)
        done.append(item)

    worker = Worker(work, "test", room=4, waits=False)
    assert [worker.put(k) for k in range(3)] == [True] * 3
    threading.Timer(0.05, go.set).start()
    worker.discard()
    worker.finish()
    assert len(done) <= 1 and not worker.put(9)


def test_people_are_told_what_the_video_does_not_show() -> None:
    whole = {"video": {"frames": 9, "left_out": 0, "cut_s": 0.0}}
    assert video_line({}) is None and video_line(whole) is None
    line = video_line({"video": {"frames": 9, "left_out": 3, "cut_s": 598.2}})
    assert line is not None and "3 came while" in line and "598 s without frames" in line


@pytest.mark.skipif(os.name == "nt", reason="an open file keeps its folder there")
def test_a_folder_that_is_removed_ends_the_video_and_not_the_loop(tmp_path: Path) -> None:
    folder, lines = tmp_path / "o", tmp_path / "lines.jsonl"

    def remove(result: FrameResult) -> None:
        if result.frame == 20:
            shutil.rmtree(folder)

    with pytest.raises(CameraError, match=r"stopped after \d+ frames: No such file"):
        looped(
            FileSource(FakeCamera(60), 25), PIPELINE, video_out=folder / "o.avi", jsonl=lines,
            on_result=remove,
        )  # fmt: skip
    assert json.loads(lines.read_text().splitlines()[-1])["frames"] == 60

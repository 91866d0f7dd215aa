"""Segments: how long, of what, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.recorder import FrameTimeline, Rate, Recorder
from edgecnn.camera.recording.storage import Storage
from tests.camera.recording.frames import HeldClock, encoded, played, seen

MOMENT = seen().frame.captured


def recorded(folder: Path, frames: list[Any], **given: Any) -> list[Path]:
    clock = HeldClock()
    storage = Storage([folder], max_bytes=None, keep_free_bytes=0, notices=Notices(), clock=clock)
    options = {"segment_s": 600.0, "fps": None, "live": False, **given}
    recorder = Recorder(folder, storage, **options)
    for frame in frames:
        recorder.put(frame)
    recorder.finish()
    storage.finish()
    return sorted(folder.glob("*.mkv"))


def test_a_new_segment_begins_after_its_time(tmp_path: Path) -> None:
    files = recorded(tmp_path, [encoded(k, k * 0.5) for k in range(25)], segment_s=5.0)
    assert [[round(ms) for ms, _ in played(path)] for path in files] == [
        [k * 500 for k in range(10)],
        [k * 500 for k in range(10)],
        [k * 500 for k in range(5)],
    ]


def test_a_new_size_begins_a_new_segment(tmp_path: Path) -> None:
    sizes = [(64, 48)] * 3 + [(32, 24)] * 2 + [(64, 48)]
    files = recorded(tmp_path, [encoded(k, k * 0.1, size=size) for k, size in enumerate(sizes)])
    assert [len(played(path)) for path in files] == [3, 2, 1]


def test_live_video_keeps_real_time_across_a_gap(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.09, 7.0, 7.04]
    frames = [encoded(k, time_s) for k, time_s in enumerate(times)]
    (file,) = recorded(tmp_path, frames, live=True)
    assert [ms for ms, _ in played(file)] == pytest.approx([t * 1e3 for t in times], abs=0.6)


def test_files_played_one_after_the_other_make_one_timeline(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.0, 0.1, 0.2, 0.0]
    (file,) = recorded(tmp_path, [encoded(k, time_s) for k, time_s in enumerate(times)])
    assert [round(ms) for ms, _ in played(file)] == [k * 100 for k in range(7)]


@given(times=st.lists(st.floats(0, 1e5), max_size=50))
def test_a_timeline_never_goes_back(times: list[float]) -> None:
    timeline = FrameTimeline(live=False)
    found = [timeline.at(MOMENT, time_s) for time_s in times]
    assert found == sorted(found)


@given(
    fps=st.floats(0.5, 60),
    camera=st.floats(1, 120),
    jitter=st.lists(st.floats(-0.05, 0.05), min_size=200, max_size=200),
)
def test_a_rate_is_kept_and_never_passed(fps: float, camera: float, jitter: list[float]) -> None:
    rate = Rate(fps)
    times = [(k + shift) / camera for k, shift in enumerate(jitter)]
    taken = [time_s for time_s in times if rate.takes(time_s)]
    most = (times[-1] - times[0]) * fps + 2
    assert len(taken) <= most
    if camera <= fps * 0.9:
        assert len(taken) == len(times)
    elif camera > 2 * fps:
        assert len(taken) >= (times[-1] - times[0]) * fps * 0.6


def test_a_rate_of_the_cameras_own_takes_every_frame() -> None:
    rate = Rate(30)
    assert all(rate.takes(k / 30 + (0.002 if k % 2 else -0.002)) for k in range(300))


def test_a_rate_begins_anew_when_times_go_back() -> None:
    rate = Rate(10)
    assert sum(rate.takes(k / 100) for k in range(100)) in (10, 11)
    assert sum(rate.takes(k / 100) for k in range(100)) in (10, 11)

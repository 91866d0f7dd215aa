"""The loop with everything that records behind it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.stats import StageTimes
from edgecnn.core.errors import CameraError, UsageError
from tests.camera.doubles import (
    DETECT,
    PREPROCESS,
    FakeCamera,
    FakeDetector,
    cameras,
    looped,
    make_video,
    video_frames,
)
from tests.camera.recording.frames import played
from tests.run import python


def recorded(source: Any, predictor: Any = None, **config: Any) -> dict[str, Any]:
    options = {"keep_free_bytes": 0, **config}
    times, notices = StageTimes(), Notices()
    opened = open_recording(
        RecordingConfig(**options), live=source.live, notices=notices, times=times
    )
    model = Pipeline(predictor or FakeDetector(), PREPROCESS, DETECT)
    summary = looped(source, model, sinks=opened.sinks)
    found = summary.to_json()["recording"]
    assert isinstance(found, dict)
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_every_frame_of_a_file_is_recorded_in_its_own_time(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.avi", 40, fps=20.0)
    counts = recorded(open_source(str(video)), folder=tmp_path / "out", segment_s=1.0)
    first, second = files(tmp_path / "out")
    assert [round(ms) for ms, _ in played(first)] == [k * 50 for k in range(20)]
    assert len(played(second)) == 20
    assert counts["bytes"] == first.stat().st_size + second.stat().st_size
    assert (counts["files"], counts["frames"], counts["not_recorded"]) == (2, 40, 0)
    assert counts["seconds"] == pytest.approx(1.9)


def test_raw_pixels_come_without_boxes(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.avi", 5)
    for raw in (True, False):
        recorded(open_source(str(video)), folder=tmp_path / str(raw), raw=raw, quality=100)
    plain, drawn = (video_frames(files(tmp_path / name)[0]) for name in ("True", "False"))
    assert plain[2].shape == (48, 64, 3)
    assert plain[2].std() < 1
    assert drawn[2].std() > 10
    source = video_frames(video)
    assert len(plain) == len(source) == 5
    for ours, theirs in zip(plain, source, strict=True):
        assert abs(ours.astype(int) - theirs).max() <= 2


def test_a_model_that_fails_in_the_middle_leaves_what_was_recorded(tmp_path: Path) -> None:
    class Failing(FakeDetector):
        def predict(self, inputs: Any) -> dict[str, Any]:
            if len(self.seen) == 9:
                raise RuntimeError("out of memory")
            return super().predict(inputs)

    video = make_video(tmp_path / "a.avi", 20)
    with pytest.raises(RuntimeError, match="out of memory"):
        recorded(open_source(str(video)), Failing(), folder=tmp_path / "out")
    (file,) = files(tmp_path / "out")
    assert file.name.endswith("Z.mkv")
    assert 8 <= len(played(file)) <= 9


def test_a_rate_limit_records_evenly(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.avi", 60, fps=30.0)
    recorded(open_source(str(video)), folder=tmp_path / "out", fps=5.0)
    times = [ms for ms, _ in played(files(tmp_path / "out")[0])]
    assert len(times) == 10
    assert all(b - a == pytest.approx(200, abs=1) for a, b in zip(times, times[1:], strict=False))


def test_live_frames_keep_the_moments_of_their_capture(tmp_path: Path) -> None:
    opener, _ = cameras(FakeCamera(30, gap_s=0.01))
    seen: list[float] = []

    class Noting(FakeDetector):
        def predict(self, inputs: Any) -> dict[str, Any]:
            seen.append(0.0)
            return super().predict(inputs)

    policy = ReconnectPolicy(attempts=0, backoff_s=0.01, backoff_max_s=0.01)
    with pytest.raises(CameraError):  # a camera that ends is lost; what came before is recorded
        recorded(NewestSource(opener, "camera", policy), Noting(), folder=tmp_path, raw=True)
    frames = played(files(tmp_path)[0])
    assert 0 < len(frames) <= len(seen)
    times = [ms for ms, _ in frames]
    assert times == sorted(set(times))
    assert times[-1] >= 8 * (len(frames) - 1)


def test_a_second_run_goes_on_with_the_numbers(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.avi", 3)
    for _ in range(2):
        recorded(open_source(str(video)), folder=tmp_path / "out")
    assert [path.name[:6] for path in files(tmp_path / "out")] == ["000001", "000002"]


def test_nothing_asked_for_is_nothing_opened() -> None:
    opened = open_recording(RecordingConfig(), live=False, notices=Notices(), times=StageTimes())
    assert opened.sinks == ()


def test_one_folder_may_serve_twice_and_another_process_is_refused(tmp_path: Path) -> None:
    config = RecordingConfig(folder=tmp_path, snapshots=tmp_path, keep_free_bytes=0)
    first = open_recording(config, live=False, notices=Notices(), times=StageTimes())
    with pytest.raises(UsageError, match="another process records into"):
        open_recording(config, live=False, notices=Notices(), times=StageTimes())
    for sink in first.sinks:
        sink.finish()
    again = open_recording(config, live=False, notices=Notices(), times=StageTimes())
    for sink in again.sinks:
        sink.discard()
    assert files(tmp_path) == []


# A file that may not grow beyond a limit is as near to a full disk as any machine allows.
FULL = """
import resource, sys, pathlib
import numpy as np
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.stats import StageTimes
from tests.camera.recording.frames import seen

resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
notices = Notices()
config = RecordingConfig(folder=pathlib.Path(sys.argv[1]), raw=True, keep_free_bytes=0)
(stage,) = open_recording(config, live=False, notices=notices, times=StageTimes()).sinks
noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
for k in range(60):
    stage.put(seen(k, k / 25, image=noise))
stage.finish()
print(*[notice.kind for notice in notices.take()])
print(stage.summary()["recording"]["frames"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_a_disk_that_takes_no_more_keeps_what_it_has(tmp_path: Path) -> None:
    result = python("-c", FULL, str(tmp_path))
    assert result.stdout.split()[0] == "recording_stopped", result.stderr
    (file,) = files(tmp_path)
    assert len(played(file)) == int(result.stdout.split()[-1]) > 5
    assert 150_000 < file.stat().st_size <= 200_000

"""Events of the whole loop, with a source that comes and goes."""

import json
from pathlib import Path

import pytest

from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.log import open_log
from edgecnn.camera.events.watch import EventWatch
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.core.errors import CameraError
from tests.camera.clocks import FakeClock
from tests.camera.doubles import DETECT, PREPROCESS, FakeCamera, FakeDetector, cameras, looped


def test_a_camera_lost_twenty_times_with_a_jumping_wall_clock_is_one_presence(
    tmp_path: Path,
) -> None:
    clock = FakeClock(*[3600.0, -7200.0] * 200)
    notices = Notices(clock)
    gone = CameraError("cannot open it", hint="plug it in")
    opener, _ = cameras(*[FakeCamera(3, 0.001) for _ in range(21)], *[gone] * 20)
    source = NewestSource(
        opener, "camera 0", ReconnectPolicy(attempts=3), clock=clock, notices=notices
    )
    log = open_log(tmp_path / "e.jsonl", notices)
    watch = EventWatch(EventConfig(), "camera 0", clock=clock)
    model = Pipeline(FakeDetector(), PREPROCESS, DETECT)
    with pytest.raises(CameraError, match="camera 0"):
        looped(source, model, sinks=(log,), events=watch, notices=notices)
    lines = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    kinds = [line["event"] for line in lines]
    seen = [kind for kind in kinds if kind in ("started", "appeared", "left", "ended")]
    assert seen == ["started", "appeared", "left", "ended"]
    # The first losses are told one by one; what goes on for ever is told of less and less.
    assert kinds.count("source_lost") >= 10 and kinds.count("source_back") >= 10
    appeared, left = (line for line in lines if line["label"])
    assert left["began"] == appeared["number"]
    assert left["seconds"] == pytest.approx(left["timestamp_s"] - appeared["timestamp_s"], abs=0.01)
    assert lines[-1]["text"] == "lost"

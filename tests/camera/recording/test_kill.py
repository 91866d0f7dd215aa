"""A process that is killed while it records loses next to nothing of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.camera.recording.frames import played
from tests.camera.recording.parser import parse
from tests.camera.recording.test_storage import Recording
from tests.run import ROOT

# Says how many frames were handed to the recorder, as it goes.
RECORD = """
import sys, pathlib
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.stats import StageTimes
from tests.camera.recording.frames import seen

config = RecordingConfig(folder=pathlib.Path(sys.argv[1]), raw=True, keep_free_bytes=0, segment_s=4)
recording = open_recording(config, live=False, notices=Notices(), times=StageTimes())
(stage,) = getattr(recording, "sinks", recording)
for k in range(10**6):
    stage.put(seen(k, k / 25))
    print(k + 1, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_kill_9_costs_less_than_two_seconds_of_what_was_recorded(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RECORD, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    told = 0
    while told < 330:
        told = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest = child.communicate(timeout=60)[0].split()
    told = int(rest[-1]) if rest else told
    parts = list(tmp_path.glob("*.part.mkv"))
    assert len(parts) == 1
    open_frames = len(played(parts[0]))
    frames = sum(len(played(path)) for path in tmp_path.glob("*Z.mkv")) + open_frames
    # One line may be told of a frame less than was handed over; two seconds are 50 frames.
    assert told - 50 <= frames <= told + 1
    # The next start finishes the file and names it.
    run = Recording(tmp_path)
    (notice,) = run.notices.take()
    assert parts[0].name.replace(".part", "") in notice.text
    run.finish()
    assert sum(len(played(path)) for path in tmp_path.glob("*Z.mkv")) == frames
    for path in tmp_path.glob("*.mkv"):
        parse(path.read_bytes())

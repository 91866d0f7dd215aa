"""A recording that runs for long takes no more memory than a short one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.run import python

# Prints the resident megabytes after the first 2000 frames, and after 10,000.
RUN = """
import os, sys, pathlib
from edgecnn.camera.notices import Notices
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.stats import StageTimes
from tests.camera.recording.frames import seen

os.fsync = lambda descriptor: None
config = RecordingConfig(
    folder=pathlib.Path(sys.argv[1]), keep_free_bytes=0, segment_s=10, max_disk_bytes=1 << 20
)
notices = Notices()
(stage,) = open_recording(config, live=False, notices=notices, times=StageTimes()).sinks
for k in range(10_000):
    stage.put(seen(k, k / 25))
    if k + 1 in (2000, 10_000):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        print(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
stage.finish()
counts = stage.summary()["recording"]
print(counts["frames"], counts["files"], counts["deleted"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_memory_is_flat_over_10_000_frames_in_segments(tmp_path: Path) -> None:
    result = python("-c", RUN, str(tmp_path))
    early, late, counts = result.stdout.splitlines()
    assert float(late) - float(early) < 2, result.stdout
    frames, files, deleted = (int(word) for word in counts.split())
    assert (frames, files) == (10_000, 40)
    assert 0 < deleted < files
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20

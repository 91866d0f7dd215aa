"""The whole loop over many small frames, with everything that records; says what it takes.

Run as a program in a process of its own: ``python -m tests.camera.soak FRAMES FOLDER [trace]``. It
prints one JSON object: ``samples`` (frame, RSS and traced kB, threads, open files) and the
loop's summary. A camera that paces itself by the model plays twenty frames a second of a clock
that does not sleep, is lost again and again, sends damaged frames, changes its size, and its wall
clock jumps by hours.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.camera.clock import Instant
from edgecnn.camera.common import CommonOutputs
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.open import EventRun, open_event_sinks, watch_events
from edgecnn.camera.loop import Listeners, LoopConfig
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.result import FrameResult
from edgecnn.camera.sources.capture import DamagedFrameError
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.camera.stats import StageTimes
from edgecnn.camera.together import CameraLoop, run_together
from edgecnn.core.errors import CameraError
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector

_EVERY = 200  # frames from one sample to the next


class JumpyClock:
    """Time that passes with frames and pauses; the wall clock is hours off now and then."""

    def __init__(self) -> None:
        self._s = 1000.0
        self._lock = threading.Lock()

    def now(self) -> Instant:
        with self._lock:
            off_s = (0.0, 7200.0, -86400.0)[int(self._s / 40) % 3]
            return Instant(self._s, 1_700_000_000.0 + self._s + off_s)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.pass_by(seconds)
        time.sleep(0)
        return stop.is_set()

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._s += seconds


class Camera:
    """Gives a frame when the model has had the one before; every seventh read is damaged."""

    def __init__(self, frames: int, clock: JumpyClock) -> None:
        self._left, self._clock = frames, clock
        self.next = threading.Semaphore(1)
        self.opened = self.reads = 0
        self._until_lost = 0
        self._pictures = [
            np.random.default_rng(0).integers(0, 255, size, np.uint8)
            for size in ((48, 64, 3), (60, 80, 3))
        ]

    def open(self) -> Camera:
        self.opened += 1
        if self.opened % 5 == 3:
            raise CameraError("cannot open it", hint="plug it in")
        self._until_lost = 150
        return self

    def read(self) -> tuple[bool, Any]:
        self.reads += 1
        if self.reads % 7 == 0:
            raise DamagedFrameError
        if not self._left or not self._until_lost:
            return False, None
        assert self.next.acquire(timeout=60)
        self._clock.pass_by(0.05)
        self._left -= 1
        self._until_lost -= 1
        return True, self._pictures[self._left // 700 % 2].copy()

    def release(self) -> None:
        pass


class Model(FakeDetector):
    """Sees something for a hundred frames, and nothing for the next hundred."""

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self._camera, self._count = camera, 0

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self._count += 1
        found = super().predict(inputs)
        self.seen.clear()
        if self._count // 100 % 2:
            found["scores"][:] = 0
        self._camera.next.release()
        return found


def measured() -> tuple[int, int, int, int]:
    """RSS and traced memory in kB, threads and open files of this process (Linux)."""
    status = Path("/proc/self/status").read_text()
    rss = int(status.split("VmRSS:")[1].split()[0])
    traced = tracemalloc.get_traced_memory()[0] // 1024 if tracemalloc.is_tracing() else 0
    return rss, traced, threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def soak(frames: int, folder: Path) -> dict[str, Any]:
    """Runs the loop; what it took, and its summary."""
    clock, notices, times = JumpyClock(), Notices(), StageTimes()
    camera = Camera(frames, clock)
    policy = ReconnectPolicy(attempts=None)
    source = NewestSource(camera.open, "camera 0", policy, clock=clock, notices=notices)
    recording = open_recording(
        RecordingConfig(
            folder=folder / "all", clips=folder / "clips", snapshots=folder / "snapshots",
            raw=True, segment_s=5.0, before_s=1.0, after_s=1.0, max_disk_bytes=1 << 20,
            keep_free_bytes=0,
        ),
        live=True, notices=notices, times=times,
    )  # fmt: skip
    config = EventConfig(log=folder / "events.jsonl")
    watch = watch_events(config, "camera 0", recording.attach, EventRun(), None)
    common = CommonOutputs(
        open_event_sinks(config, notices), LineFile(folder / "lines.jsonl", notices), notices
    )
    samples: list[tuple[int, ...]] = []
    seen = [0]

    def sample(result: FrameResult) -> None:
        seen[0] += 1
        if seen[0] % _EVERY == 0:
            samples.append((seen[0], *measured()))

    listeners = Listeners(
        (*common.shared(), *recording.sinks), watch, times, notices, on_result=sample
    )
    model = Pipeline(Model(camera), PREPROCESS, DETECT)
    loop = CameraLoop(source, model, listeners)
    summary = run_together([loop], LoopConfig(max_frames=frames), common)
    return {"samples": samples, "summary": summary.to_json()}


if __name__ == "__main__":
    if sys.argv[3:] == ["trace"]:
        tracemalloc.start()
    print(json.dumps(soak(int(sys.argv[1]), Path(sys.argv[2]))))

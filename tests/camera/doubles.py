"""Stand-ins for a camera and a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from edgecnn.camera.common import CommonOutputs
from edgecnn.camera.events.event import Event
from edgecnn.camera.loop import Listeners, LoopConfig, LoopSummary
from edgecnn.camera.model_thread import ModelThread
from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import FrameModel
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.recording.video_sink import VideoSink
from edgecnn.camera.seen import FrameSink, Seen
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.stats import StageTimes
from edgecnn.camera.together import CameraLoop, run_together
from edgecnn.core.postprocess import ClassifySpec, DetectSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo

PREPROCESS = PreprocessSpec((ImageInput("x", 32, 32, "rgb", "stretch"),))
DETECT = DetectSpec(
    "scores", "boxes", ("red", "green"), (GridLevel(2, 2, 16),), score_threshold=0.5,
    activation="none",
)  # fmt: skip
CLASSIFY = ClassifySpec("scores", ("red", "green"), "none")


class FakeDetector:
    """Always one box: the cell at the upper left, 32 × 32 input pixels around (8, 8), class 1."""

    inputs = (TensorInfo("x", (1, 32, 32, 3), "float32"),)
    outputs = (
        TensorInfo("scores", (1, 4, 2), "float32"),
        TensorInfo("boxes", (1, 4, 4), "float32"),
    )

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.seen: list[float] = []

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert inputs["x"].shape == (1, 32, 32, 3)
        self.seen.append(float(inputs["x"].mean()))
        time.sleep(self.delay_s)
        scores = np.zeros((1, 4, 2), np.float32)
        scores[0, 0, 1] = 0.75
        return {"scores": scores, "boxes": np.full((1, 4, 4), 0.25, np.float32)}


class FakeClassifier:
    """Class 1 when the picture is bright."""

    inputs = FakeDetector.inputs
    outputs = (TensorInfo("scores", (1, 2), "float32"),)

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        bright = float(inputs["x"].mean())
        return {"scores": np.float32([[1 - bright, bright]])}


class FakeCamera:
    """Frames whose every pixel is their number; then None for good, or a block until released."""

    def __init__(self, frames: int, gap_s: float = 0.0, hang: bool = False) -> None:
        self.left = frames
        self.gap_s = gap_s
        self.hang = hang
        self.number = 0
        self.released = threading.Event()

    def read(self) -> tuple[bool, Any]:
        if self.left == 0:
            if self.hang:
                self.released.wait(5)
            return False, None
        time.sleep(self.gap_s)
        self.left -= 1
        self.number += 1
        return True, np.full((48, 64, 3), self.number % 256, np.uint8)

    def release(self) -> None:
        self.released.set()


class Watching:
    """A sink that calls a function with each drawn frame."""

    wants = "drawn"

    def __init__(self, function: Callable[[Seen], Any]) -> None:
        self.put = function
        self.told: list[Event] = []
        self.finished = 0

    def tell(self, event: Event) -> None:
        self.told.append(event)

    def finish(self) -> None:
        self.finished += 1

    def discard(self) -> None:
        pass

    def summary(self) -> dict[str, object]:
        return {}


def waiting(thread: ModelThread) -> int:
    """How many wait for their turn."""
    return thread._threads._work_queue.qsize()


def cameras(*each: FakeCamera | Exception) -> tuple[Callable[[], FakeCamera], list[Any]]:
    """An opener that gives these, one after the other, and the list of what is left."""
    left = list(each)

    def opener() -> FakeCamera:
        camera = left.pop(0)
        if isinstance(camera, Exception):
            raise camera
        return camera

    return opener, left


def make_video(path: Path, frames: int = 12, fps: float = 25.0, size: tuple = (64, 48)) -> Path:
    codec = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
    writer = cv2.VideoWriter(str(path), codec, fps, size)
    assert writer.isOpened()
    for k in range(frames):
        writer.write(np.full((size[1], size[0], 3), 20 + k * 10 % 200, np.uint8))
    writer.release()
    return path


def video_frames(path: Path) -> list[Any]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    capture.release()
    return frames


def looped(
    source: Source,
    model: FrameModel,
    *,
    jsonl: IO[str] | Path | None = None,
    video_out: Path | None = None,
    stop: threading.Event | None = None,
    sinks: tuple[FrameSink, ...] = (),
    limits: LoopConfig | None = None,
    **listeners: Any,
) -> LoopSummary:
    """Runs the loop with the outputs of ``-o``, opened as ``detect`` does it."""
    with ExitStack() as stack:
        stack.callback(source.close)
        times, notices = StageTimes(), listeners.get("notices")
        if video_out is not None:
            fps = None if source.live else source.fps or 30.0
            sinks = (*sinks, VideoSink(VideoFile(video_out, fps), times, notices))
            stack.callback(sinks[-1].discard)
        lines = LineFile(jsonl, notices) if jsonl is not None else None
        common = CommonOutputs((), lines, notices or Notices())
        known = Listeners((*sinks, *common.shared()), times=times, **listeners)
        loop = CameraLoop(source, model, known)
        return (
            run_together([loop], limits or LoopConfig(), common, listeners.get("on_notice"), stop)
            .cameras[0]
            .run
        )

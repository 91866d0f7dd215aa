"""The loop: newest frame → tensor → predictor → decoded result → overlay, video, JSON Lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edgecnn.camera.capture import Image
from edgecnn.camera.frames import Frame, Source
from edgecnn.camera.interrupt import stop_on_interrupt
from edgecnn.camera.outputs import LineFile, VideoFile
from edgecnn.camera.overlay import OverlayOptions, draw
from edgecnn.camera.pipeline import FrameModel, timed
from edgecnn.camera.result import FrameResult, to_line
from edgecnn.camera.stats import Percentiles
from edgecnn.core.errors import CameraError, EdgecnnError, UsageError

STAGES = ("capture", "preprocess", "infer", "decode", "draw", "write")
_POLL_S = 0.1

OnFrame = Callable[[Image, FrameResult], None]


@dataclass(frozen=True)
class LoopConfig:
    """What the loop does besides detecting.

    Attributes:
        max_frames, max_seconds: when to stop; None: at the source's end.
        video_out: an annotated .mp4 or .avi.
        jsonl: a text stream or a path for the JSON Lines.
        overlay: how results are drawn for the video and ``on_frame``; None: not at all.
        target: the name of what runs the model, for the summary; None: this machine.
    """

    max_frames: int | None = None
    max_seconds: float | None = None
    video_out: Path | None = None
    jsonl: IO[str] | Path | None = None
    overlay: OverlayOptions | None = field(default_factory=OverlayOptions)
    target: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError when a limit cannot be meant."""
        for key in ("max_frames", "max_seconds"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                raise UsageError(
                    f"--{key.replace('_', '-')} is {value}, expected more than 0",
                    hint="leave it out to run until the source ends or Ctrl-C",
                )


@dataclass(frozen=True)
class LoopSummary:
    """The run as a whole.

    Attributes:
        frames: processed; ``dropped``: captured, but replaced by a newer frame.
        fps: processed frames per second, from the first capture to the last result.
        stage_ms: stage → ``{"p50", "p95"}`` (None without frames).
        age_ms: likewise, from capture to the finished result.
        ended: ``source``, ``limit``, ``interrupted``, ``reader`` (the JSON reader went away) or
            ``lost`` (a CameraError follows).
        target: the name of what ran the model; None: this machine.
    """

    frames: int
    dropped: int
    fps: float
    stage_ms: dict[str, dict[str, float | None]]
    age_ms: dict[str, float | None]
    ended: str
    target: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The last JSON line, ``edgecnn.detect/1``."""
        return {
            "schema": "edgecnn.detect/1",
            "frames": self.frames,
            "dropped": self.dropped,
            "fps": round(self.fps, 2),
            "stage_ms": self.stage_ms,
            "age_ms": self.age_ms,
            "ended": self.ended,
            "target": self.target,
        }


def run_loop(
    source: Source,
    pipeline: FrameModel,
    config: LoopConfig,
    on_frame: OnFrame | None = None,
    stop: threading.Event | None = None,
) -> LoopSummary:
    """Detects until the source ends, a limit is reached, ``stop`` is set or Ctrl-C is pressed.

    However it ends, also when the camera is lost, files get their final names and the summary
    line is written; after any other error they are removed. The source is closed.

    Args:
        source: open; closed here.
        pipeline: what looks at each frame.
        config: limits and outputs.
        on_frame: gets each drawn frame (uint8 BGR) and its result; raising ends the loop.
        stop: set it from another thread to end the loop after the current frame.

    Raises:
        UsageError: an output cannot be written.
        CameraError: the source was lost, or gave no frame at all.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        stack.callback(source.close)
        stack.enter_context(stop_on_interrupt(stop))
        run = _Run(source, pipeline, config, on_frame, stop)
        stack.callback(run.discard)
        return run.run()


class _Run:
    """State of one run: the counters and the open outputs."""

    def __init__(
        self,
        source: Source,
        pipeline: FrameModel,
        config: LoopConfig,
        on_frame: OnFrame | None,
        stop: threading.Event,
    ) -> None:
        self.source, self.pipeline, self.config = source, pipeline, config
        self.on_frame, self.stop = on_frame, stop
        self.spread = {name: Percentiles() for name in STAGES}
        self.ages = Percentiles()
        self.frames, self.rate = 0, 0.0
        self.first_s = self.last_s = 0.0
        self.video: VideoFile | None = None
        self.lines: LineFile | None = None
        try:
            if config.video_out is not None:
                fps = None if source.live else source.fps or 30.0
                self.video = VideoFile(config.video_out, fps)
            if config.jsonl is not None:
                self.lines = LineFile(config.jsonl)
        except EdgecnnError:
            self.discard()
            raise

    def discard(self) -> None:
        """Removes the files that have not got their final names."""
        for output in (self.video, self.lines):
            if output is not None:
                output.discard()

    def run(self) -> LoopSummary:
        lost: CameraError | None = None
        try:
            ended = self._frames()
        except CameraError as error:
            ended, lost = "lost", error
        except BrokenPipeError:
            ended = "reader"
        if ended == "source" and not self.frames:
            lost = CameraError(
                "the source gave no frame",
                hint="is the file complete? play it, or convert it with ffmpeg",
            )
        summary = self._summary(ended)
        self._finish(summary)
        if lost is not None:
            raise lost
        return summary

    def _frames(self) -> str:
        """Runs frame by frame; returns why it ended."""
        limit_s = self.config.max_seconds
        start_s = time.monotonic()
        while not self.stop.is_set():
            if self.frames == self.config.max_frames:
                return "limit"
            if limit_s is not None and time.monotonic() - start_s >= limit_s:
                return "limit"
            frame = self.source.read(_POLL_S)
            if frame is not None:
                self._one(frame)
            elif self.source.ended:
                return "source"
        return "interrupted"

    def _one(self, frame: Frame) -> None:
        times = {"capture": frame.capture_ms}
        items = self.pipeline.run(frame.image, times)
        now = time.monotonic()
        self._count(frame, now)
        result = FrameResult(
            frame.sequence, frame.timestamp_s, (now - frame.captured_s) * 1e3, items, times
        )
        self.ages.add(result.age_ms)
        image = frame.image
        with timed(times, "draw"):
            if self.config.overlay is not None and (self.video or self.on_frame):
                image = draw(image, result, self.config.overlay, self.rate or None)
        with timed(times, "write"):
            if self.video is not None:
                self.video.write(image, frame.timestamp_s)
            if self.on_frame is not None:
                self.on_frame(image, result)
        if self.lines is not None:
            self.lines.write(to_line(result.to_json()))
        for name, spread in self.spread.items():
            spread.add(times[name])

    def _count(self, frame: Frame, now: float) -> None:
        if self.frames == 0:
            self.first_s = frame.captured_s - frame.capture_ms / 1e3
        elif now > self.last_s:
            # A moving average over about ten frames, for the status line only.
            rate = 1 / (now - self.last_s)
            self.rate += (rate - self.rate) * (0.1 if self.frames > 10 else 1 / self.frames)
        self.frames += 1
        self.last_s = now

    def _summary(self, ended: str) -> LoopSummary:
        seconds = max(self.last_s - self.first_s, 1e-6)
        return LoopSummary(
            frames=self.frames,
            dropped=self.source.dropped,
            fps=self.frames / seconds if self.frames else 0.0,
            stage_ms={name: spread.to_json() for name, spread in self.spread.items()},
            age_ms=self.ages.to_json(),
            ended=ended,
            target=self.config.target,
        )

    def _finish(self, summary: LoopSummary) -> None:
        if self.lines is not None and summary.ended != "reader":
            self.lines.write(to_line(summary.to_json()))
            self.lines.finish()
        if self.video is not None:
            self.video.finish()

"""The loop: capturing, inference, decoding and recording side by side, each on its own thread.

The source captures on a thread of its own, the model runs on another, and the thread that called
:func:`run_loop` decodes outputs and hands results to the sinks, which draw and encode on threads of
theirs. Between them lie queues of one or two frames: nothing grows, and a frame of a live source is
the newest one when the model turns to it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgecnn.camera.bound import Bound, bound_of, usable_cores
from edgecnn.camera.events.event import Event
from edgecnn.camera.following import Crossing, Following
from edgecnn.camera.handover import Handover
from edgecnn.camera.notices import LoopNotice, Notices
from edgecnn.camera.overlay import OverlayOptions
from edgecnn.camera.pipeline import DecodeLater, FrameModel, InferLater, timed
from edgecnn.camera.result import FrameResult, Item
from edgecnn.camera.seen import FrameSink, Picture, Seen
from edgecnn.camera.sources.frames import Frame, Source, SourceCounts
from edgecnn.camera.stats import Percentiles, StageTimes
from edgecnn.core.errors import CameraError, UsageError

_POLL_S = 0.1
# Whoever waits longer than this for a frame is faster than its source.
_HAS_TIME_S = 2e-4

OnResult = Callable[[FrameResult], None]
OnNotice = Callable[[LoopNotice], None]


class Follower(Protocol):
    """Knows things again from frame to frame (:mod:`edgecnn.camera.tracking`)."""

    def follow(self, frame: Frame, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], Following]:
        """The frame's items with the numbers of their tracks, candidates sorted out, and the rest.

        Called with each frame that the model has looked at, in order, on one thread.
        """

    def end(self) -> tuple[Crossing, ...]:
        """The loop is over: what passed, and was not sure until now."""

    def summary(self) -> dict[str, object]:
        """Counts for the last JSON line, by key."""


class EventSource(Protocol):
    """Makes events of what is seen and of what happens (:mod:`edgecnn.camera.events.watch`)."""

    def begin(self) -> Event:
        """The loop starts."""

    def see(self, frame: Frame, result: FrameResult) -> tuple[Event, ...]:
        """What began or ended with this frame."""

    def notice(self, notice: LoopNotice) -> Event:
        """A notice as an event."""

    def end(self, why: str, crossings: tuple[Crossing, ...] = ()) -> tuple[Event, ...]:
        """The loop is over: what passed was told of only now, and what was there leaves."""


@dataclass(frozen=True)
class LoopConfig:
    """What the loop does besides detecting.

    Attributes:
        max_frames, max_seconds: when to stop; None: at the source's end.
        overlay: how results are drawn for those who want them drawn; None: not at all.
        target: the name of what runs the model, for the summary; None: this machine.
        camera: the name of the camera, for its results; None: it has none.
        alone: no other loop runs in this process: its CPU time is this one's, and there is a bound.
    """

    max_frames: int | None = None
    max_seconds: float | None = None
    overlay: OverlayOptions | None = field(default_factory=OverlayOptions)
    target: str | None = None
    camera: str | None = None
    alone: bool = True

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
class Listeners:
    """Who gets what the loop sees.

    Attributes:
        sinks: get every frame, in this order; they are finished in the opposite one.
        events: makes events for them; None: there are none.
        times: of the stages; the sinks add what they draw and write.
        notices: where the source and the sinks say what happened to them.
        on_notice: gets those, for people.
        on_result: gets each frame's result; raising ends the loop.
        on_alive: called ten times a second while the loop waits for or works on frames and its
            model answers; a model or a sink that hangs ends the calls.
    """

    sinks: tuple[FrameSink, ...] = ()
    events: EventSource | None = None
    times: StageTimes = field(default_factory=StageTimes)
    notices: Notices = field(default_factory=Notices)
    on_notice: OnNotice | None = None
    on_result: OnResult | None = None
    on_alive: Callable[[], None] | None = None


@dataclass(frozen=True)
class LoopSummary:
    """The run as a whole.

    Attributes:
        frames: processed.
        counts: of the source.
        fps: processed frames per second, from the first capture to the last result.
        stage_ms: stage → ``{"p50", "p95"}`` (None without frames).
        age_ms: likewise, from capture to the finished result.
        ended: ``source``, ``limit``, ``interrupted``, ``reader`` (the JSON reader went away) or
            ``lost``.
        target: the name of what ran the model; None: this machine.
        bound: how fast it could have been; None without frames, or where other loops ran as well.
        outputs: what the sinks say of themselves, by key.
    """

    frames: int
    counts: SourceCounts
    fps: float
    stage_ms: dict[str, dict[str, float | None]]
    age_ms: dict[str, float | None]
    ended: str
    target: str | None = None
    bound: Bound | None = None
    outputs: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The last JSON line, ``edgecnn.detect/1``."""
        return {
            "schema": "edgecnn.detect/1",
            "frames": self.frames,
            "dropped": self.counts.dropped,
            "corrupt": self.counts.corrupt,
            "reconnects": self.counts.reconnects,
            "fps": round(self.fps, 2),
            "stage_ms": self.stage_ms,
            "age_ms": self.age_ms,
            "bound": self.bound and self.bound.to_json(),
            "ended": self.ended,
            "target": self.target,
            **self.outputs,
        }


@dataclass(frozen=True)
class LoopOutcome:
    """How a run ended.

    Attributes:
        summary: of it.
        failure: the source was lost or gave no frame, or an output could not be brought to its end;
            None: neither.
    """

    summary: LoopSummary
    failure: CameraError | None = None


def run_loop(
    source: Source,
    model: FrameModel,
    config: LoopConfig,
    listeners: Listeners,
    stop: threading.Event,
    follower: Follower | None = None,
) -> LoopOutcome:
    """Detects until the source ends, a limit is reached or ``stop`` is set.

    However it ends, also when the camera is lost, the sinks bring what they have to its end; after
    an error of ours they give up what has no worth half-finished. The source is closed.

    Args:
        source: open; closed here.
        model: what looks at each frame.
        config: limits and looks.
        listeners: who gets frames, events and notices.
        stop: set it from another thread to end the loop after the current frame.
        follower: numbers what is the same from frame to frame; None: nothing does.

    Raises:
        UsageError: an output cannot be written.
    """
    with ExitStack() as stack:
        for sink in listeners.sinks:
            stack.callback(sink.discard)
        stack.callback(source.close)
        return _Run(source, model, config, listeners, stop, follower).run()


@dataclass(frozen=True)
class _Prepared:
    """A frame as the network's input; ``times`` has its milliseconds so far."""

    infer: InferLater
    times: dict[str, float]


@dataclass(frozen=True)
class _Inferred:
    """A frame whose outputs are still to be decoded; ``times`` has its milliseconds so far."""

    frame: Frame
    decode: DecodeLater
    times: dict[str, float]


class _Inference:
    """The model's thread: newest frame → tensor → outputs, as long as somebody takes them."""

    def __init__(
        self, source: Source, model: FrameModel, config: LoopConfig, stop: threading.Event
    ) -> None:
        self._source, self._model, self._config, self._stop = source, model, config, stop
        self.outputs: Handover[_Inferred] = Handover(1)
        self.turns = 0
        self._ahead: dict[int, _Prepared] = {}
        source.work_ahead(self._prepare_ahead)

    def start(self, threads: ThreadPoolExecutor) -> Future[str]:
        """Starts it; the future says why it ended."""
        future = threads.submit(self._frames)
        future.add_done_callback(lambda _: self.outputs.close())
        return future

    def _frames(self) -> str:
        limit_s, start_s, taken = self._config.max_seconds, time.monotonic(), 0
        while not self._stop.is_set() and not self.outputs.closed:
            self.turns += 1
            if taken == self._config.max_frames:
                return "limit"
            if limit_s is not None and time.monotonic() - start_s >= limit_s:
                return "limit"
            asked_s = time.monotonic()
            frame = self._source.read(_POLL_S)
            if frame is not None:
                taken += 1
                has_time = time.monotonic() - asked_s > _HAS_TIME_S
                self.outputs.put(self._inferred(frame, decode_now=has_time))
            elif self._source.ended:
                return "source"
        return "interrupted"

    def _inferred(self, frame: Frame, *, decode_now: bool) -> _Inferred:
        """Runs the network.

        While its outputs are in this core's cache, decoding takes half the CPU time: it is done at
        once where the next frame would be waited for anyway, else by the thread that hands on.
        """
        prepared = self._ahead.pop(frame.sequence, None) or self._prepared(frame)
        times = prepared.times
        decode = prepared.infer(times)
        if not decode_now:
            return _Inferred(frame, decode, times)
        items = decode(times)
        return _Inferred(frame, lambda times: items, times)

    def _prepared(self, frame: Frame) -> _Prepared:
        times = {"capture": frame.capture_ms}
        return _Prepared(self._model.prepare(frame.image, times), times)

    def _prepare_ahead(self, frame: Frame) -> None:
        """Called by the source's thread, for a frame that has to wait."""
        self._ahead[frame.sequence] = self._prepared(frame)


class _Run:
    """State of one run on the thread that called it: the counters, and the way to the sinks."""

    def __init__(
        self,
        source: Source,
        model: FrameModel,
        config: LoopConfig,
        listeners: Listeners,
        stop: threading.Event,
        follower: Follower | None,
    ) -> None:
        self.source, self.config, self.listeners = source, config, listeners
        self.follower = follower
        self.alive_s, self.turns_told = 0.0, -1
        self.inference = _Inference(source, model, config, stop)
        self.times = listeners.times
        self.ages = Percentiles()
        self.frames, self.rate = 0, 0.0
        self.first_s = self.last_s = 0.0
        self.first_cpu_s = self.last_cpu_s = time.process_time()

    def run(self) -> LoopOutcome:
        lost: CameraError | None = None
        if self.listeners.events is not None:
            self._tell(self.listeners.events.begin())
        try:
            ended = self._results()
        except CameraError as error:
            ended, lost = "lost", error
        except BrokenPipeError:
            ended = "reader"
        if ended == "source" and not self.frames:
            lost = CameraError(
                "the source gave no frame",
                hint="is the file complete? play it, or convert it with ffmpeg",
            )
        failed = self._end(ended)
        return LoopOutcome(self._summary(ended), lost or failed)

    def _results(self) -> str:
        """Decodes and hands on until the model's thread ends; returns why it did."""
        outputs = self.inference.outputs
        with ThreadPoolExecutor(1, "edgecnn-infer") as threads:
            ended = self.inference.start(threads)
            try:
                while not outputs.drained:
                    self._notices()
                    self._alive()
                    inferred = outputs.get(_POLL_S)
                    if inferred is not None:
                        self._one(inferred)
            finally:
                outputs.close()  # the thread ends with its current frame, and is waited for
            return ended.result()

    def _one(self, inferred: _Inferred) -> None:
        frame, times = inferred.frame, inferred.times
        items = inferred.decode(times)
        following = None
        if self.follower is not None:
            with timed(times, "track"):
                items, following = self.follower.follow(frame, items)
        now = time.monotonic()
        self._count(frame, now)
        age_ms = (now - frame.captured.monotonic_s) * 1e3
        self.ages.add(age_ms)
        for name, ms in times.items():
            self.times.add(name, ms)
        result = FrameResult(
            frame.sequence,
            frame.timestamp_s,
            frame.captured,
            age_ms,
            items,
            times,
            frame.name,
            frame.truth,
            following,
            self.config.camera,
        )
        wanted = {sink.wants for sink in self.listeners.sinks}
        picture = Picture(
            frame.image,
            result,
            self.config.overlay,
            self.rate or None,
            "both" in wanted or {"raw", "drawn"} <= wanted,
            self.times,
        )
        events = self.listeners.events.see(frame, result) if self.listeners.events else ()
        seen = Seen(frame, result, picture, events)
        for sink in self.listeners.sinks:
            sink.put(seen)
        if self.listeners.on_result is not None:
            self.listeners.on_result(result)

    def _alive(self) -> None:
        """Says that the model's thread has gone on since it was said last."""
        now, turns = time.monotonic(), self.inference.turns
        if self.listeners.on_alive is None or now - self.alive_s < _POLL_S:
            return
        if turns != self.turns_told:
            self.alive_s, self.turns_told = now, turns
            self.listeners.on_alive()

    def _notices(self) -> None:
        notices = self.listeners.notices.take()
        self._show(notices)
        if self.listeners.events is not None:
            self._tell(*(self.listeners.events.notice(notice) for notice in notices))

    def _show(self, notices: Iterable[LoopNotice]) -> None:
        for notice in notices:
            if self.listeners.on_notice is not None:
                self.listeners.on_notice(notice)

    def _tell(self, *events: Event) -> None:
        for event in events:
            for sink in self.listeners.sinks:
                sink.tell(event)

    def _end(self, ended: str) -> CameraError | None:
        """Brings every output to its end; returns the first that could not be."""
        self._notices()
        crossings = self.follower.end() if self.follower is not None else ()
        if self.listeners.events is not None:
            self._tell(*self.listeners.events.end(ended, crossings))
        failed: CameraError | None = None
        # What delivers events may wait for its server; a recording is safe before that.
        for sink in reversed(self.listeners.sinks):
            try:
                sink.finish()
            except CameraError as error:
                failed = failed or error
        self._show(self.listeners.notices.take_own())
        return failed

    def _count(self, frame: Frame, now: float) -> None:
        cpu_s = time.process_time()
        if self.frames == 0:
            self.first_s = frame.captured.monotonic_s - frame.capture_ms / 1e3
            self.first_cpu_s = cpu_s
        elif now > self.last_s:
            # A moving average over about ten frames, for the status line only.
            rate = 1 / (now - self.last_s)
            self.rate += (rate - self.rate) * (0.1 if self.frames > 10 else 1 / self.frames)
        self.frames += 1
        self.last_s, self.last_cpu_s = now, cpu_s

    def _summary(self, ended: str) -> LoopSummary:
        seconds = max(self.last_s - self.first_s, 1e-6)
        fps = self.frames / seconds if self.frames else 0.0
        counts = self.source.counts
        cpu_ms = (self.last_cpu_s - self.first_cpu_s) * 1e3 / max(self.frames - 1, 1)
        captured_fps = (self.frames + counts.dropped) / seconds if self.source.live else None
        outputs: dict[str, object] = {}
        for sink in self.listeners.sinks:
            outputs.update(sink.summary())
        if self.follower is not None:
            outputs.update(self.follower.summary())
        return LoopSummary(
            frames=self.frames,
            counts=counts,
            fps=fps,
            stage_ms=self.times.to_json(),
            age_ms=self.ages.to_json(),
            ended=ended,
            target=self.config.target,
            bound=bound_of(self.times, fps, cpu_ms, captured_fps, usable_cores())
            if self.config.alone
            else None,
            outputs=outputs,
        )

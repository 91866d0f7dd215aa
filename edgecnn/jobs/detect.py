"""detect: the camera loop on a model, or on two in a row."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from edgecnn.camera.cascade import Cascade
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.open import open_events
from edgecnn.camera.loop import Listeners, LoopConfig, LoopSummary, OnNotice, OnResult, run_loop
from edgecnn.camera.notices import Notices
from edgecnn.camera.overlay import OverlayOptions
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.pipeline import FrameModel, Pipeline
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.line_file import LineFile
from edgecnn.camera.recording.open import open_recording
from edgecnn.camera.recording.video_file import VideoFile
from edgecnn.camera.recording.video_sink import VideoSink
from edgecnn.camera.seen import FrameSink
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.spec import parse_source
from edgecnn.camera.stats import StageTimes
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.camera.tracking.open import open_follower
from edgecnn.core.errors import UsageError
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.photo import photo_for
from edgecnn.jobs.place import HERE, Place, Say
from edgecnn.jobs.specs import Runnable, open_runnable


@dataclass(frozen=True)
class DetectRequest:
    """Where frames come from and what looks at them.

    Attributes:
        stages: one network, or a detector and one that looks at crops of its boxes.
        source: camera number, file or URL.
        config: limits and looks.
        video: an annotated .mp4 or .avi to write.
        lines: a text stream or a path for the JSON Lines.
        source_options: how the source is opened and kept open.
        recording: what is recorded beside the loop.
        events: what makes an event, and where it goes; None: there are none.
        follow: what is followed and counted; None: nothing is.
        page: where the live page is served; None: nowhere.
        place: where the models run.
    """

    stages: tuple[NetworkStage, ...]
    source: str
    config: LoopConfig
    video: Path | None = None
    lines: IO[str] | Path | None = None
    source_options: SourceOptions = field(default_factory=SourceOptions)
    recording: RecordingConfig = field(default_factory=RecordingConfig)
    events: EventConfig | None = None
    follow: FollowConfig | None = None
    page: PageConfig | None = None
    place: Place = HERE


def run(
    request: DetectRequest,
    on_result: OnResult | None = None,
    say: Say | None = None,
    on_notice: OnNotice | None = None,
) -> LoopSummary:
    """Opens the models, then the source, and runs until the source ends or Ctrl-C.

    However it ends, what runs the models ends with it.

    Args:
        request: what to run on what.
        on_result: gets what was found on each frame.
        on_notice: gets what happens to the source and to the outputs.
        say: gets a line on where the model runs, and what to know of it there.

    Raises:
        CameraError: the source cannot be opened or was lost.
        ModelError, BundleError, DataError: a model, its specs or labels.
        Whatever opening the model on its target raises (:class:`targets.base.RunsModels`).
    """
    say = say or _silent
    place = request.place
    with ExitStack() as stack:
        opened = [_opened(stage, request, stack, say) for stage in request.stages]
        model = _in_a_row(request.stages, opened, request.follow)
        notices = Notices()
        source = open_source(request.source, request.source_options, notices)
        stack.callback(source.close)
        listeners = _listeners(request, source, notices, stack)
        return run_loop(
            source,
            model,
            replace(
                request.config,
                target=place.target.name if place.target else None,
                overlay=_overlay(request),
            ),
            replace(listeners, on_result=on_result, on_notice=on_notice),
            follower=open_follower(request.follow),
        )


def _opened(stage: NetworkStage, request: DetectRequest, stack: ExitStack, say: Say) -> Runnable:
    place = request.place
    runnable = open_runnable(
        stage.reference,
        variant=stage.variant,
        threads=place.threads,
        files=stage.files,
        open_model=place.opener(stack, say),
        take_photo=lambda: photo_for(request.source),
    )
    prefix = f"{stage.reference.path.name}: " if len(request.stages) > 1 else ""
    say(f"{prefix}runs on {place.name}: {runnable.runs}")
    for line in what_was_found(runnable):
        say(prefix + line)
    return runnable


def _overlay(request: DetectRequest) -> OverlayOptions | None:
    """How results are drawn, the regions of the events with them."""
    overlay = request.config.overlay
    if overlay is None or request.events is None:
        return overlay
    return replace(overlay, regions=request.events.regions)


def _listeners(
    request: DetectRequest,
    source: Source,
    notices: Notices,
    stack: ExitStack,
) -> Listeners:
    """Everything that gets what the loop sees; ``stack`` gives it up if one cannot be opened."""
    times = StageTimes()
    sinks: list[FrameSink] = []
    if request.video is not None:
        fps = None if source.live else source.fps or 30.0
        sinks.append(VideoSink(VideoFile(request.video, fps), times, notices))
        stack.callback(sinks[-1].discard)
    lines = LineFile(request.lines, notices) if request.lines is not None else None
    if lines is not None:
        stack.callback(lines.discard)
    recording = open_recording(request.recording, live=source.live, notices=notices, times=times)
    for sink in recording.sinks:
        stack.callback(sink.discard)
        sinks.append(sink)
    events = open_events(
        request.events,
        source=parse_source(request.source).display,
        notices=notices,
        attach=recording.attach,
    )
    return Listeners((*events.sinks, *sinks), lines, events.source, times, notices)


def _in_a_row(
    stages: tuple[NetworkStage, ...], opened: list[Runnable], follow: FollowConfig | None
) -> FrameModel:
    """The networks as one; what the first one finds may be followed.

    Raises:
        UsageError: the second looks at classes that the first does not know.
    """
    pipelines = [
        Pipeline(
            found.predictor,
            found.preprocess,
            found.postprocess,
            stage.threshold,
            stage.choice,
            follow.candidates_from if follow is not None and place == 0 else None,
        )
        for place, (stage, found) in enumerate(zip(stages, opened, strict=True))
    ]
    whole: FrameModel = pipelines[0]
    for before, stage, pipeline in zip(opened, stages[1:], pipelines[1:], strict=False):
        unknown = [name for name in stage.rule.classes if name not in before.postprocess.labels]
        if unknown:
            known = ", ".join(before.postprocess.labels[:20])
            raise UsageError(
                f"the second stage looks at {unknown}, which the first does not find",
                hint=f"it finds {known}",
            )
        whole = Cascade(whole, pipeline, stage.rule)
    return whole


def what_was_found(runnable: Runnable) -> tuple[str, ...]:
    """What was assumed of a bare model, a line each."""
    lines = []
    if runnable.recognised is not None:
        lines.append(f"model: {runnable.recognised.name} (--explain-model says why)")
    if runnable.input_range is not None:
        lines.append(runnable.input_range.line)
    lines += runnable.assumed
    if runnable.recognised is not None:
        lines += [f"warning: {warning}" for warning in runnable.recognised.warnings]
    return tuple(lines)


def _silent(line: str) -> None:
    """Says nothing."""


def output_files(folder: Path | None) -> tuple[Path | None, Path | None]:
    """The video and the JSON Lines that ``-o`` makes."""
    if folder is None:
        return None, None
    return folder / "detections.mp4", folder / "detections.jsonl"

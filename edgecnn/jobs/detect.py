"""detect: the camera loop on a model, or on two in a row."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.camera.cascade import Cascade
from edgecnn.camera.loop import LoopConfig, LoopSummary, OnFrame, run_loop
from edgecnn.camera.pipeline import FrameModel, Pipeline
from edgecnn.camera.source import open_source
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
        config: limits and outputs.
        realtime: play a file at its own speed, dropping what comes too fast.
        place: where the models run.
    """

    stages: tuple[NetworkStage, ...]
    source: str
    config: LoopConfig
    realtime: bool = False
    place: Place = HERE


def run(
    request: DetectRequest, on_frame: OnFrame | None = None, say: Say | None = None
) -> LoopSummary:
    """Opens the models, then the source, and runs until the source ends or Ctrl-C.

    However it ends, what runs the models ends with it.

    Args:
        request: what to run on what.
        on_frame: see :func:`edgecnn.camera.loop.run_loop`.
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
        source = open_source(request.source, realtime=request.realtime)
        return run_loop(
            source,
            _in_a_row(request.stages, opened),
            replace(request.config, target=place.target.name if place.target else None),
            on_frame,
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


def _in_a_row(stages: tuple[NetworkStage, ...], opened: list[Runnable]) -> FrameModel:
    """The networks as one.

    Raises:
        UsageError: the second looks at classes that the first does not know.
    """
    pipelines = [
        Pipeline(found.predictor, found.preprocess, found.postprocess, stage.threshold)
        for stage, found in zip(stages, opened, strict=True)
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

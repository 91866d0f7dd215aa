"""detect: the camera loop on a model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.camera.loop import LoopConfig, LoopSummary, OnFrame, run_loop
from edgecnn.camera.source import open_source
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.photo import photo_for
from edgecnn.jobs.place import HERE, Place, Say
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import Runnable, open_runnable


@dataclass(frozen=True)
class DetectRequest:
    """Where frames come from and what looks at them.

    Attributes:
        source: camera number, file or URL.
        realtime: play a file at its own speed, dropping what comes too fast.
        place: where the model runs.
    """

    reference: ModelRef
    source: str
    config: LoopConfig
    realtime: bool = False
    variant: str | None = None
    files: SpecFiles | None = None
    place: Place = HERE


def run(
    request: DetectRequest, on_frame: OnFrame | None = None, say: Say | None = None
) -> LoopSummary:
    """Opens the model, then the source, and runs until the source ends or Ctrl-C.

    However it ends, what runs the model ends with it.

    Args:
        request: what to run on what.
        on_frame: see :func:`edgecnn.camera.loop.run_loop`.
        say: gets a line on where the model runs, and what to know of it there.

    Raises:
        CameraError: the source cannot be opened or was lost.
        ModelError, BundleError, DataError: the model, its specs or labels.
        Whatever opening the model on its target raises (:class:`targets.base.RunsModels`).
    """
    say = say or _silent
    place = request.place
    with ExitStack() as stack:
        runnable = open_runnable(
            request.reference,
            variant=request.variant,
            threads=place.threads,
            files=request.files,
            open_model=place.opener(stack, say),
            take_photo=lambda: photo_for(request.source),
        )
        say(f"runs on {place.name}: {runnable.runs}")
        for line in what_was_found(runnable):
            say(line)
        source = open_source(request.source, realtime=request.realtime)
        return run_loop(
            source,
            runnable.predictor,
            runnable.preprocess,
            runnable.postprocess,
            replace(request.config, target=place.target.name if place.target else None),
            on_frame,
        )


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

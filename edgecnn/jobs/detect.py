"""detect: the camera loop on a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.camera.loop import LoopConfig, LoopSummary, OnFrame, run_loop
from edgecnn.camera.source import open_source
from edgecnn.jobs.reference import ModelRef
from edgecnn.jobs.specs import SpecFiles, open_runnable


@dataclass(frozen=True)
class DetectRequest:
    """Where frames come from and what looks at them.

    Attributes:
        source: camera number, file or URL.
        realtime: play a file at its own speed, dropping what comes too fast.
    """

    reference: ModelRef
    source: str
    config: LoopConfig
    realtime: bool = False
    variant: str | None = None
    threads: int | None = None
    files: SpecFiles | None = None


def run(request: DetectRequest, on_frame: OnFrame | None = None) -> LoopSummary:
    """Opens the model, then the source, and runs until the source ends or Ctrl-C.

    Raises:
        CameraError: the source cannot be opened or was lost.
        ModelError, BundleError, DataError: the model, its specs or labels.
    """
    runnable = open_runnable(
        request.reference,
        variant=request.variant,
        threads=request.threads,
        files=request.files,
    )
    source = open_source(request.source, realtime=request.realtime)
    return run_loop(
        source,
        runnable.predictor,
        runnable.preprocess,
        runnable.postprocess,
        request.config,
        on_frame,
    )


def output_files(folder: Path | None) -> tuple[Path | None, Path | None]:
    """The video and the JSON Lines that ``-o`` makes."""
    if folder is None:
        return None, None
    return folder / "detections.mp4", folder / "detections.jsonl"

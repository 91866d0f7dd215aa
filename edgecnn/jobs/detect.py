"""detect: the camera loops on a model, or on two in a row."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from edgecnn.camera.loop import Listeners, OnNotice, OnResult
from edgecnn.camera.notices import Notices
from edgecnn.camera.service.watch import ServiceWatch
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.several import NamedSource, about_camera, open_each
from edgecnn.camera.together import CameraLoop, RunSummary, run_together
from edgecnn.camera.tracking.open import open_follower
from edgecnn.core.errors import EdgecnnError
from edgecnn.jobs.detect_models import open_models
from edgecnn.jobs.detect_outputs import open_outputs
from edgecnn.jobs.detect_page import open_detect_page
from edgecnn.jobs.detect_request import DetectRequest
from edgecnn.jobs.place import Say

__all__ = ["DetectRequest", "output_files", "run"]


def run(
    request: DetectRequest,
    on_result: OnResult | None = None,
    say: Say | None = None,
    on_notice: OnNotice | None = None,
    on_page: Say | None = None,
) -> RunSummary:
    """Opens the models, then the sources, and runs until these end or Ctrl-C.

    However it ends, what runs the models ends with it.

    Args:
        request: what to run on what.
        on_result: gets what was found on each frame; of several cameras by several threads.
        on_notice: likewise, what happens to the sources and to the outputs.
        say: gets a line on where the model runs, and what to know of it there.
        on_page: gets a line on where the live page is.

    Raises:
        UsageError: the page cannot be served where it was asked for.
        CameraError: a source cannot be opened or was lost.
        ModelError, BundleError, DataError: a model, its specs or labels.
        Whatever opening the model on its target raises (:class:`targets.base.RunsModels`).
    """
    with ExitStack() as stack:
        common = Notices()
        watch = _supervised(request, common, stack)
        models = open_models(request.stages, request.place, request.cameras, stack, say or _silent)
        frame_models = [models.for_camera(request.follow) for _ in request.cameras]
        page = open_detect_page(request, models, frame_models, common)
        if page is not None:
            stack.enter_context(page)
            on_notice = page.notices_to(on_notice)
            (on_page or _silent)(page.line)
            if watch is not None:
                watch.serves(" or ".join(url.partition("?")[0] for url in page.addresses))
        # Each loop takes what concerns all, too: it is told as soon as any of them goes on.
        notices = [Notices(camera=camera.name, common=common) for camera in request.cameras]
        sources = _open_sources(request, notices, stack)
        outputs = open_outputs(request, common, on_result, on_notice, page, stack)
        loops = [
            CameraLoop(
                source,
                model,
                _with_watch(outputs.of_camera(camera, source, own, stack), watch, camera),
                camera.name,
                open_follower(request.follow, own),
            )
            for camera, source, model, own in zip(
                request.cameras, sources, frame_models, notices, strict=True
            )
        ]
        summary = run_together(loops, request.loop_config, outputs.common, on_notice)
        if page is not None:
            page.close(summary.ended)
        if watch is not None:
            watch.ends(summary.ended)
        return summary


def _supervised(request: DetectRequest, notices: Notices, stack: ExitStack) -> ServiceWatch | None:
    """What tells the service manager of this run; None: there is no manager."""
    if request.service is None:
        return None
    names = [camera.name or "" for camera in request.cameras]
    return stack.enter_context(ServiceWatch(request.service, names, notices))


def _with_watch(listeners: Listeners, watch: ServiceWatch | None, camera: NamedSource) -> Listeners:
    """The listeners of a camera, with what hears of them for the service manager."""
    return listeners if watch is None else watch.camera(camera.name or "").join(listeners)


def _open_sources(request: DetectRequest, notices: list[Notices], stack: ExitStack) -> list[Source]:
    """Opens all sources; ``stack`` closes them."""
    sources = open_each(
        [
            partial(_open_source, camera, request, own)
            for camera, own in zip(request.cameras, notices, strict=True)
        ]
    )
    for source in sources:
        stack.callback(source.close)
    return sources


def _open_source(camera: NamedSource, request: DetectRequest, notices: Notices) -> Source:
    """Opens one source; what goes wrong says with which camera."""
    try:
        return open_source(camera.source, request.source_options, notices)
    except EdgecnnError as error:
        raise about_camera(error, camera.name) from error.__cause__


def _silent(line: str) -> None:
    """Says nothing."""


def output_files(folder: Path | None) -> tuple[Path | None, Path | None]:
    """The video and the JSON Lines that ``-o`` makes."""
    if folder is None:
        return None, None
    return folder / "detections.mp4", folder / "detections.jsonl"

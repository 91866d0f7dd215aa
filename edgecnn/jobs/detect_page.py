"""The live page of ``detect``: what it shows of the models, and what it may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn import __version__
from edgecnn.camera.cascade import Cascade
from edgecnn.camera.choice import ClassChoice, known_label
from edgecnn.camera.notices import Notices
from edgecnn.camera.overlay import class_colour
from edgecnn.camera.page.assemble import assemble
from edgecnn.camera.page.live import CameraFacts
from edgecnn.camera.page.open import Page, open_page
from edgecnn.camera.page.recordings import RecordingFolder, Recordings
from edgecnn.camera.page.routes import PageFacts
from edgecnn.camera.page.status import MachineState
from edgecnn.camera.pipeline import FrameModel, Pipeline
from edgecnn.camera.sources.open import is_live
from edgecnn.camera.sources.spec import parse_source
from edgecnn.jobs.detect_models import OpenModels, what_was_found
from edgecnn.jobs.detect_request import DetectRequest
from edgecnn.jobs.model_card import model_card
from targets.conditions import machine_health


class PipelineControls:
    """Moves the least scores of the first network of every camera.

    Implements :class:`edgecnn.camera.page.controls.Controls`. Only scores change: classes that the
    command line left out stay so.

    Args:
        pipelines: one for each camera, all of one model.
        least: the score threshold that they began with; None: the model's own.
        choice: what was said of single classes.
        notices: get what was moved.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        least: float | None,
        choice: ClassChoice,
        notices: Notices,
    ) -> None:
        self._pipelines = tuple(pipelines)
        self._least, self._choice, self._notices = least, choice, notices

    def limits(self) -> dict[str, float]:
        """See :class:`~edgecnn.camera.page.controls.Controls`."""
        return {label: round(score, 6) for label, score in self._pipelines[0].limits.items()}

    def set_limit(self, label: str | None, score: float) -> None:
        """See :class:`~edgecnn.camera.page.controls.Controls`."""
        least, choice = self._least, self._choice
        if label is None:
            least, choice = score, replace(choice, thresholds={})
        else:
            label = known_label(label, tuple(self._pipelines[0].limits), "the page")
            choice = replace(choice, thresholds={**choice.thresholds, label: score})
        for pipeline in self._pipelines:
            pipeline.choose(least, choice)
        self._least, self._choice = least, choice

    def said(self, label: str | None, score: float) -> None:
        """See :class:`~edgecnn.camera.page.controls.Controls`."""
        whose, option = "all classes", f"--threshold {score:g}"
        if label is not None:
            whose, option = f"'{label}'", f"--threshold '{label}={score:g}'"
        self._notices.say(
            "limits_changed",
            f"on the page the least score of {whose} was set to {score:g}; {option} keeps it",
        )


def open_detect_page(
    request: DetectRequest, models: OpenModels, frame_models: Sequence[FrameModel], notices: Notices
) -> Page | None:
    """Serves the page that was asked for.

    Args:
        request: what was asked for.
        models: what runs.
        frame_models: one for each camera.
        notices: of what all cameras share.

    Returns:
        None: it was not asked for, and cannot be had.

    Raises:
        UsageError: it cannot be served where it was asked for.
    """
    if request.page is None:
        return None
    first, opened = request.stages[0], models.opened[0]
    labels = opened.postprocess.labels
    pipelines = [found for model in frame_models if (found := _first_of(model)) is not None]
    controls = None
    if len(pipelines) == len(frame_models):
        controls = PipelineControls(pipelines, first.threshold, first.choice, notices)
    page = assemble()
    facts = PageFacts(
        page.html,
        page.policy,
        __version__,
        _card_of(models),
        labels,
        {label: _web_colour(index) for index, label in enumerate(labels)},
        controls,
        _recordings_of(request),
        _health,
    )
    places = () if request.follow is None else request.follow.places
    specs = [(camera.name or "", parse_source(camera.source)) for camera in request.cameras]
    cameras = [
        CameraFacts(name, spec.display, is_live(spec), places=places) for name, spec in specs
    ]
    return open_page(request.page, facts, cameras, notices)


def _card_of(models: OpenModels) -> dict[str, object]:
    """The first model's card; the second one is a line in it."""
    pairs = list(zip(models.stages, models.opened, strict=True))
    lines = list(what_was_found(models.opened[0]))
    for stage, found in pairs[1:]:
        lines.append(f"on crops of its boxes runs {stage.reference.path.name}: {found.runs}")
    stage, found = pairs[0]
    return model_card(stage.reference, found, lines)


def _recordings_of(request: DetectRequest) -> Recordings | None:
    """The folders that the cameras record to."""
    folders = []
    for camera in request.cameras:
        config, name = request.recording_of(camera.name), camera.name or ""
        for kind, path in (
            ("recording", config.folder),
            ("clip", config.clips),
            ("snapshot", config.snapshots),
        ):
            if path is not None:
                folders.append(RecordingFolder(kind, path, name))  # type: ignore[arg-type]
    return Recordings(tuple(folders)) if folders else None


def _first_of(model: FrameModel) -> Pipeline | None:
    """The first network of several in a row."""
    while isinstance(model, Cascade):
        model = model.first
    return model if isinstance(model, Pipeline) else None


def _web_colour(index: int) -> str:
    blue, green, red = class_colour(index)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _health() -> MachineState:
    health = machine_health()
    return MachineState(health.temperature_c, health.throttled)

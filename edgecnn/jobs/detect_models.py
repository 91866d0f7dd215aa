"""The models of ``detect``: opened once, used by every camera."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from edgecnn.camera.cascade import Cascade
from edgecnn.camera.model_thread import ModelThread
from edgecnn.camera.pipeline import FrameModel, Pipeline
from edgecnn.camera.sources.several import NamedSource
from edgecnn.camera.tracking.config import FollowConfig
from edgecnn.core.errors import UsageError
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.photo import photo_for
from edgecnn.jobs.place import Place, Say
from edgecnn.jobs.specs import Runnable, open_runnable


@dataclass(frozen=True)
class OpenModels:
    """The networks in a row, ready to run.

    Attributes:
        stages: as they were asked for.
        opened: each one, in the same order.
        threads: that run them for all cameras, likewise; None: there is one camera.
    """

    stages: tuple[NetworkStage, ...]
    opened: tuple[Runnable, ...]
    threads: tuple[ModelThread | None, ...]

    def for_camera(self, follow: FollowConfig | None) -> FrameModel:
        """The networks as one, with thresholds and states of one camera's own.

        Args:
            follow: what the first one finds may be followed; None: it is not.

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
                thread,
            )
            for place, (stage, found, thread) in enumerate(
                zip(self.stages, self.opened, self.threads, strict=True)
            )
        ]
        whole: FrameModel = pipelines[0]
        pairs = zip(self.opened, self.stages[1:], pipelines[1:], strict=False)
        for before, stage, pipeline in pairs:
            unknown = [name for name in stage.rule.classes if name not in before.postprocess.labels]
            if unknown:
                known = ", ".join(before.postprocess.labels[:20])
                raise UsageError(
                    f"the second stage looks at {unknown}, which the first does not find",
                    hint=f"it finds {known}",
                )
            whole = Cascade(whole, pipeline, stage.rule)
        return whole


def open_models(
    stages: Sequence[NetworkStage],
    place: Place,
    cameras: Sequence[NamedSource],
    stack: ExitStack,
    say: Say,
) -> OpenModels:
    """Opens every network.

    Args:
        stages: the networks.
        place: where they run.
        cameras: that will use them; a picture of the first one tells what a stranger's model makes
            of pictures.
        stack: what runs the models ends with it.
        say: gets a line on where each runs, and what to know of it there.

    Raises:
        ModelError, BundleError, DataError: a model, its specs or labels.
        Whatever opening the model on its target raises (:class:`targets.base.RunsModels`).
    """
    opened = []
    for stage in stages:
        runnable = open_runnable(
            stage.reference,
            variant=stage.variant,
            threads=place.threads,
            files=stage.files,
            open_model=place.opener(stack, say),
            take_photo=lambda: photo_for(cameras[0].source),
        )
        prefix = f"{stage.reference.path.name}: " if len(stages) > 1 else ""
        say(f"{prefix}runs on {place.name}: {runnable.runs}")
        for line in what_was_found(runnable):
            say(prefix + line)
        opened.append(runnable)
    return OpenModels(tuple(stages), tuple(opened), _threads(stages, place, cameras, stack))


def _threads(
    stages: Sequence[NetworkStage],
    place: Place,
    cameras: Sequence[NamedSource],
    stack: ExitStack,
) -> tuple[ModelThread | None, ...]:
    """For each network what runs it for all cameras."""
    if len(cameras) == 1:
        return (None,) * len(stages)
    # Behind a target there may be one device for all networks.
    count = len(stages) if place.target is None else 1
    threads = [ModelThread() for _ in range(count)]
    for thread in threads:
        stack.callback(thread.close)
    return tuple(threads) if place.target is None else (threads[0],) * len(stages)


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

"""train: from a project (or flags alone) to a bundle with a trained model."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import __version__
from edgecnn.core import postprocess as post
from edgecnn.core.bundle import MANIFEST, Bundle, Manifest
from edgecnn.core.errors import UnknownNameError, UsageError
from edgecnn.core.files import check_writable, make_folder
from edgecnn.core.metric import Metric
from edgecnn.core.progress import Progress
from edgecnn.data.table import SOURCES, split_record
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.fit import FitJob, FitPlan, Fitted, fit_model, plan_fit
from edgecnn.jobs.project import Project
from edgecnn.models.io import save_keras
from edgecnn.models.table import model_names
from edgecnn.training.checkpoint import Saved, has_checkpoint, peek
from quantization.keras_predictor import KerasPredictor
from quantization.own_code import import_files

_VERSIONED = ("keras", "tensorflow-cpu", "tensorflow", "jax", "numpy", "ai-edge-litert")


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Attributes:
        output_dir: of the bundle; None: the project's.
        resume: continue an interrupted run.
        force: replace a bundle that is there.
        imports: Python files with own layers of the model to start from.
    """

    project: Project
    output_dir: Path | None = None
    resume: bool = False
    force: bool = False
    imports: tuple[Path, ...] = ()


@dataclass(frozen=True)
class TrainOutcome:
    """The bundle and how good its float model is on the test split."""

    bundle: Bundle
    metric: Metric
    parameters: int
    macs: int
    seconds: float
    device: str

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn train --json``."""
        return {
            "schema": "edgecnn.train/1",
            "bundle": str(self.bundle.root),
            "metric": self.metric.to_json(),
            "parameters": self.parameters,
            "macs": self.macs,
            "seconds": round(self.seconds, 1),
            "device": self.device,
        }


@dataclass(frozen=True)
class TrainPlan:
    """A training in which everything is decided: what ``run`` does and a dry run prints.

    Attributes:
        folder: of the bundle.
        work_dir: where the checkpoint lives until the run ends.
        resumed_at: epochs of an interrupted run that are done already; 0: it starts anew.
        dropped: epochs of an interrupted run that ``force`` throws away.
        record: of the data.
    """

    request: TrainRequest
    folder: Path
    work_dir: Path
    fit: FitPlan
    record: Mapping[str, Any]
    resumed_at: int = 0
    dropped: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out of the data, and what of an interrupted run is dropped."""
        notes = (*getattr(self.fit.test, "notes", ()), *self.fit.notes)
        if self.dropped:
            notes += (f"an interrupted training, kept after epoch {self.dropped}, is dropped",)
        return notes

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn train --dry-run --json``."""
        project = self.fit.project
        return {
            "schema": "edgecnn.train-plan/1",
            "bundle": str(self.folder),
            "model": project.get("model", "name"),
            "data": dict(self.record),
            "train": dict(project.values["train"]),
            "classes": len(self.fit.labels),
            "parameters": self.fit.parameters,
            "macs": self.fit.macs,
            "resumed_at": self.resumed_at,
            "notes": list(self.notes),
        }


def plan(request: TrainRequest) -> TrainPlan:
    """Takes every decision of the run, cheap ones first, and writes nothing.

    Raises:
        UsageError: the bundle's folder is taken or cannot be written to; an interrupted run is in
            the way, or there is none to resume, or it is another one; wrong settings.
        UnknownNameError: no such model for the task.
        DataError: the data cannot be opened, or cannot be trained on.
        MissingExtraError: Keras is not installed.
    """
    project, folder = request.project, _folder(request)
    name = str(project.get("model", "name"))
    if name not in model_names(project.task):
        raise UnknownNameError(f"{project.task} model", name, model_names(project.task))
    work_dir = folder.parent / f".{folder.name}.training"
    saved = _interrupted(request, work_dir, folder)
    _check_folder(folder, force=request.force)
    check_writable(folder)
    check_writable(work_dir)
    import_files(request.imports)
    fit = plan_fit(project)
    resumed_at = dropped = 0
    if saved is not None and request.resume:
        saved.check(fit.facts)
        resumed_at = saved.epoch
    elif saved is not None:
        dropped = saved.epoch
    record = split_record(project.data_source, project.task, project.seed)
    if project.data_source not in SOURCES:
        record["path"] = _seen_from(folder, project.data_source)
    return TrainPlan(request, folder, work_dir, fit, record, resumed_at, dropped)


def _seen_from(folder: Path, source: str) -> str:
    """A relative path, so that bundle and data are found from anywhere, and moved together."""
    try:
        return Path(os.path.relpath(os.path.realpath(source), os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive
        return Path(source).absolute().as_posix()


def _interrupted(request: TrainRequest, work_dir: Path, folder: Path) -> Saved | None:
    """The checkpoint of an interrupted run, where the request says what becomes of it.

    Raises:
        UsageError: it would be overwritten, cannot be read, or there is none to resume.
    """
    if request.resume:
        saved = peek(work_dir)
        if saved is None:
            finished = (folder / MANIFEST).exists()
            raise UsageError(
                f"there is nothing to resume: '{folder}' "
                + ("holds a finished training" if finished else "has no interrupted training"),
                hint="leave --resume out"
                + (" and pass --force to train anew" if finished else " to start a training"),
            )
        return saved
    if not has_checkpoint(work_dir):
        return None
    if not request.force:
        saved = peek(work_dir)
        epochs = saved.epoch if saved else 0
        raise UsageError(
            f"an interrupted training into '{folder}' is kept after epoch {epochs}, and would be"
            " overwritten",
            hint="continue it with --resume, or start anew with --force",
        )
    try:
        return peek(work_dir)
    except UsageError:  # it cannot be read, and is to be thrown away
        return None


def _check_folder(folder: Path, *, force: bool) -> None:
    if (folder / MANIFEST).exists() and not force:
        raise UsageError(
            f"'{folder}' already holds a bundle",
            hint="pass --force to replace it, or choose another folder with -o/--output-dir",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise UsageError(
            f"'{folder}' is not empty and holds no bundle",
            hint="choose a new or empty folder with -o/--output-dir",
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"'{folder}' is a file, expected a folder", hint="choose another with -o/--output-dir"
        )


def run(request: TrainRequest, progress: Progress) -> TrainOutcome:
    """Trains, measures on the test split and writes the bundle.

    The checkpoint of an interrupted run stays beside the bundle's folder until a run ends.

    Raises:
        As :func:`plan`; UsageError where the loss is no number; KeyboardInterrupt.
    """
    planned = plan(request)
    work_dir = planned.work_dir
    for note in planned.notes:
        progress.say(f"note: {note}")
    if not request.resume:
        shutil.rmtree(work_dir, ignore_errors=True)
    make_folder(work_dir)
    try:
        fitted = fit_model(planned.fit, FitJob(work_dir, request.resume, progress))
    finally:
        if not any(work_dir.iterdir()):
            work_dir.rmdir()
    metric = evaluate(
        KerasPredictor(fitted.model),
        planned.fit.test,
        fitted.preprocess,
        fitted.postprocess,
        progress=progress,
    )
    bundle = _write(planned, fitted, metric)
    shutil.rmtree(work_dir, ignore_errors=True)
    return TrainOutcome(
        bundle,
        metric,
        planned.fit.parameters,
        planned.fit.macs,
        fitted.run.seconds,
        fitted.run.device,
    )


def _folder(request: TrainRequest) -> Path:
    return request.output_dir or request.project.bundle_dir


def _write(planned: TrainPlan, fitted: Fitted, metric: Metric) -> Bundle:
    request, run = planned.request, fitted.run
    project = request.project
    manifest = Manifest(
        name=_name(request),
        task=project.task,
        labels=fitted.postprocess.labels,
        seed=project.seed,
        versions=versions(),
        data=planned.record,
        training={
            "model": project.get("model", "name"),
            "parameters": planned.fit.parameters,
            "macs": planned.fit.macs,
            "config": fitted.config,
            "history": list(run.history),
            "best_epoch": run.best_epoch,
            "seconds": round(run.seconds, 1),
            "device": run.device,
            "stopped_by": run.stopped_by,
            "test": metric.to_json(),
            **({"initial_weights": dict(planned.fit.weights)} if planned.fit.weights else {}),
        },
    )
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        saved = Path(scratch) / "model.keras"
        save_keras(saved, fitted.model)
        bundle = Bundle.create(planned.folder, manifest, force=request.force)
        with bundle.edit() as edit:
            edit.add("model.keras", saved)
            edit.write_json("preprocess.json", fitted.preprocess.to_json())
            edit.write_json("postprocess.json", post.to_json(fitted.postprocess))
            edit.write("labels.txt", "\n".join(fitted.postprocess.labels) + "\n")
    return bundle.reload()


def _name(request: TrainRequest) -> str:
    given = str(request.project.get("", "name"))
    return given if given != "model" or request.output_dir is None else request.output_dir.name


def versions() -> dict[str, str]:
    """Versions of what made the model."""
    found = {"edgecnn": __version__, "python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found

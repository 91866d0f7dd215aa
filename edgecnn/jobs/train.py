"""train: from a project (or flags alone) to a bundle with a trained model."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import __version__
from edgecnn.core import postprocess as post
from edgecnn.core.bundle import MANIFEST, Bundle, Manifest
from edgecnn.core.errors import UnknownNameError, UsageError
from edgecnn.core.files import make_folder
from edgecnn.core.metric import Metric
from edgecnn.core.progress import Progress
from edgecnn.data.table import load_dataset, split_record
from edgecnn.evaluation.evaluate import evaluate
from edgecnn.jobs.fit import FitJob, Fitted, fit_model
from edgecnn.jobs.project import Project
from edgecnn.models.describe import multiply_accumulates
from edgecnn.models.io import save_keras
from edgecnn.models.table import model_names
from quantization.keras_predictor import KerasPredictor

_VERSIONED = ("keras", "tensorflow-cpu", "tensorflow", "jax", "numpy", "ai-edge-litert")


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Attributes:
        output_dir: of the bundle; None: the project's.
        resume: continue an interrupted run.
        force: replace a bundle that is there.
    """

    project: Project
    output_dir: Path | None = None
    resume: bool = False
    force: bool = False


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


def plan(request: TrainRequest) -> dict[str, Any]:
    """What would be trained; checks everything that can be checked before any wait.

    Raises:
        UsageError: the bundle's folder is taken.
        UnknownNameError: no such model for the task.
        DataError: the data cannot be opened.
    """
    project = request.project
    name = str(project.get("model", "name"))
    if name not in model_names(project.task):
        raise UnknownNameError(f"{project.task} model", name, model_names(project.task))
    folder = _folder(request)
    if (folder / MANIFEST).exists() and not request.force:
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
    record = split_record(project.data_source, project.task, project.seed)
    return {
        "bundle": str(folder),
        "model": name,
        "data": record,
        "train": dict(project.values["train"]),
    }


def run(request: TrainRequest, progress: Progress) -> TrainOutcome:
    """Trains, measures on the test split and writes the bundle.

    The checkpoint of an interrupted run stays beside the bundle's folder until a run ends.

    Raises:
        UsageError, DataError, MissingExtraError, KeyboardInterrupt.
    """
    planned = plan(request)
    project, folder = request.project, _folder(request)
    work_dir = folder.parent / f".{folder.name}.training"
    # Now, so that a folder that cannot be written to is told of before the training, not after.
    make_folder(work_dir)
    try:
        fitted = fit_model(project, FitJob(work_dir, request.resume, progress))
    finally:
        if not any(work_dir.iterdir()):
            work_dir.rmdir()
    test = load_dataset(project.data_source, project.task, "test", seed=project.seed)
    metric = evaluate(
        KerasPredictor(fitted.model), test, fitted.preprocess, fitted.postprocess, progress=progress
    )
    bundle = _write(request, fitted, metric, planned["data"])
    shutil.rmtree(work_dir, ignore_errors=True)
    return TrainOutcome(
        bundle,
        metric,
        int(fitted.model.count_params()),
        multiply_accumulates(fitted.model),
        fitted.run.seconds,
        fitted.run.device,
    )


def _folder(request: TrainRequest) -> Path:
    return request.output_dir or request.project.bundle_dir


def _write(request: TrainRequest, fitted: Fitted, metric: Metric, record: Any) -> Bundle:
    project = request.project
    run = fitted.run
    manifest = Manifest(
        name=_name(request),
        task=project.task,
        labels=fitted.postprocess.labels,
        seed=project.seed,
        versions=versions(),
        data=record,
        training={
            "model": project.get("model", "name"),
            "parameters": int(fitted.model.count_params()),
            "macs": multiply_accumulates(fitted.model),
            "config": fitted.config,
            "history": list(run.history),
            "best_epoch": run.best_epoch,
            "seconds": round(run.seconds, 1),
            "device": run.device,
            "stopped_by": run.stopped_by,
            "test": metric.to_json(),
            **({"initial_weights": fitted.initial_weights} if fitted.initial_weights else {}),
        },
    )
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        saved = Path(scratch) / "model.keras"
        save_keras(saved, fitted.model)
        bundle = Bundle.create(_folder(request), manifest, force=request.force)
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

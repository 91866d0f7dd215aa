"""What a project's task trains: classify and detect behind one function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress
from edgecnn.data.augment import Augment, default_augment
from edgecnn.data.table import load_dataset
from edgecnn.evaluation.detection import map50
from edgecnn.jobs.project import Project
from edgecnn.models.io import load_keras
from edgecnn.training.classify import ClassifyRequest, default_preprocess, train_classifier
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DetectRequest, train_detector
from edgecnn.training.loop import FitResult


@dataclass(frozen=True)
class Fitted:
    """A trained model with both specs and the run's record."""

    model: Any
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    run: FitResult
    config: dict[str, Any]
    initial_weights: str = ""


@dataclass(frozen=True)
class FitJob:
    """Where the run's checkpoint lives, and whether it goes on from there."""

    work_dir: Path
    resume: bool
    progress: Progress


def fit_model(project: Project, job: FitJob) -> Fitted:
    """Trains the project's model.

    Raises:
        UsageError, DataError, MissingExtraError, KeyboardInterrupt.
    """
    fitted = _classify(project, job) if project.task == "classify" else _detect(project, job)
    return replace(
        fitted,
        config=train_config(project).to_json(),
        initial_weights=str(project.get("train", "weights")),
    )


def train_config(project: Project) -> TrainConfig:
    """The project's [train] section as the loop takes it."""
    values = project.values["train"]
    minutes = float(values["max_minutes"])
    return TrainConfig(
        epochs=int(values["epochs"]),
        batch_size=int(values["batch_size"]),
        learning_rate=float(values["learning_rate"]),
        weight_decay=float(values["weight_decay"]),
        patience=int(values["patience"]),
        seed=project.seed,
        max_seconds=minutes * 60 if minutes else None,
        augment=bool(values["augment"]),
    )


def preprocess_spec(project: Project) -> PreprocessSpec:
    """Contract 1's spec from the project's [model] section: bytes become −1..1."""
    model = project.values["model"]
    height, width = model["input_size"]
    channels = 1 if model["colour"] == "gray" else 3
    base = default_preprocess((int(height), int(width), channels)).image
    return PreprocessSpec((replace(base, colour=model["colour"], fit=model["fit"]),))


def _options(project: Project) -> dict[str, Any]:
    # A row of the zoo may have a width of its own (mobilenet_v1_025): 1.0 leaves it that.
    width = float(project.get("model", "width"))
    return {"width": width} if width != 1.0 else {}


def _augment(project: Project, labels: tuple[str, ...]) -> Augment:
    flip = str(project.get("train", "flip"))
    rule = default_augment(labels)
    return rule if flip == "auto" else replace(rule, flip=flip == "yes")


def _splits(project: Project) -> tuple[Any, Any]:
    source, task, seed = project.data_source, project.task, project.seed
    train, val = (load_dataset(source, task, part, seed=seed) for part in ("train", "val"))
    if len(train) and not train[0].image.size:
        raise UsageError(
            f"'{source}' holds no images, which training takes",
            hint="audio and array models are trained in Keras and quantized here",
        )
    return train, val


def _initial(project: Project) -> Any:
    weights = str(project.get("train", "weights"))
    return load_keras(project.root / weights) if weights else None


def _classify(project: Project, job: FitJob) -> Fitted:
    train, val = _splits(project)
    spec = preprocess_spec(project)
    request = ClassifyRequest(
        str(project.get("model", "name")),
        train,
        val,
        spec,
        train_config(project),
        options=_options(project),
        augment=_augment(project, train.labels),
        initial=_initial(project),
    )
    result = train_classifier(
        request, progress=job.progress, work_dir=job.work_dir, resume=job.resume
    )
    after = ClassifySpec("scores", tuple(train.labels))
    return Fitted(result.model, spec, after, result.run, {})


def _detect(project: Project, job: FitJob) -> Fitted:
    train, val = _splits(project)
    spec = preprocess_spec(project)
    request = DetectRequest(
        str(project.get("model", "name")),
        train,
        val,
        spec,
        score=map50,
        config=train_config(project),
        options=_options(project),
        augment=_augment(project, train.labels),
        initial=_initial(project),
    )
    result = train_detector(
        request, progress=job.progress, work_dir=job.work_dir, resume=job.resume
    )
    return Fitted(result.model, spec, result.postprocess, result.run, {})

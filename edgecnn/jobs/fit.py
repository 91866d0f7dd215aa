"""What a project's task trains: classify and detect behind one function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core.postprocess import ClassifySpec, PostprocessSpec
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.progress import Progress
from edgecnn.core.sample import Dataset
from edgecnn.data.augment import Augment, default_augment
from edgecnn.jobs.centroid_plan import CENTROIDS, centroid_request
from edgecnn.jobs.detect_plan import (
    detect_options,
    learned_from,
    model_options,
    seen_as,
    settled_project,
    weight_notes,
    weights_record,
    with_thresholds,
)
from edgecnn.jobs.project import Project
from edgecnn.jobs.training_data import training_data
from edgecnn.models.describe import multiply_accumulates
from edgecnn.training.centroids import CentroidRequest, train_centroids
from edgecnn.training.classify import ClassifyRequest, default_preprocess, train_classifier
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DetectRequest, train_detector
from edgecnn.training.loop import FitResult
from edgecnn.training.request import start_model
from edgecnn.training.weights.imagenet import IMAGENET
from edgecnn.training.weights.net import SourceNet
from edgecnn.training.weights.source import read_source

FitRequest = ClassifyRequest | DetectRequest | CentroidRequest


@dataclass(frozen=True)
class Fitted:
    """A trained model with both specs and the run's record."""

    model: Any
    preprocess: PreprocessSpec
    postprocess: PostprocessSpec
    run: FitResult
    config: dict[str, Any]


@dataclass(frozen=True)
class FitPlan:
    """A training that has been decided on, whole but for the time it takes.

    Attributes:
        request: for the task's training function.
        test: what judges the model.
        labels: class names.
        parameters, macs: of the model.
        facts: what a checkpoint must agree with to be gone on from.
        weights: what the model starts from, for the bundle's record; {}: random weights.
        notes: what was chosen or taken, one line each.
        project: with everything settled that it left open.
    """

    request: FitRequest
    test: Dataset
    labels: tuple[str, ...]
    parameters: int
    macs: int
    facts: Mapping[str, Any]
    weights: Mapping[str, Any]
    notes: tuple[str, ...]
    project: Project


@dataclass(frozen=True)
class FitJob:
    """Where the run's checkpoint lives, and whether it goes on from there."""

    work_dir: Path
    resume: bool
    progress: Progress


def plan_fit(project: Project) -> FitPlan:
    """Opens the data and builds the project's model, so that nothing is left to be refused.

    Raises:
        UsageError, DataError, ModelError, MissingExtraError.
    """
    data = training_data(project.data_source, project.task, project.seed)
    train, val = learned_from(project, data)
    project, notes = settled_project(project, train)
    source = _initial(project)
    said = str(project.get("model", "input_range"))
    preprocess = seen_as(preprocess_spec(project), source, said)
    options = _options(project) | model_options(project, preprocess, train, source)
    common: dict[str, Any] = {
        "train": train,
        "preprocess": preprocess,
        "config": train_config(project),
        "options": options,
        "initial": source,
    }
    name = str(project.get("model", "name"))
    request: FitRequest
    if project.task == "classify":
        rule = _augment(project, train.labels)
        request = ClassifyRequest(name, val=data.val, augment=rule, **common)
    else:
        own = {**common, **detect_options(project, common["config"], train, source)}
        if name == CENTROIDS:
            request = centroid_request(own, val)
        else:
            request = DetectRequest(name, val=val, **own)
    start = start_model(request, project.task)
    return FitPlan(
        request,
        data.test,
        start.labels,
        int(start.model.count_params()),
        multiply_accumulates(start.model),
        {**request.config.to_json(), **start.facts},
        weights_record(source, start.taken),
        (*notes, *weight_notes(request, source, start.taken)),
        project,
    )


def fit_model(plan: FitPlan, job: FitJob) -> Fitted:
    """Trains what was planned.

    Raises:
        UsageError, KeyboardInterrupt.
    """
    request = plan.request
    how: dict[str, Any] = {"progress": job.progress, "work_dir": job.work_dir, "resume": job.resume}
    after: PostprocessSpec
    if isinstance(request, ClassifyRequest):
        classifier = train_classifier(request, **how)
        model, run = classifier.model, classifier.run
        after = ClassifySpec("scores", plan.labels)
    elif isinstance(request, CentroidRequest):
        finder = train_centroids(request, **how)
        model, run, after = finder.model, finder.run, finder.postprocess
    else:
        detector = train_detector(request, **how)
        model, run = detector.model, detector.run
        after = with_thresholds(request, model, detector.postprocess)
    config = request.config.to_json()
    return Fitted(model, request.preprocess, after, run, config)


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


def _initial(project: Project) -> SourceNet | None:
    weights = str(project.get("train", "weights"))
    if not weights:
        return None
    return read_source(weights if weights == IMAGENET else str(project.path(weights)))

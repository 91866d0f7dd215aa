"""What every task's request has, and the decisions before the first step that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.sample import Dataset
from edgecnn.data.augment import Augment
from edgecnn.data.augment_boxes import BoxAugment
from edgecnn.data.splits import digest
from edgecnn.models.table import build_model, model_info, model_names
from edgecnn.training.config import TrainConfig
from edgecnn.training.keras_setup import seed_everything
from edgecnn.training.weights.graft import Grafted, graft
from edgecnn.training.weights.net import SourceNet


class TrainRequest(Protocol):
    """The fields that ``ClassifyRequest`` and ``DetectRequest`` have in common."""

    @property
    def model_name(self) -> str:
        """A row of the model table."""

    @property
    def train(self) -> Dataset:
        """What is learned from."""

    @property
    def val(self) -> Dataset | None:
        """What picks the best epoch; None: the last one is kept."""

    @property
    def preprocess(self) -> PreprocessSpec:
        """One image input."""

    @property
    def config(self) -> TrainConfig:
        """How long and how hard."""

    @property
    def augment(self) -> Augment | BoxAugment | None:
        """How training images are changed."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The model family's own options."""

    @property
    def initial(self) -> SourceNet | None:
        """What the model starts from; None: random weights."""


def checked_labels(request: TrainRequest, task: str) -> tuple[str, ...]:
    """The classes that both splits have.

    Raises:
        UsageError: the model is for another task.
        DataError: the splits' classes differ, or a split is empty.
    """
    own = model_info(request.model_name).task
    if own != task:
        raise UsageError(
            f"the model '{request.model_name}' is for {own}, expected one for {task}",
            hint=f"known: {', '.join(model_names(task))}",
        )
    val = request.train if request.val is None else request.val
    if tuple(request.train.labels) != tuple(val.labels):
        raise DataError(
            f"train has {len(request.train.labels)} classes and val {len(val.labels)},"
            " expected the same ones",
            hint="open both splits from one source",
        )
    if not len(request.train) or not len(val):
        raise DataError("a split is empty, expected images in train and val", hint="add images")
    return tuple(request.train.labels)


@dataclass(frozen=True)
class Start:
    """An untrained model with what the task needs beside it.

    Attributes:
        model: the Keras model, initial weights copied.
        labels: class names.
        facts: see :class:`edgecnn.training.task.FitTask`.
        taken: what came from ``initial``; None: nothing.
    """

    model: Any
    labels: tuple[str, ...]
    facts: Mapping[str, Any]
    taken: Grafted | None = None


def start_model(request: TrainRequest, task: str) -> Start:
    """Everything that is decided before the first image is read.

    The same request gives the same model, bit for bit.

    Raises:
        UsageError: the model is for another task, or an option is wrong.
        DataError: the splits' classes differ, or a split is empty.
        MissingExtraError: Keras is not installed.
    """
    labels = checked_labels(request, task)
    image = request.preprocess.image
    seed_everything(request.config.seed)
    model = build_model(
        request.model_name,
        input_shape=(image.height, image.width, image.channels),
        classes=len(labels),
        **request.options,
    )
    taken = None if request.initial is None else graft(model, request.initial)
    return Start(model, labels, _facts(request), taken)


def _facts(request: TrainRequest) -> dict[str, Any]:
    """Names everything but the config that a checkpoint depends on."""
    return {
        "model": request.model_name,
        "model_options": dict(sorted(request.options.items())),
        "training_images": digest(request.train.ids),
        "validation_images": digest(request.val.ids) if request.val is not None else "none",
        "input": request.preprocess.to_json(),
        "augmentation": asdict(request.augment) if request.augment else None,
        "initial_weights": request.initial.digest if request.initial else "none",
    }

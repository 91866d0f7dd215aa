"""What every task's request has, and the checks and the identity that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from edgecnn.core.errors import DataError, UsageError
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.sample import Dataset
from edgecnn.data.augment import Augment
from edgecnn.data.splits import digest
from edgecnn.models.table import model_info, model_names
from edgecnn.training.transfer import weights_digest


class TrainRequest(Protocol):
    """The fields that ``ClassifyRequest`` and ``DetectRequest`` have in common."""

    @property
    def model_name(self) -> str:
        """A row of the model table."""

    @property
    def train(self) -> Dataset:
        """What is learned from."""

    @property
    def val(self) -> Dataset:
        """What picks the best epoch."""

    @property
    def preprocess(self) -> PreprocessSpec:
        """One image input."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The model family's own options."""

    @property
    def initial(self) -> Any:
        """A Keras model to start from, or None."""


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
    if tuple(request.train.labels) != tuple(request.val.labels):
        raise DataError(
            f"train has {len(request.train.labels)} classes and val {len(request.val.labels)},"
            " expected the same ones",
            hint="open both splits from one source",
        )
    if not len(request.train) or not len(request.val):
        raise DataError("a split is empty, expected images in train and val", hint="add images")
    return tuple(request.train.labels)


def data_identity(request: TrainRequest, rule: Augment) -> str:
    """Names everything but the config that a checkpoint depends on."""
    facts = [
        request.model_name,
        sorted(request.options.items()),
        digest(request.train.ids),
        digest(request.val.ids),
        request.preprocess.to_json(),
        asdict(rule),
        weights_digest(request.initial),
    ]
    return repr(facts)

"""Training an image classifier: data, augmentation and loss for the shared loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import UsageError
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.sample import Dataset
from edgecnn.data.augment import Augment, augment_batch, default_augment
from edgecnn.training.config import TrainConfig
from edgecnn.training.keras_setup import import_keras
from edgecnn.training.loop import FitResult, FitTask, fit
from edgecnn.training.pixels import Pixels, labels_of
from edgecnn.training.request import start_model
from edgecnn.training.weights.graft import Grafted
from edgecnn.training.weights.net import SourceNet

_VAL_BATCH = 256


@dataclass(frozen=True)
class ClassifyRequest:
    """What to train.

    Attributes:
        model_name: a row of the model table for ``classify``.
        train, val: the splits; val picks the best epoch.
        preprocess: one image input; its size and colour are the model's.
        config: how long and how hard.
        options: the model family's own, for example ``{"width": 0.5}``.
        augment: None: what suits the labels.
        initial: what the model starts from; None: random weights.
    """

    model_name: str
    train: Dataset
    val: Dataset
    preprocess: PreprocessSpec
    config: TrainConfig = TrainConfig()
    options: Mapping[str, Any] = field(default_factory=dict)
    augment: Augment | None = None
    initial: SourceNet | None = None


@dataclass(frozen=True)
class TrainResult:
    """A trained model with its run.

    Attributes:
        model: the Keras model with the best epoch's weights; input ``image``, output ``scores``.
        run: history, best epoch, seconds, device.
        taken: what came from ``initial``; None: nothing.
    """

    model: Any
    run: FitResult
    taken: Grafted | None = None


def default_preprocess(input_shape: tuple[int, int, int]) -> PreprocessSpec:
    """Bytes to [-1, 1], stretched to (height, width); 1 channel is gray, 3 are RGB.

    Raises:
        UsageError: other channels.
    """
    height, width, channels = input_shape
    if channels not in (1, 3):
        raise UsageError(
            f"an image model with {channels} channels, expected 1 (gray) or 3 (RGB)",
            hint="choose an input size such as 96x96x3",
        )
    return PreprocessSpec(
        (
            ImageInput(
                "image",
                height,
                width,
                "gray" if channels == 1 else "rgb",
                scale=(1 / 127.5,),
                offset=(-1.0,),
            ),
        )
    )


def train_classifier(
    request: ClassifyRequest,
    *,
    progress: Progress | None = None,
    work_dir: Path | None = None,
    resume: bool = False,
) -> TrainResult:
    """Trains a classifier.

    Args:
        request: model, data, settings.
        progress: told of each batch and epoch.
        work_dir: where the checkpoint lives; None: none is kept.
        resume: continue from the checkpoint there, if there is one.

    Raises:
        UsageError: a wrong option, or a checkpoint of another run.
        DataError: the splits' classes differ, or there is nothing to train on.
        MissingExtraError: Keras is not installed.
        KeyboardInterrupt: after Ctrl-C; the last whole epoch is in the checkpoint.
    """
    progress = progress or SilentProgress()
    spec, config = request.preprocess.image, request.config
    begin = start_model(request, "classify")
    model = begin.model
    train = _TrainBatches(
        Pixels(request.train, spec, progress),
        labels_of(request.train),
        len(begin.labels),
        config,
        (request.augment or default_augment(begin.labels)) if config.augment else None,
    )
    val = (Pixels(request.val, spec, progress), labels_of(request.val))
    task = FitTask(
        train=train,
        loss=cross_entropy(config.label_smoothing),
        validate=lambda m: validation_figures(m, *val),
        monitor="val_accuracy",
        tie_break="val_loss",
        facts=begin.facts,
    )
    # A second model on the same layers is compiled, so that the one that is saved stays free of
    # optimizer state, twice the weights' size.
    shadow = import_keras().Model(model.inputs, model.outputs[0])
    run = fit(shadow, task, config, progress=progress, work_dir=work_dir, resume=resume)
    return TrainResult(model, run, begin.taken)


def cross_entropy(label_smoothing: float) -> Any:
    """Categorical cross-entropy on probabilities, with one-hot targets."""
    return import_keras().losses.CategoricalCrossentropy(label_smoothing=label_smoothing)


def validation_figures(model: Any, pixels: Pixels, labels: NDArray[np.int64]) -> dict[str, float]:
    """``val_accuracy`` and ``val_loss`` (mean cross-entropy) of ``model``."""
    right, loss, count = 0, 0.0, len(pixels)
    for start in range(0, count, _VAL_BATCH):
        rows = range(start, min(count, start + _VAL_BATCH))
        scores = np.asarray(model.predict_on_batch(pixels.scale(pixels.bytes(rows))))
        wanted = labels[start : rows.stop]
        right += int((scores.argmax(axis=1) == wanted).sum())
        loss -= float(np.log(np.clip(scores[np.arange(len(rows)), wanted], 1e-7, 1)).sum())
    return {"val_accuracy": right / count, "val_loss": loss / count}


@dataclass(frozen=True)
class _TrainBatches:
    """Batches of one epoch: every image once, in an order fixed by (seed, epoch)."""

    pixels: Pixels
    labels: NDArray[np.int64]
    classes: int
    config: TrainConfig
    augment: Augment | None

    def __len__(self) -> int:
        return math.ceil(len(self.pixels) / self.config.batch_size)

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(images, one-hot labels) of batch ``index``."""
        size, seed = self.config.batch_size, self.config.seed
        rows = _order(len(self.pixels), seed, epoch)[index * size : (index + 1) * size]
        images = self.pixels.bytes(rows.tolist())
        if self.augment is not None:
            images = augment_batch(images, rows.tolist(), self.augment, seed=seed, epoch=epoch)
        one_hot = np.eye(self.classes, dtype=np.float32)[self.labels[rows]]
        return self.pixels.scale(images), one_hot


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Asked for by each batch of an epoch; Keras fetches ahead into the next one."""
    return np.random.default_rng((seed, epoch)).permutation(count)

"""Training a model that finds points: batches, loss and validation for the shared loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import centroids
from edgecnn.core.detections import Centroids
from edgecnn.core.postprocess import CentroidSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset
from edgecnn.data.augment_boxes import BoxAugment
from edgecnn.models.centroids import centroid_spec
from edgecnn.training.centroid_targets import CentroidAssigner
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect import DEFAULT_CONFIG, Truth
from edgecnn.training.detect_data import DetectBatches, fit_sample, scale_pixels
from edgecnn.training.keras_setup import import_keras
from edgecnn.training.loop import FitResult, FitTask, fit
from edgecnn.training.request import start_model
from edgecnn.training.weights.graft import Grafted
from edgecnn.training.weights.net import SourceNet

_VAL_BATCH = 50
# Score thresholds that are compared after every epoch.
_GRID = tuple(round(0.1 * step, 1) for step in range(1, 10))


@dataclass(frozen=True)
class PointQuality:
    """What the best thresholds give.

    Attributes:
        f1: mean over the classes.
        thresholds: one per class.
    """

    f1: float
    thresholds: tuple[float, ...]


# (threshold → found per image, what is there per image) → the best of these thresholds
PointScore = Callable[[Mapping[float, Sequence[Centroids]], Sequence[Truth]], PointQuality]


@dataclass(frozen=True)
class CentroidRequest:
    """What to train.

    Attributes:
        model_name: a row of the model table that finds points.
        train, val: the splits; val picks the best epoch and the thresholds.
        preprocess: one image input; its size and colour are the model's.
        score: finds the best thresholds.
        config: how long and how hard.
        options: the model family's own, for example ``{"width": 0.5}``.
        augment: None: photos are not changed; endless data never are.
        initial: what the model starts from; None: random weights.
        class_weights: one per class; (): all alike.
    """

    model_name: str
    train: Dataset
    val: Dataset
    preprocess: PreprocessSpec
    score: PointScore
    config: TrainConfig = DEFAULT_CONFIG
    options: Mapping[str, Any] = field(default_factory=dict)
    augment: BoxAugment | None = None
    initial: SourceNet | None = None
    class_weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class CentroidResult:
    """A trained model that finds points, with its run.

    Attributes:
        model: the Keras model with the best epoch's weights; ``image`` → ``scores``.
        postprocess: how its output is decoded, with the thresholds that are best on ``val``.
        run: history, best epoch, seconds, device.
        taken: what came from ``initial``; None: nothing.
    """

    model: Any
    postprocess: CentroidSpec
    run: FitResult
    taken: Grafted | None = None


def train_centroids(
    request: CentroidRequest,
    *,
    progress: Progress | None = None,
    work_dir: Path | None = None,
    resume: bool = False,
) -> CentroidResult:
    """Trains a model that finds points.

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
    image, config = request.preprocess.image, request.config
    begin = start_model(request, "detect")
    model = begin.model
    spec = centroid_spec(model, begin.labels)
    assign = CentroidAssigner(spec, request.class_weights)
    batches = DetectBatches(
        request.train,
        image,
        assign,
        config.batch_size,
        config.seed,
        request.augment if config.augment else None,
    )
    validate = PointValidation(request.val, image, assign, request.score)
    run = fit(
        flat_model(model),
        FitTask(
            train=batches,
            loss=centroid_loss,
            validate=validate,
            monitor="val_f1",
            maximize=True,
            tie_break="val_loss",
            facts=begin.facts,
        ),
        config,
        progress=progress or SilentProgress(),
        work_dir=work_dir,
        resume=resume,
    )
    best = validate.quality(flat_model(model)).thresholds
    return CentroidResult(model, replace(spec, thresholds=best), run, begin.taken)


def flat_model(model: Any) -> Any:
    """``model`` with its scores as (n, cells, labels), sharing its weights."""
    keras, scores = import_keras(), model.output["scores"]
    flat = keras.layers.Reshape((-1, scores.shape[-1]), name="cells")(scores)
    return keras.Model(model.inputs, flat)


def centroid_loss(target: Any, scores: Any) -> Any:
    """CenterNet's focal loss (Zhou et al. 2019), a mean per object.

    Args:
        target: float32 (n, cells, labels + 1), see
            :class:`edgecnn.training.centroid_targets.CentroidAssigner`.
        scores: (n, cells, labels) logits.
    """
    from keras import ops

    wanted, weight = target[..., :-1], target[..., -1:]
    asked = ops.cast(wanted >= 1.0, "float32")
    chance = ops.sigmoid(scores)
    found = asked * ops.square(1.0 - chance) * ops.softplus(-scores)
    away = ops.square(ops.square(1.0 - wanted))
    false = (1.0 - asked) * away * ops.square(chance) * ops.softplus(scores)
    return ops.sum((found + false) * weight) / ops.maximum(ops.sum(asked), 1.0)


class PointValidation:
    """Model → ``val_f1`` at the best thresholds and ``val_loss``; the images are read once."""

    def __init__(
        self, dataset: Dataset, image: ImageInput, assign: CentroidAssigner, score: PointScore
    ) -> None:
        fitted = [fit_sample(dataset[i], image) for i in range(len(dataset))]
        self._spec, self._score, self._image = assign.spec, score, image
        self._pixels = np.stack([item.pixels for item in fitted])
        self._targets = [assign(item.boxes, item.classes, item.ignored) for item in fitted]
        self._truth = [Truth(item.boxes, item.classes, item.ignored) for item in fitted]

    def __call__(self, model: Any) -> dict[str, float]:
        """Figures of a model of :func:`flat_model`."""
        scores = self._scores(model)
        loss = centroid_loss(np.stack(self._targets), scores)
        value = float(import_keras().ops.convert_to_numpy(loss))
        return {"val_f1": self._judge(scores).f1, "val_loss": value}

    def quality(self, model: Any) -> PointQuality:
        """The best thresholds of a model of :func:`flat_model`."""
        return self._judge(self._scores(model))

    def _scores(self, model: Any) -> NDArray[np.float32]:
        starts = range(0, len(self._pixels), _VAL_BATCH)
        return np.concatenate(
            [
                model.predict_on_batch(
                    scale_pixels(self._pixels[start : start + _VAL_BATCH], self._image)
                )
                for start in starts
            ]
        )

    def _judge(self, scores: NDArray[np.float32]) -> PointQuality:
        info = TensorInfo(self._spec.scores, (1, *scores.shape[1:]), "float32")
        found = {
            limit: [centroids(self._spec.with_threshold(limit), s, info, None) for s in scores]
            for limit in _GRID
        }
        return self._score(found, self._truth)

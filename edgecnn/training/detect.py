"""Training a detector: batches, loss and validation for the shared loop, in one or two stages.

A detector whose backbone starts from trained weights first learns its head alone, from features
that are computed once (:mod:`edgecnn.training.frozen_body`); then all of it is fine-tuned, the
backbone at a lower rate and its first blocks not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.postprocess import DetectSpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset
from edgecnn.data.augment_boxes import BoxAugment, BoxedPixels
from edgecnn.models.detection_heads import BOXES, SCORES
from edgecnn.models.detector_spec import detect_spec
from edgecnn.training.checkpoint import has_checkpoint
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect_data import DetectBatches, fit_sample, scale_pixels
from edgecnn.training.detect_loss import DetectorLoss
from edgecnn.training.detect_targets import Assigner
from edgecnn.training.frozen_body import (
    body_rates,
    freeze_first,
    keep_features,
    split_at_body,
)
from edgecnn.training.keras_setup import import_keras
from edgecnn.training.loop import FitResult, FitTask, fit
from edgecnn.training.request import start_model
from edgecnn.training.weights.graft import Grafted
from edgecnn.training.weights.net import SourceNet

_VAL_BATCH = 50
_CURVE_THRESHOLD = 0.02
# Ten times what a classifier takes: the batch norms make the weights' scale free, and at 0.002 the
# detector needs several times the steps for the same mAP.
DEFAULT_CONFIG = TrainConfig(epochs=10, learning_rate=0.02)


@dataclass(frozen=True)
class Truth:
    """What is on an image: boxes (n, 4) in its pixels, classes (n,), ignored (n,)."""

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    ignored: NDArray[np.bool_]


# (found per image, what is there per image) → figures by name, the first one picks the epoch
Score = Callable[[Sequence[Detections], Sequence[Truth]], Mapping[str, float]]


@dataclass(frozen=True)
class DetectRequest:
    """What to train.

    Attributes:
        model_name: a row of the model table for ``detect``.
        train: what is learned from.
        val: what picks the best epoch; None: the last one is kept.
        preprocess: one image input; its size and colour are the model's.
        score: what the best epoch is best at: figures by name, the first one counts; None: the
            validation loss.
        config: how long and how hard.
        options: the model family's own, for example ``{"width": 0.5}``.
        augment: None: photos are not changed; endless data never are.
        initial: what the model starts from; None: random weights.
        head_epochs: of the first stage, on kept features; 0: there is none.
        frozen_blocks: so many of the backbone's blocks never learn.
        radius: of the cells that answer for a box, see
            :class:`edgecnn.training.detect_targets.Assigner`.
        class_weights: one per class; (): all alike.
    """

    model_name: str
    train: Dataset
    val: Dataset | None
    preprocess: PreprocessSpec
    score: Score | None = None
    config: TrainConfig = DEFAULT_CONFIG
    options: Mapping[str, Any] = field(default_factory=dict)
    augment: BoxAugment | None = None
    initial: SourceNet | None = None
    head_epochs: int = 0
    frozen_blocks: int = 0
    radius: float = 1.5
    class_weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class DetectResult:
    """A trained detector with its run.

    Attributes:
        model: the Keras model with the best epoch's weights; ``image`` → ``scores``, ``boxes``.
        postprocess: how its outputs are decoded.
        run: history, best epoch, seconds, device.
        taken: what came from ``initial``; None: nothing.
    """

    model: Any
    postprocess: DetectSpec
    run: FitResult
    taken: Grafted | None = None


def train_detector(
    request: DetectRequest,
    *,
    progress: Progress | None = None,
    work_dir: Path | None = None,
    resume: bool = False,
) -> DetectResult:
    """Trains a detector.

    Args:
        request: model, data, settings.
        progress: told of each batch and epoch.
        work_dir: where the checkpoint of the last stage lives; None: none is kept.
        resume: continue from the checkpoint there, if there is one.

    Raises:
        UsageError: a wrong option, or a checkpoint of another run.
        DataError: the splits' classes differ, or there is nothing to train on.
        MissingExtraError: Keras is not installed.
        KeyboardInterrupt: after Ctrl-C; the last whole epoch is in the checkpoint.
    """
    progress = progress or SilentProgress()
    image, config = request.preprocess.image, request.config
    begin = start_model(request, "detect")
    model, labels = begin.model, begin.labels
    spec = detect_spec(model, labels, tuple(request.options.get("anchors", ())))
    assign = Assigner(spec, radius=request.radius, weights=request.class_weights)
    batches = DetectBatches(
        request.train,
        image,
        assign,
        config.batch_size,
        config.seed,
        request.augment if config.augment else None,
    )
    judge = _judge(request, assign)
    resumed = resume and work_dir is not None and has_checkpoint(work_dir)
    if request.head_epochs and not resumed:
        _train_head(model, request, batches, joint_loss(spec), progress)
    freeze_first(model, request.frozen_blocks)
    run = fit(
        joint_model(model),
        FitTask(
            train=batches,
            loss=joint_loss(spec),
            validate=judge.validate,
            monitor=judge.monitor,
            maximize=judge.monitor != "val_loss",
            tie_break=judge.tie_break,
            facts=begin.facts,
            rates=body_rates(model, config.body_rate),
        ),
        config,
        progress=progress,
        work_dir=work_dir,
        resume=resume,
    )
    for layer in model.layers:
        layer.trainable = True
    return DetectResult(model, spec, run, begin.taken)


def joint_model(model: Any) -> Any:
    """``model`` with both outputs in one tensor (n, candidates, labels + 4), sharing its weights.

    Keras hands a loss one output at a time, and this loss needs scores and boxes together.
    """
    layers = import_keras().layers
    flat = []
    for name in (SCORES, BOXES):
        output = model.output[name]
        grid = len(output.shape) == 4
        flat.append(layers.Reshape((-1, output.shape[-1]))(output) if grid else output)
    return import_keras().Model(model.inputs, layers.Concatenate(name="joint")(flat))


def joint_loss(spec: DetectSpec) -> Any:
    """The loss of :mod:`edgecnn.training.detect_loss` on :func:`joint_model`'s output."""
    judge, labels = DetectorLoss(spec), len(spec.labels)

    def loss(target: Any, outputs: Any) -> Any:
        return judge(target, outputs[..., :labels], outputs[..., labels:])["loss"]

    return loss


class Validation:
    """Model → ``val_loss`` and the score's figures; the images are read once."""

    def __init__(
        self, dataset: Dataset, image: ImageInput, assign: Assigner, score: Score | None
    ) -> None:
        spec = assign.spec
        self._image, self._score = image, score
        self._spec = replace(
            spec, score_threshold=min(spec.score_threshold, _CURVE_THRESHOLD), thresholds=()
        )
        self._loss = DetectorLoss(spec)
        self._fitted = [fit_sample(dataset[i], image) for i in range(len(dataset))]
        self._targets = [assign(item.boxes, item.classes, item.ignored) for item in self._fitted]
        self._truth = [Truth(item.boxes, item.classes, item.ignored) for item in self._fitted]

    @property
    def monitor(self) -> str:
        """The figure that picks the best epoch."""
        if self._score is None:
            return "val_loss"
        return next(iter(self._score([], [])))

    def batches(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The images with their targets."""
        starts = range(0, len(self._fitted), _VAL_BATCH)
        return [
            (
                scale_pixels(_stack(self._fitted[start : start + _VAL_BATCH]), self._image),
                np.stack(self._targets[start : start + _VAL_BATCH]),
            )
            for start in starts
        ]

    def __call__(self, model: Any) -> dict[str, float]:
        """Figures of a model of :func:`joint_model`."""
        labels = len(self._spec.labels)
        losses, found = [], []
        for images, targets in self.batches():
            outputs = model.predict_on_batch(images)
            scores, boxes = outputs[..., :labels], outputs[..., labels:]
            losses.append(_number(self._loss(targets, scores, boxes)["loss"]) * len(images))
            if self._score is not None:
                found += [self._decode(s, b) for s, b in zip(scores, boxes, strict=True)]
        figures = {"val_loss": sum(losses) / len(self._fitted)}
        return {**(self._score(found, self._truth) if self._score else {}), **figures}

    def _decode(self, scores: NDArray[np.float32], boxes: NDArray[np.float32]) -> Detections:
        arrays = {SCORES: scores[None], BOXES: boxes[None]}
        infos = [TensorInfo(name, a.shape, "float32") for name, a in arrays.items()]
        found = decode(self._spec, arrays, infos, None)
        if not isinstance(found, Detections):
            raise TypeError(f"a detector's spec decoded to {type(found).__name__}")
        return found


@dataclass(frozen=True)
class _Judge:
    """What picks the best epoch; without a validation split it is the last one."""

    validate: Callable[[Any], Mapping[str, float]]
    monitor: str
    tie_break: str | None


def _judge(request: DetectRequest, assign: Assigner) -> _Judge:
    if request.val is None:
        return _Judge(_nothing, "epoch", None)
    validate = Validation(request.val, request.preprocess.image, assign, request.score)
    scored = request.score is not None
    return _Judge(validate, validate.monitor, "val_loss" if scored else None)


def _nothing(model: Any) -> dict[str, float]:
    return {}


def _train_head(
    model: Any, request: DetectRequest, batches: DetectBatches, loss: Any, progress: Progress
) -> None:
    """The first stage, in place; it is short and keeps no checkpoint."""
    parts, config = split_at_body(model), request.config
    kept = keep_features(parts.body, batches, config.batch_size, config.seed, progress)
    fit(
        joint_model(parts.head),
        FitTask(train=kept, loss=loss, validate=_nothing, monitor="epoch"),
        replace(config, epochs=request.head_epochs, patience=None, max_seconds=None),
        progress=progress,
    )


def _stack(items: Sequence[BoxedPixels]) -> NDArray[np.uint8]:
    return np.stack([item.pixels for item in items])


def _number(value: Any) -> float:
    return float(import_keras().ops.convert_to_numpy(value))

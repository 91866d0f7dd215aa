"""Training a detector: batches, loss and validation for the shared loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from edgecnn.data.augment import Augment
from edgecnn.models.detector import BOXES, SCORES, detect_spec
from edgecnn.training.config import TrainConfig
from edgecnn.training.detect_data import DetectBatches, fit_sample, scale_pixels
from edgecnn.training.detect_loss import detector_loss
from edgecnn.training.keras_setup import import_keras
from edgecnn.training.loop import FitResult, FitTask, fit
from edgecnn.training.request import start_model

_VAL_BATCH = 100
_CURVE_THRESHOLD = 0.02
# Ten times what a classifier takes: the batch norms make the weights' scale free, and at 0.002 the
# detector needs several times the steps for the same mAP.
DEFAULT_CONFIG = TrainConfig(epochs=10, learning_rate=0.02)
# (found per image, true boxes per image, true classes per image) → quality in [0, 1]
Score = Callable[
    [Sequence[Detections], Sequence[NDArray[np.float32]], Sequence[NDArray[np.int64]]], float
]


@dataclass(frozen=True)
class DetectRequest:
    """What to train.

    Attributes:
        model_name: a row of the model table for ``detect``.
        train, val: the splits; val picks the best epoch.
        preprocess: one image input; its size and colour are the model's.
        score: what the best epoch is best at, for example mAP@0.5; None: the validation loss.
        config: how long and how hard.
        options: the model family's own, for example ``{"width": 0.5}``.
        augment: None: what suits the labels; endless data is not augmented.
        initial: a Keras model to start from: layers with the same name and shapes are copied.
    """

    model_name: str
    train: Dataset
    val: Dataset
    preprocess: PreprocessSpec
    score: Score | None = None
    config: TrainConfig = DEFAULT_CONFIG
    options: Mapping[str, Any] = field(default_factory=dict)
    augment: Augment | None = None
    initial: Any = None


@dataclass(frozen=True)
class DetectResult:
    """A trained detector with its run.

    Attributes:
        model: the Keras model with the best epoch's weights; ``image`` → ``scores``, ``boxes``.
        postprocess: how its outputs are decoded.
        run: history, best epoch, seconds, device.
        copied_layers: how many layers started from ``initial``.
    """

    model: Any
    postprocess: DetectSpec
    run: FitResult
    copied_layers: int = 0


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
    model, labels = begin.model, begin.labels
    spec = detect_spec(model, labels)
    batches = DetectBatches(
        request.train,
        image,
        spec,
        config.batch_size,
        config.seed,
        begin.rule if config.augment else None,
    )
    task = FitTask(
        train=batches,
        loss=joint_loss(len(labels)),
        validate=Validation(request.val, image, spec, request.score),
        monitor="val_loss" if request.score is None else "val_map50",
        maximize=request.score is not None,
        tie_break=None if request.score is None else "val_loss",
        facts=begin.facts,
    )
    run = fit(
        joint_model(model),
        task,
        config,
        progress=progress or SilentProgress(),
        work_dir=work_dir,
        resume=resume,
    )
    return DetectResult(model, spec, run, begin.copied_layers)


def joint_model(model: Any) -> Any:
    """``model`` with both outputs in one tensor, sharing its weights.

    Keras hands a loss one output at a time, and this loss needs scores and boxes together.
    """
    keras = import_keras()
    outputs = [model.output[SCORES], model.output[BOXES]]
    return keras.Model(model.input, keras.layers.Concatenate(name="joint")(outputs))


def joint_loss(labels: int) -> Any:
    """The loss of :mod:`edgecnn.training.detect_loss` on :func:`joint_model`'s output."""

    def loss(target: Any, outputs: Any) -> Any:
        return detector_loss(target, outputs[..., :labels], outputs[..., labels:])["loss"]

    return loss


class Validation:
    """Model → ``val_loss`` and, with a score, ``val_map50``; the images are read once."""

    def __init__(
        self, dataset: Dataset, image: ImageInput, spec: DetectSpec, score: Score | None
    ) -> None:
        self._batches = DetectBatches(dataset, image, spec, _VAL_BATCH, 0)
        self._spec = spec.with_threshold(min(spec.score_threshold, _CURVE_THRESHOLD))
        self._score = score
        self._fitted = [fit_sample(dataset[i], image) for i in range(len(dataset))]
        self._targets = np.stack([self._batches.target(item) for item in self._fitted])

    def __call__(self, model: Any) -> dict[str, float]:
        """Figures of a model of :func:`joint_model`."""
        pixels = np.stack([item[0] for item in self._fitted])
        labels = len(self._spec.labels)
        outputs = np.concatenate(
            [
                model.predict_on_batch(
                    scale_pixels(pixels[start : start + _VAL_BATCH], self._batches.image)
                )
                for start in range(0, len(pixels), _VAL_BATCH)
            ]
        )
        scores, boxes = outputs[..., :labels], outputs[..., labels:]
        loss = detector_loss(self._targets, scores, boxes)["loss"]
        figures = {"val_loss": float(import_keras().ops.convert_to_numpy(loss))}
        if self._score is not None:
            found = [self._decode(s, b) for s, b in zip(scores, boxes, strict=True)]
            truth = [item[1] for item in self._fitted], [item[2] for item in self._fitted]
            figures = {"val_map50": self._score(found, *truth), **figures}
        return figures

    def _decode(self, scores: NDArray[np.float32], boxes: NDArray[np.float32]) -> Detections:
        arrays = {SCORES: scores[None], BOXES: boxes[None]}
        infos = [TensorInfo(name, a.shape, "float32") for name, a in arrays.items()]
        found = decode(self._spec, arrays, infos, None)
        if not isinstance(found, Detections):
            raise TypeError(f"a detector's spec decoded to {type(found).__name__}")
        return found

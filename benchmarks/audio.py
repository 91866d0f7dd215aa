"""The benchmark's 1-D net on raw audio, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.nets import Net
from benchmarks.spoken_digits import LABELS, WINDOW, Clips, load
from edgecnn.core.progress import Progress
from edgecnn.models.keras_setup import import_keras, seed_everything
from edgecnn.training.classify import cross_entropy
from edgecnn.training.config import TrainConfig
from edgecnn.training.loop import FitResult, fit
from edgecnn.training.task import FitTask

# (filters, kernel, stride): 8,000 samples become 16 steps of 96 channels.
STAGES = ((16, 64, 8), (32, 16, 4), (64, 8, 2), (64, 8, 2), (96, 3, 2), (96, 3, 2))
MAX_SHIFT = 1600
GAIN = (0.4, 1.0)
NOISE = 0.01


def build_audio(dropout: float = 0.3) -> Any:
    """Six convolutions over time with batch norm and ReLU, mean over time, softmax.

    Returns:
        A Keras model: ``audio`` float32 (batch, 8000, 1) → ``scores`` (batch, 10).
    """
    keras = import_keras()
    layers = keras.layers
    audio = x = keras.Input((WINDOW, 1), name="audio")
    for index, (filters, kernel, stride) in enumerate(STAGES):
        name = f"stage_{index}"
        x = layers.Conv1D(
            filters, kernel, strides=stride, padding="same", use_bias=False,
            kernel_initializer="he_normal", name=name,
        )(x)  # fmt: skip
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(
        audio, layers.Dense(10, activation="softmax", name="scores")(x), name="audio"
    )


def train_audio(row: Net, source: str, progress: Progress) -> tuple[Any, FitResult]:
    """Trains the net on the spoken digits.

    Args:
        row: epochs, batch size, learning rate and seed.
        source: path of ``recordings.tar.xz``.
        progress: where it reports.

    Returns:
        The model with the best epoch's weights, and the run.
    """
    parts = load(source)
    config = TrainConfig(
        epochs=row.epochs,
        batch_size=row.batch_size,
        learning_rate=row.learning_rate,
        seed=row.seed,
        warmup=0.1,
    )
    seed_everything(row.seed)
    model = build_audio()
    task = FitTask(
        train=AudioBatches(parts["train"], config),
        loss=cross_entropy(0.0),
        validate=lambda trained: _figures(trained, parts["val"]),
        monitor="val_accuracy",
        tie_break="val_loss",
    )
    # The model that is saved stays free of the optimizer's state.
    shadow = import_keras().Model(model.inputs, model.outputs[0])
    run = fit(shadow, task, config, progress=progress)
    return model, run


@dataclass(frozen=True)
class AudioBatches:
    """Batches of one epoch: every clip once, shifted, softer, with a little noise."""

    clips: Clips
    config: TrainConfig

    def __len__(self) -> int:
        """Batches per epoch; the last, short one is left out."""
        return len(self.clips) // self.config.batch_size

    def batch(self, epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(audio, one-hot labels) of batch ``index``."""
        size, seed = self.config.batch_size, self.config.seed
        order = np.random.default_rng((seed, epoch)).permutation(len(self.clips))
        rows = order[index * size : (index + 1) * size]
        rng = np.random.default_rng((seed, epoch, index))
        one_hot = np.eye(len(LABELS), dtype=np.float32)[self.clips.labels[rows]]
        return np.stack([self._changed(row, rng) for row in rows]), one_hot

    def _changed(self, row: int, rng: np.random.Generator) -> NDArray[np.float32]:
        # The clip lies in the middle: it is never rolled over the window's edge.
        room = (WINDOW - int(self.clips.lengths[row])) // 2
        limit = min(MAX_SHIFT, room)
        audio = np.roll(self.clips.audio[row], rng.integers(-limit, limit + 1), axis=0)
        noise = rng.normal(0.0, rng.uniform(0.0, NOISE), audio.shape)
        return (audio * rng.uniform(*GAIN) + noise).clip(-1, 1).astype(np.float32)


def _figures(model: Any, clips: Clips) -> dict[str, float]:
    scores = np.asarray(model.predict_on_batch(clips.audio))
    picked = scores[np.arange(len(clips)), clips.labels]
    return {
        "val_accuracy": float((scores.argmax(axis=1) == clips.labels).mean()),
        "val_loss": float(-np.log(np.clip(picked, 1e-7, 1)).mean()),
    }

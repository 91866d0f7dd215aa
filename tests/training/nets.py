"""A tiny learnable task for the shared loop."""

from __future__ import annotations

import numpy as np

from edgecnn.models.keras_setup import import_keras, seed_everything
from edgecnn.training.loop import FitTask

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6, 6, 1)).astype("float32")
Y = (X.mean(axis=(1, 2, 3)) > 0).astype("int64")
STEPS = 6


def tiny_model(seed: int = 3):
    seed_everything(seed)
    keras = import_keras()
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(6.0),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


class TinyBatches:
    """Remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return STEPS

    def batch(self, epoch: int, index: int):
        self.asked.append((epoch, index))
        rows = np.random.default_rng((1, epoch)).permutation(96)[index * 16 : index * 16 + 16]
        return X[rows], Y[rows]


def accuracy(model) -> dict[str, float]:
    scores = np.asarray(model.predict_on_batch(X))
    return {"accuracy": float((scores.argmax(axis=1) == Y).mean())}


def tiny_task(validate=accuracy, **changes) -> FitTask:
    given = {"loss": "sparse_categorical_crossentropy", "monitor": "accuracy", **changes}
    return FitTask(train=TinyBatches(), validate=validate, **given)


class Told:
    """A progress sink that keeps what it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps = 0
        self.lines: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps

    def say(self, line: str) -> None:
        self.lines.append(line)

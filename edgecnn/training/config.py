"""How long and how hard to train: one frozen record, and the learning rate it implies."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from edgecnn.core.errors import UsageError

Schedule = Literal["cosine", "constant"]
Optimizer = Literal["adamw", "sgd"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run.

    Attributes:
        epochs: passes over the training split.
        batch_size: images per step.
        learning_rate: the peak, reached after the warm-up.
        schedule: ``cosine`` falls to ``final_fraction`` of the peak; ``constant`` stays.
        warmup: part of the run in [0, 1) in which the rate rises linearly from 0.
        final_fraction: the last rate, as a part of the peak.
        optimizer: ``adamw`` or ``sgd`` (Nesterov momentum 0.9).
        weight_decay: decoupled; biases and batch-norm scales are left out.
        label_smoothing: for classification.
        patience: epochs without a better validation figure before training stops; None: never.
        seed: of initial weights, order and augmentation.
        max_seconds: time budget of the training proper; the schedule then follows the clock
            wherever it runs ahead of the steps, so that the rate still ends low. None: no limit.
        augment: whether training batches are augmented.
        body_rate: factor on the learning rate of layers that start from trained weights.
        ema: the most that a step keeps of the weights' running average, which is what is validated
            and kept; early steps keep less. 0: the weights themselves.
        clip_norm: gradients are scaled down to this norm; 0: they are not.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 2e-3
    schedule: Schedule = "cosine"
    warmup: float = 0.05
    final_fraction: float = 0.01
    optimizer: Optimizer = "adamw"
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    patience: int | None = None
    seed: int = 1
    max_seconds: float | None = None
    augment: bool = True
    body_rate: float = 1.0
    ema: float = 0.0
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError naming the field, the value and what is allowed."""
        for key in ("epochs", "batch_size"):
            _need(getattr(self, key) >= 1, key, getattr(self, key), "1 or more")
        _need(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "above 0")
        for key in ("warmup", "label_smoothing", "ema"):
            _need(0 <= getattr(self, key) < 1, key, getattr(self, key), "0 or more, below 1")
        _need(0 <= self.final_fraction <= 1, "final_fraction", self.final_fraction, "0 to 1")
        _need(0 <= self.weight_decay < 1, "weight_decay", self.weight_decay, "0 or more, below 1")
        _need(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more")
        _need(
            self.max_seconds is None or self.max_seconds > 0,
            "max_seconds",
            self.max_seconds,
            "above 0",
        )
        _need(0 <= self.body_rate <= 1, "body_rate", self.body_rate, "0 to 1")
        _need(self.clip_norm >= 0, "clip_norm", self.clip_norm, "0 or more")
        schedules, optimizers = get_args(Schedule), get_args(Optimizer)
        _need(self.schedule in schedules, "schedule", self.schedule, " or ".join(schedules))
        _need(self.optimizer in optimizers, "optimizer", self.optimizer, " or ".join(optimizers))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def rate_at(self, progress: float) -> float:
        """The learning rate at ``progress`` of the run, in [0, 1].

        >>> config = TrainConfig(learning_rate=1.0, warmup=0.1, final_fraction=0.0)
        >>> [round(config.rate_at(p), 3) for p in (0.05, 0.1, 0.55, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
        """
        progress = min(max(progress, 0.0), 1.0)
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        done = (progress - self.warmup) / (1 - self.warmup)
        low = self.learning_rate * self.final_fraction
        return low + (self.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * done))


def _need(holds: bool, key: str, given: object, expected: str) -> None:
    if not holds:
        raise UsageError(
            f"training: {key} = {given!r}, expected {expected}",
            hint=f"correct {key} in edgecnn.toml or on the command line",
        )

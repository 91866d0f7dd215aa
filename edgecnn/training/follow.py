"""The Keras callback of the shared loop: rate per batch; figures, best weights, file per epoch."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from edgecnn.core.progress import Progress
from edgecnn.training import checkpoint
from edgecnn.training.checkpoint import Row, RunState
from edgecnn.training.config import TrainConfig
from edgecnn.training.keras_setup import import_keras
from edgecnn.training.optimizers import averaged
from edgecnn.training.task import FitTask

_NOTE_EVERY_S = 0.5


def stop_reason(state: RunState, config: TrainConfig) -> str | None:
    """Why nothing is left to train after ``state``: ``patience``, ``time``, ``epochs`` or None."""
    if config.patience is not None and state.epoch - state.best_epoch >= config.patience:
        return "patience"
    if config.max_seconds is not None and state.seconds >= config.max_seconds:
        return "time"
    return "epochs" if state.epoch >= config.epochs else None


class Follow:
    """What follows a run: ``state`` after the last whole epoch; ``diverged``: a bad loss, or None.

    ``kept`` is the epoch in the checkpoint: an interrupt may come between the two.

    Not a Keras callback itself (Keras is imported on use); :meth:`callback` makes the one that
    calls it.
    """

    def __init__(
        self,
        model: Any,
        task: FitTask,
        config: TrainConfig,
        state: RunState,
        progress: Progress,
        work_dir: Path | None,
    ) -> None:
        self.model, self.task, self.config = model, task, config
        self.start, self.state = state, state
        self.kept = state.epoch if work_dir is not None else 0
        self.progress, self.work_dir = progress, work_dir
        self.diverged: float | None = None
        self.steps = len(task.train)
        self.epoch = state.epoch
        self.began = monotonic()
        self.noted = 0.0
        self.rate = config.learning_rate

    def callback(self) -> Any:
        """The ``keras.callbacks.Callback`` for ``fit``."""
        return import_keras().callbacks.LambdaCallback(
            on_epoch_begin=self.epoch_begins,
            on_epoch_end=self.epoch_ends,
            on_train_batch_begin=lambda batch, logs: self.set_rate(batch + 1),
            on_train_batch_end=self.batch_ends,
        )

    def seconds(self) -> float:
        """Seconds of training, resumed parts included."""
        return self.start.seconds + monotonic() - self.began

    def set_rate(self, batch: float) -> None:
        """Sets the learning rate for ``batch`` of the running epoch."""
        done = (self.epoch + batch / self.steps) / self.config.epochs
        if self.config.max_seconds is not None:
            done = max(done, self.seconds() / self.config.max_seconds)
        self.rate = self.config.rate_at(done)
        self.model.optimizer.learning_rate.assign(self.rate)

    def epoch_begins(self, epoch: int, logs: Any = None) -> None:
        """Sets a rate that also serves backends that read it once an epoch."""
        self.epoch = epoch
        # JAX copies the rate here and not again until the next epoch: give it the middle's.
        self.set_rate(self.steps / 2)

    def batch_ends(self, batch: int, logs: Any = None) -> None:
        """Tells the progress, and stops at the time budget."""
        now, note = monotonic(), ""
        if now - self.noted > _NOTE_EVERY_S:
            self.noted, note = now, f"loss {float((logs or {}).get('loss', math.nan)):.4f}"
        self.progress.advance(1, note)
        if self.config.max_seconds is not None and self.seconds() >= self.config.max_seconds:
            self.model.stop_training = True

    def epoch_ends(self, epoch: int, logs: Any = None) -> None:
        """Validates, keeps the best weights and the checkpoint, and decides whether to go on."""
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            self.diverged = loss
            self.model.stop_training = True
            return
        row: Row = {"epoch": epoch + 1, "loss": loss, "learning_rate": self.rate}
        with averaged(self.model, self.config):
            row |= {key: float(value) for key, value in self.task.validate(self.model).items()}
            row["seconds"] = self.seconds()
            self.state = self._next_state(row)
        if stop_reason(self.state, self.config) is not None:
            self.model.stop_training = True
        if self.work_dir is not None:
            checkpoint.save(self.work_dir, self.model, self.state)
            self.kept = self.state.epoch
        done = self.state.epoch - self.start.epoch
        self.progress.say(_line(row, self.config, done, self.start.seconds))

    def _next_state(self, row: Row) -> RunState:
        last, value = self.state, float(row[self.task.monitor])
        best = last.history[last.best_epoch - 1] if last.best_epoch else None
        improved = self.task.better(row, best)
        after = RunState(
            facts=last.facts,
            epoch=int(row["epoch"]),
            seconds=float(row["seconds"]),
            history=(*last.history, row),
            best_epoch=int(row["epoch"]) if improved else last.best_epoch,
            best_value=value if improved else last.best_value,
            best_weights=tuple(self.model.get_weights()) if improved else last.best_weights,
        )
        return replace(after, done=stop_reason(after, self.config) is not None)


def _line(row: Row, config: TrainConfig, epochs_now: int, seconds_before: float) -> str:
    """``epoch 3/30  loss 0.1234  accuracy 0.9810  2.1 s/epoch  ETA 57 s``."""
    own = ("epoch", "loss", "learning_rate", "seconds")
    figures = "  ".join(f"{key} {value:.4f}" for key, value in row.items() if key not in own)
    per_epoch = (row["seconds"] - seconds_before) / max(1, epochs_now)
    left = per_epoch * (config.epochs - row["epoch"])
    if config.max_seconds is not None:
        left = min(left, max(0.0, config.max_seconds - row["seconds"]))
    head = f"epoch {row['epoch']}/{config.epochs}  loss {row['loss']:.4f}  {figures}"
    return f"{head}  {per_epoch:.1f} s/epoch  ETA {left:.0f} s"

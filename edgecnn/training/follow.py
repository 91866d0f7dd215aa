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
from edgecnn.training.task import FitTask

_NOTE_EVERY_S = 0.5
_SAY_EVERY_S = 2.0  # short epochs would scroll everything else away


def stop_reason(state: RunState, config: TrainConfig) -> str | None:
    """Why nothing is left to train after ``state``: ``patience``, ``time``, ``epochs`` or None."""
    if config.patience is not None and state.epoch - state.best_epoch >= config.patience:
        return "patience"
    if config.max_seconds is not None and state.seconds >= config.max_seconds:
        return "time"
    return "epochs" if state.epoch >= config.epochs else None


def follower(
    model: Any,
    task: FitTask,
    config: TrainConfig,
    state: RunState,
    progress: Progress,
    work_dir: Path | None,
) -> Any:
    """A ``keras.callbacks.Callback`` whose ``state`` follows the run; ``diverged``: a bad loss."""
    keras = import_keras()
    steps = len(task.train)

    class Follow(keras.callbacks.Callback):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.state = state
            self.diverged: float | None = None
            self.epoch = state.epoch
            self.began = monotonic()
            self.noted = 0.0
            self.said = 0.0
            self.rate = config.learning_rate

        def seconds(self) -> float:
            return state.seconds + monotonic() - self.began

        def set_rate(self, batch: float) -> None:
            done = (self.epoch + batch / steps) / config.epochs
            if config.max_seconds is not None:
                done = max(done, self.seconds() / config.max_seconds)
            self.rate = config.rate_at(done)
            model.optimizer.learning_rate.assign(self.rate)

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch
            # JAX copies the rate here and not again until the next epoch: give it the middle's.
            self.set_rate(steps / 2)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.set_rate(batch + 1)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now, note = monotonic(), ""
            if now - self.noted > _NOTE_EVERY_S:
                self.noted, note = now, f"loss {float((logs or {}).get('loss', math.nan)):.4f}"
            progress.advance(1, note)
            if config.max_seconds is not None and self.seconds() >= config.max_seconds:
                model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            loss = float((logs or {})["loss"])
            if not math.isfinite(loss):
                self.diverged = loss
                model.stop_training = True
                return
            row: Row = {"epoch": epoch + 1, "loss": loss, "learning_rate": self.rate}
            row |= {key: float(value) for key, value in task.validate(model).items()}
            row["seconds"] = self.seconds()
            self.state = self.next_state(row)
            reason = stop_reason(self.state, config)
            if reason is not None:
                model.stop_training = True
            if work_dir is not None:
                checkpoint.save(work_dir, model, self.state)
            now = monotonic()
            if self.state.done or now - self.said >= _SAY_EVERY_S:
                self.said = now
                progress.say(_line(row, config, self.state.epoch - state.epoch, state.seconds))

        def next_state(self, row: Row) -> RunState:
            last, value = self.state, float(row[task.monitor])
            best = last.history[last.best_epoch - 1] if last.best_epoch else None
            improved = task.better(row, best)
            after = RunState(
                identity=last.identity,
                epoch=int(row["epoch"]),
                seconds=float(row["seconds"]),
                history=(*last.history, row),
                best_epoch=int(row["epoch"]) if improved else last.best_epoch,
                best_value=value if improved else last.best_value,
                best_weights=tuple(model.get_weights()) if improved else last.best_weights,
            )
            return replace(after, done=stop_reason(after, config) is not None)

    return Follow()


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

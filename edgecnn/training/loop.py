"""The training loop that classification and detection share.

A task brings batches (a pure function of epoch and index, so that an interrupted run continues as
if nothing had happened), a loss and a validation figure. The loop adds the learning rate schedule,
the history, early stopping, the best weights, a time budget, checkpoints and progress.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.training import checkpoint
from edgecnn.training.checkpoint import Row, RunState
from edgecnn.training.config import TrainConfig
from edgecnn.training.follow import Follow, stop_reason
from edgecnn.training.fused_norm import fused_batch_norm
from edgecnn.training.keras_setup import device_name, import_keras
from edgecnn.training.optimizers import make_optimizer
from edgecnn.training.task import Batches, FitTask

__all__ = ["Batches", "FitResult", "FitTask", "compile_model", "fit"]


@dataclass(frozen=True)
class FitResult:
    """A finished run; the model holds the weights of ``best_epoch``.

    Attributes:
        history: a row per epoch: ``epoch`` (from 1), ``loss``, ``learning_rate``, ``seconds``
            (since the start, resumed parts included) and the validation figures.
        best_epoch, best_value: of ``monitor``.
        seconds: of all epochs, resumed ones included.
        device: what trained it, for example ``GPU (tensorflow)``.
        resumed_at: epochs that were already done when this call began.
        stopped_by: ``epochs``, ``patience`` or ``time``.
    """

    history: tuple[Row, ...]
    best_epoch: int
    best_value: float
    seconds: float
    device: str
    resumed_at: int
    stopped_by: str


def fit(
    model: Any,
    task: FitTask,
    config: TrainConfig,
    *,
    progress: Progress | None = None,
    work_dir: Path | None = None,
    resume: bool = False,
) -> FitResult:
    """Trains ``model`` in place and leaves the best epoch's weights in it.

    Args:
        model: an uncompiled Keras model.
        task: batches, loss, validation.
        config: how long and how hard.
        progress: told of each batch and epoch.
        work_dir: where the checkpoint lives; None: no checkpoint.
        resume: continue from the checkpoint in ``work_dir``, if there is one.

    Raises:
        UsageError: the checkpoint belongs to another run, the folder cannot be written to, or the
            loss stopped being a number.
        KeyboardInterrupt: after Ctrl-C; the last whole epoch is in the checkpoint.
    """
    progress = progress or SilentProgress()
    compile_model(model, task, config)
    state = RunState({**config.to_json(), **task.facts})
    if resume and work_dir is not None:
        state = checkpoint.restore(work_dir, model, state.facts) or state
    resumed_at, steps = state.epoch, len(task.train)
    progress.stage("train", config.epochs * steps)
    if resumed_at:
        progress.advance(resumed_at * steps)
        progress.say(f"continued after epoch {resumed_at} of {config.epochs}")
    if not state.done:
        state = _run(model, task, config, state, progress, work_dir)
    model.set_weights(list(state.best_weights))
    return FitResult(
        history=state.history,
        best_epoch=state.best_epoch,
        best_value=float(state.best_value if state.best_value is not None else math.nan),
        seconds=state.seconds,
        device=device_name(),
        resumed_at=resumed_at,
        stopped_by=stop_reason(state, config) or "epochs",
    )


def compile_model(model: Any, task: FitTask, config: TrainConfig) -> None:
    """Compiles ``model`` with the optimizer that ``config`` names, its variables built."""
    optimizer = make_optimizer(config, task.rates)
    # TensorFlow's XLA compiles for minutes on a CPU before the first step; JAX needs it.
    jit = False if import_keras().backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer=optimizer, loss=task.loss, jit_compile=jit)
    optimizer.build(model.trainable_variables)


def _run(
    model: Any,
    task: FitTask,
    config: TrainConfig,
    state: RunState,
    progress: Progress,
    work_dir: Path | None,
) -> RunState:
    """Trains from ``state`` to the end and returns the last state."""
    watch = Follow(model, task, config, state, progress, work_dir)
    steps = len(task.train)
    try:
        with fused_batch_norm(model):
            model.fit(
                _stream(task.train, state.epoch, config.epochs),
                epochs=config.epochs,
                initial_epoch=state.epoch,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                callbacks=[watch.callback()],
            )
    except KeyboardInterrupt:
        if watch.kept:
            progress.say(f"interrupted; epoch {watch.kept} is kept, continue with --resume")
        raise
    if watch.diverged is not None:
        raise UsageError(
            f"the loss became {watch.diverged} in epoch {watch.state.epoch + 1}",
            hint=f"lower learning_rate (now {config.learning_rate:g})",
        )
    return watch.state


def _stream(train: Batches, first_epoch: int, epochs: int) -> Any:
    """All batches still to come as one Keras dataset: the index alone says epoch and batch.

    One long data set instead of one per epoch, since Keras' workers fetch ahead over the border
    between epochs.
    """
    keras = import_keras()
    steps = len(train)

    class Stream(keras.utils.PyDataset):  # type: ignore[name-defined]
        def __len__(self) -> int:
            return (epochs - first_epoch) * steps

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return train.batch(first_epoch + index // steps, index % steps)

    return Stream(workers=1, use_multiprocessing=False, max_queue_size=8)

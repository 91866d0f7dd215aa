"""Optimizers of the shared loop: rates of their own for some variables, averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edgecnn.training.config import TrainConfig
from edgecnn.training.keras_setup import import_keras

_AVERAGED = 3.0  # the average reaches back over one part in so many of the steps


def make_optimizer(config: TrainConfig, rates: Mapping[str, float]) -> Any:
    """The optimizer that ``config`` names.

    Args:
        config: settings.
        rates: a variable's path → factor on the learning rate. The step is scaled, not the
            gradient, whose scale Adam cancels.
    """
    keras = import_keras()
    common: dict[str, Any] = {
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "global_clipnorm": config.clip_norm or None,
    }
    if config.ema:
        # Overwriting is ours: the callback looks at the averages without ending the run on them.
        common |= {"use_ema": True, "ema_momentum": config.ema}
    if config.optimizer == "adamw":
        base = keras.optimizers.AdamW
    else:
        base, common = keras.optimizers.SGD, {**common, "momentum": 0.9, "nesterov": True}
    optimizer = _tuned(base, rates)(**common) if rates or config.ema else base(**common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _tuned(base: Any, rates: Mapping[str, float]) -> Any:
    """A subclass of an optimizer: steps scaled by ``rates``, an average that grows with the run.

    The average is over about the last third of the steps so far: a run that time or patience ends
    early has a good one too, and validation means something from the first epoch on.
    """
    ops = import_keras().ops

    class Tuned(base):
        @property
        def ema_momentum(self) -> Any:
            done = ops.cast(self.iterations, "float32")
            return ops.minimum(self._most_momentum, 1.0 - _AVERAGED / (done + _AVERAGED + 1.0))

        @ema_momentum.setter
        def ema_momentum(self, most: float) -> None:
            self._most_momentum = most

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            # The backend hands its own variable over, which does not know Keras' path.
            path = self._trainable_variables[self._get_variable_index(variable)].path
            return super().update_step(gradient, variable, learning_rate * rates.get(path, 1.0))

    return Tuned


@contextmanager
def averaged(model: Any, config: TrainConfig) -> Iterator[None]:
    """The model with the averages of its weights inside the context; nothing without averages."""
    if not config.ema:
        yield
        return
    variables = model.trainable_variables
    now = [import_keras().ops.convert_to_numpy(variable) for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, now, strict=True):
            variable.assign(value)

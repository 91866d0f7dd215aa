"""Optimizers of the shared loop: rates of their own for some variables, averaged weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edgecnn.training.config import TrainConfig
from edgecnn.training.keras_setup import import_keras


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
    optimizer = _rated(base, rates)(**common) if rates else base(**common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _rated(base: Any, rates: Mapping[str, float]) -> Any:
    """A subclass of an optimizer that scales the steps of the variables named in ``rates``."""

    class Rated(base):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> Any:
            # The backend hands its own variable over, which does not know Keras' path.
            path = self._trainable_variables[self._get_variable_index(variable)].path
            return super().update_step(gradient, variable, learning_rate * rates.get(path, 1.0))

    return Rated


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

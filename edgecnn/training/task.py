"""What the shared loop is handed by a task: batches, a loss and a validation figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Batches(Protocol):
    """The training split, cut into batches."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def batch(self, epoch: int, index: int) -> tuple[Any, Any]:
        """Batch ``index`` of ``epoch`` (both from 0): (x, y), float32 arrays or dicts of them.

        Must depend on its arguments alone; called from a worker thread.
        """


@dataclass(frozen=True)
class FitTask:
    """What is trained for.

    Attributes:
        train: the batches.
        loss: as ``keras.Model.compile`` takes it.
        validate: model → figures of the validation split, called after each epoch.
        monitor: the figure that picks the best epoch.
        maximize: whether more of it is better.
        tie_break: a figure of which less is better, for epochs that ``monitor`` calls equal.
        facts: what a checkpoint depends on beside the config, by a name for messages, JSON values;
            a checkpoint of other facts is refused.
        rates: a variable's path → factor on its learning rate.
    """

    train: Batches
    loss: Any
    validate: Callable[[Any], Mapping[str, float]]
    monitor: str
    maximize: bool = True
    tie_break: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)

    def better(self, row: Mapping[str, float], best: Mapping[str, float] | None) -> bool:
        """Whether an epoch's figures beat the best epoch's; NaN beats nothing but no figure."""
        if best is None:
            return True
        value, limit = row[self.monitor], best[self.monitor]
        if value == limit and self.tie_break is not None:
            return row[self.tie_break] < best[self.tie_break]
        return value > limit if self.maximize else value < limit

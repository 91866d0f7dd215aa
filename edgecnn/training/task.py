"""What the shared loop is handed by a task: batches, a loss and a validation figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
        data_identity: names the data (for example its split record's hash); a checkpoint of other
            data is refused.
    """

    train: Batches
    loss: Any
    validate: Callable[[Any], Mapping[str, float]]
    monitor: str
    maximize: bool = True
    data_identity: str = ""
    tie_break: str | None = None

    def better(self, row: Mapping[str, float], best: Mapping[str, float] | None) -> bool:
        """Whether an epoch's figures beat the best epoch's; NaN beats nothing but no figure."""
        if best is None:
            return True
        value, limit = row[self.monitor], best[self.monitor]
        if value == limit and self.tie_break is not None:
            return row[self.tie_break] < best[self.tie_break]
        return value > limit if self.maximize else value < limit

"""The kind ``classify``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import Activation, Task


@dataclass(frozen=True)
class ClassifySpec:
    """One score per class.

    Attributes:
        scores: name of the output, (1, classes).
        labels: one per class.
        activation: what the decoder applies to the real values to get probabilities.
    """

    scores: str
    labels: tuple[str, ...]
    activation: Activation = "none"
    kind: Literal["classify"] = "classify"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.one_of("activation", self.activation, get_args(Activation))
        checks.strings("labels", self.labels)
        checks.name("scores", self.scores)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "classify"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        return (self.scores,)

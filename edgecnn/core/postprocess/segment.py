"""The kind ``segment``: a class for every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from edgecnn.core.postprocess import checks
from edgecnn.core.postprocess.base import Activation, Task


@dataclass(frozen=True)
class SegmentSpec:
    """A map of classes over the whole input.

    Attributes:
        scores: name of the output: (1, rows, cols, columns) of scores, or (1, rows, cols) of class
            numbers.
        labels: one per class; of a single column one, what the pixels above the threshold are.
        rows, cols: of the map.
        stride: input pixels (x, y) per cell; the map lies over the input from its upper left
            corner on.
        transposed: the output is (1, columns, rows, cols).
        class_numbers: whether the values are numbers of classes, not scores.
        background: the number of the class that is not reported; −1: all are.
        activation: applied to the scores' real values; ``softmax`` over the columns.
        score_threshold: of a single column: the lowest score that counts; of several: pixels
            whose best score is lower belong to no class.
    """

    scores: str
    labels: tuple[str, ...]
    rows: int
    cols: int
    stride: tuple[float, float] = (1.0, 1.0)
    transposed: bool = False
    class_numbers: bool = False
    background: int = -1
    activation: Activation = "none"
    score_threshold: float = 0.0
    kind: Literal["segment"] = "segment"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        checks.name("scores", self.scores)
        checks.strings("labels", self.labels)
        for key in ("rows", "cols"):
            checks.whole(key, getattr(self, key), 1, 8192)
        checks.numbers("stride", self.stride, 2)
        checks.flag("transposed", self.transposed)
        checks.flag("class_numbers", self.class_numbers)
        checks.whole("background", self.background, -1, max(len(self.labels) - 1, 0))
        checks.one_of("activation", self.activation, get_args(Activation))
        checks.fraction("score_threshold", self.score_threshold)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "segment"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        return (self.scores,)

    def with_threshold(self, score: float) -> SegmentSpec:
        """The same spec with another threshold."""
        return replace(self, score_threshold=score)

"""Is a classifier better than chance, and if not, what is the likely cause?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.metric import Metric
from edgecnn.evaluation.classification import confusion_matrix

#: Samples from which on the verdict is given.
LEAST = 50
#: What a model must reach beyond the share of the largest class, as a share of the images.
MARGIN = 0.05
# Accuracy that another numbering of the classes must give, beyond the largest class's share.
_REORDERED = 0.2
_ONE_ANSWER = 0.8


@dataclass(frozen=True)
class Chance:
    """A classifier that is hardly better than always giving the commonest class.

    Attributes:
        metric: its accuracy.
        share: of the largest class.
        reordered: accuracy if the model's classes were numbered so as to fit the labels best.
        answer: the class that it gives most often, and how often.
        name: of that class.
    """

    metric: Metric
    share: float
    reordered: float
    answer: float
    name: str

    @property
    def other_order(self) -> bool:
        """Whether the classes are known but numbered in another way."""
        return self.reordered >= self.share + _REORDERED

    def __str__(self) -> str:
        """What was measured, and the likely cause: one line."""
        metric = self.metric
        text = (
            f"{100 * metric.value:.1f} % of {metric.n} images are right (95 % at most"
            f" {100 * metric.high:.1f} %), always saying the commonest class gives"
            f" {100 * self.share:.1f} %"
        )
        if self.other_order:
            return (
                f"{text}; the classes are told apart but numbered in another order: in the best"
                f" order {100 * self.reordered:.1f} %"
            )
        if self.answer >= _ONE_ANSWER:
            text += f"; it says '{self.name}' of {100 * self.answer:.0f} % of them"
        return f"{text}: the images reach the model in a wrong way, or it has learned nothing"


def chance_level(metric: Metric | None, labels: Sequence[str]) -> Chance | None:
    """What is wrong where the accuracy's upper 95 % bound is below the largest class + 5 points.

    Args:
        metric: of :func:`edgecnn.evaluation.classification.classification_metric`; others and
            None give None, as do fewer than :data:`LEAST` samples.
        labels: of the model.
    """
    if metric is None or metric.name != "accuracy" or metric.n < LEAST:
        return None
    if "confusion" not in metric.extra:
        return None
    confusion = np.asarray(metric.extra["confusion"], np.int64)
    share = float(confusion.sum(axis=1).max() / metric.n)
    if metric.high >= share + MARGIN:
        return None
    answers = confusion.sum(axis=0)
    most = int(answers.argmax())
    matched = float(_matched(confusion) / metric.n)
    return Chance(metric, share, matched, float(answers[most] / metric.n), labels[most])


def chance_hint(chance: Chance) -> str:
    """What to do about it."""
    if chance.other_order:
        return "name the classes in the model's order (--labels or --postprocess), or --force"
    return "try another --input-range or --colour, or a --preprocess FILE; --force goes on"


def best_matching(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> float:
    """Accuracy if each of the model's classes stood for the label that fits it best, one to one.

    >>> best_matching(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1]), 2)
    0.75
    """
    return float(_matched(confusion_matrix(truth, guess, classes)) / max(len(truth), 1))


def _matched(confusion: NDArray[np.int64]) -> int:
    """The sum of a greedy matching: the largest count first, then of the rows and columns left."""
    left, total = confusion.copy(), 0
    for _ in range(min(confusion.shape)):
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        count = int(left[row, column])
        if count <= 0:
            break
        total += count
        left[row, :] = -1
        left[:, column] = -1
    return total

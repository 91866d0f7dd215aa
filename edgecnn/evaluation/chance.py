"""Is a model better than chance, and if not, what is the likely cause?

For a classifier chance is the share of the largest class, for a detector it is to find nothing.
"""

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
#: Boxes from which on the verdict on a detector is given, and the mAP@0.5 that it must reach.
LEAST_BOXES = 20
LEAST_PRECISION = 0.01
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
    def what(self) -> str:
        """The verdict, as what one says of the model."""
        return "is no better than chance"

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.other_order:
            return "name the classes in the model's order (--labels or --postprocess), or --force"
        return "try another --input-range or --colour, or a --preprocess FILE; --force goes on"

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


@dataclass(frozen=True)
class FindsNothing:
    """A detector whose boxes or points do not fit the boxes of the data.

    Attributes:
        metric: its mAP@0.5, or the F1 of its points.
        boxes: that are to be found.
        shown: how many boxes it shows at its thresholds; of points 1 stands for any.
        other_class: how many of those fit a box of another class.
    """

    metric: Metric
    boxes: int
    shown: int
    other_class: int

    @property
    def what(self) -> str:
        """The verdict, as what one says of the model."""
        return "finds as good as nothing"

    @property
    def other_order(self) -> bool:
        """Whether the boxes fit but for their classes."""
        return self.other_class >= _REORDERED * self.boxes

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.other_order:
            return "name the classes in the model's order (--labels or --postprocess), or --force"
        if not self.shown:
            return "train for longer, or on data that shows what is here; --force goes on"
        return "check the coordinates (edgecnn data check) and the specs; --force goes on"

    def __str__(self) -> str:
        """What was measured, and the likely cause: one line."""
        metric = self.metric
        name = "F1" if metric.name == "f1" else "mAP@0.5"
        text = (
            f"{name} {100 * metric.value:.1f} % on {metric.n} images with {self.boxes} boxes"
            f" (95 % at most {100 * metric.high:.1f} %)"
        )
        if not self.shown:
            return f"{text}; no score reaches its thresholds"
        if metric.name == "f1":
            return f"{text}; next to no point lies in a box of its class"
        text += f"; {self.shown} boxes are shown"
        if self.other_order:
            return (
                f"{text}, {self.other_class} of them fit a box of another class: the classes are"
                " numbered in another order"
            )
        return (
            f"{text}, next to none of them where one is: it has learned nothing, or the"
            " coordinates are read in another way"
        )


def chance_level(metric: Metric | None, labels: Sequence[str]) -> Chance | FindsNothing | None:
    """What is wrong with a model that is no better than chance.

    Args:
        metric: of :func:`edgecnn.evaluation.classification.classification_metric`: the accuracy's
            upper 95 % bound must reach the largest class's share + 5 points, from :data:`LEAST`
            samples on; of :func:`edgecnn.evaluation.detection.detection_metric` with thresholds:
            the mAP's upper bound must reach :data:`LEAST_PRECISION`, from :data:`LEAST_BOXES` boxes
            on; F1 of :func:`edgecnn.evaluation.centroids.centroid_metric` likewise. Others and
            None give None.
        labels: of the model.
    """
    if metric is not None and metric.name == "f1":
        return _finds_nothing(metric, None)
    if metric is None or "confusion" not in metric.extra:
        return None
    confusion = np.asarray(metric.extra["confusion"], np.int64)
    if metric.name == "map50":
        return _finds_nothing(metric, confusion)
    if metric.name != "accuracy" or metric.n < LEAST:
        return None
    share = float(confusion.sum(axis=1).max() / metric.n)
    if metric.high >= share + MARGIN:
        return None
    answers = confusion.sum(axis=0)
    most = int(answers.argmax())
    matched = float(_matched(confusion) / metric.n)
    return Chance(metric, share, matched, float(answers[most] / metric.n), labels[most])


def _finds_nothing(metric: Metric, confusion: NDArray[np.int64] | None) -> FindsNothing | None:
    """The verdict on a detector; the last row and column of ``confusion`` are the background."""
    boxes = int(metric.extra.get("boxes", 0))
    if boxes < LEAST_BOXES or metric.high >= LEAST_PRECISION:
        return None
    if confusion is None:
        return FindsNothing(metric, boxes, int(metric.extra.get("precision") is not None), 0)
    known = confusion[:-1, :-1]
    other = int(known.sum() - np.trace(known))
    return FindsNothing(metric, boxes, int(confusion[:, :-1].sum()), other)


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

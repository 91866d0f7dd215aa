"""Plain classifiers: one output, one score per class."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels


def class_count(outputs: Sequence[TensorInfo]) -> int | None:
    """How many classes a plain classifier's one output scores; None: it is none."""
    if len(outputs) != 1 or not outputs[0].shape:
        return None
    *rest, classes = outputs[0].shape
    return classes if classes >= 2 and all(size == 1 for size in rest) else None


def plain_classifier(facts: Facts) -> Recognised | None:
    """One output of (1, classes), or with more axes of 1."""
    info, classes = facts.outputs[0], class_count(facts.outputs)
    if classes is None:
        return None
    return Recognised(
        "classifier",
        ClassifySpec(info.name, class_labels(facts, classes)),
        (f"one output '{info.name}' {list(info.shape)}: a score for each of {classes} classes",),
    )

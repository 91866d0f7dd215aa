"""Plain classifiers: one output, one score per class."""

from __future__ import annotations

from edgecnn.core.postprocess import ClassifySpec
from edgecnn.recognition.facts import Facts
from edgecnn.recognition.found import Recognised
from edgecnn.recognition.labels import class_labels


def plain_classifier(facts: Facts) -> Recognised | None:
    """One output of (1, classes), or with more axes of 1."""
    info = facts.outputs[0]
    classes = info.shape[-1] if info.shape else 0
    if len(facts.outputs) != 1 or classes < 2 or any(size != 1 for size in info.shape[:-1]):
        return None
    labels = class_labels(facts, classes)
    return Recognised(
        "classifier",
        ClassifySpec(info.name, labels),
        (f"one output '{info.name}' {list(info.shape)}: a score for each of {classes} classes",),
    )

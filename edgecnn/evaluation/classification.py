"""Accuracy of a classifier with its interval, its confusion matrix and one score per image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.metric import Metric, wilson_interval


def confusion_matrix(
    truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Counts of (true class, predicted class): int64 (classes, classes)."""
    flat = np.bincount(truth * classes + guess, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def classification_metric(
    truth: Sequence[int] | NDArray[np.int64],
    guess: Sequence[int] | NDArray[np.int64],
    labels: Sequence[str],
) -> Metric:
    """Accuracy with the 95 % Wilson interval.

    Args:
        truth: true classes, one per image.
        guess: predicted classes, same order.
        labels: class names.

    Returns:
        ``accuracy``; per_sample is 1.0 where right; extra: ``confusion`` (rows true, columns
        predicted), ``per_class`` {label: recall or None where the class has no image}.
    """
    true = np.asarray(truth, np.int64)
    said = np.asarray(guess, np.int64)
    right = true == said
    low, high = wilson_interval(float(right.sum()), len(true))
    confusion = confusion_matrix(true, said, len(labels))
    totals = confusion.sum(axis=1)
    recall = [float(confusion[i, i] / totals[i]) if totals[i] else None for i in range(len(labels))]
    return Metric(
        "accuracy",
        float(right.mean()) if len(true) else 0.0,
        len(true),
        low,
        high,
        per_sample=right.astype(np.float64),
        extra={
            "confusion": confusion.tolist(),
            "per_class": dict(zip(labels, recall, strict=True)),
        },
    )

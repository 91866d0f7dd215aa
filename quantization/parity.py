"""The parity verdict: one metric on the Keras model, the float file and the quantized file."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgecnn.core.errors import QuantizationError
from edgecnn.core.metric import Metric, paired_interval, resampled_interval
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import Predictor
from quantization.types import Drop, MetricFunction

# Points are differences of ratios: 0.3 − 0.1 must not miss a gate of 20 by a rounding error.
_TOLERANCE = 1e-9


def measure(
    metric: MetricFunction,
    predictors: dict[str, Predictor],
    progress: Progress,
) -> dict[str, Metric | None]:
    """Measures each predictor on the same test data.

    Args:
        metric: the measurement.
        predictors: by the names that the result has.
        progress: one stage per predictor.
    """
    results: dict[str, Metric | None] = {}
    for name, predictor in predictors.items():
        progress.stage(f"measure {name}")
        results[name] = metric(predictor)
    return results


def drop(reference: Metric, quantized: Metric) -> Drop:
    """How many points the quantized model lost, with a 95 % interval.

    Where both metrics carry one score per test sample the interval is paired: the mean of the
    differences with its adjusted Wald interval (:func:`edgecnn.core.metric.paired_interval`).
    Where both carry the figure on the same resamples of the data (mAP) it is the paired bootstrap
    of :func:`edgecnn.core.metric.resampled_interval`. Otherwise the two metrics' own intervals are
    joined by Newcombe's square-and-add rule (1998), which takes them as independent: too wide,
    never too narrow, for one data set.

    Args:
        reference: the float model's metric.
        quantized: the quantized model's metric, on the same samples in the same order.

    Raises:
        QuantizationError: the two were measured on different data or are different metrics.
    """
    if reference.name != quantized.name or reference.n != quantized.n:
        raise QuantizationError(
            f"'{reference.name}' on {reference.n} samples cannot be compared with"
            f" '{quantized.name}' on {quantized.n}",
            hint="measure both models with one metric on the same test data",
        )
    points = 100 * float(reference.value - quantized.value)
    if reference.per_sample is not None and quantized.per_sample is not None:
        low, high = _paired(reference.per_sample, quantized.per_sample, paired_interval)
        return Drop(points, 100 * low, 100 * high, reference.n, paired=True)
    if reference.resampled is not None and quantized.resampled is not None:
        low, high = _paired(reference.resampled, quantized.resampled, resampled_interval)
        return Drop(points, 100 * low, 100 * high, reference.n, paired=True)
    low = math.hypot(reference.value - reference.low, quantized.high - quantized.value)
    high = math.hypot(reference.high - reference.value, quantized.value - quantized.low)
    return Drop(points, points - 100 * low, points + 100 * high, reference.n, paired=False)


def within(drop_points: float, max_drop: float | None) -> bool:
    """Whether the point estimate meets the gate (None: no gate)."""
    return max_drop is None or drop_points <= max_drop + _TOLERANCE


def _paired(
    first: np.ndarray, second: np.ndarray, interval: Callable[..., tuple[float, float]]
) -> tuple[float, float]:
    if first.shape != second.shape:
        raise QuantizationError(
            f"{first.shape} and {second.shape} scores cannot be paired",
            hint="measure both models on the same test data",
        )
    return interval(first, second)

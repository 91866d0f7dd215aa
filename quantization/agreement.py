"""How far a quantized model agrees with the float one on unlabelled samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.metric import Metric, wilson_interval
from edgecnn.core.runtime import Predictor
from quantization.types import MetricFunction, SampleDict

NAME = "agreement"
Z95 = 1.959964
_MOST_ERRORS = 512
"""Errors that each margin is tried against."""
_LEAST_SHARE = 1 / 512
"""Half a code of an 8-bit softmax: smaller probabilities are unknown."""


def agreement_metric(reference: Predictor, samples: Sequence[SampleDict]) -> MetricFunction:
    """A metric that needs no labels: 1 for the float model itself.

    For an output that is a row of scores it is the share of samples expected to keep their best
    class. A hundred samples show a flip or none where one in three hundred is at stake, so each
    sample's margin (its best class above the next, in float) is tried against the errors of the
    margin seen on all samples, as if any of them could have hit it. For other outputs it is the
    mean over samples of 1 − (mean square error / mean square of the float output), not below 0.
    With several outputs a sample counts as its worst.

    Args:
        reference: the float model.
        samples: real values, {input name: float32 (1, …)}.
    """
    wanted = [real_outputs(reference, sample) for sample in samples]

    def measure(predictor: Predictor) -> Metric:
        given = [real_outputs(predictor, sample) for sample in samples]
        columns = zip(zip(*wanted, strict=True), zip(*given, strict=True), strict=True)
        scores = np.min([_scores(first, second) for first, second in columns], axis=0)
        value, n = float(scores.mean()), len(scores)
        if set(np.unique(scores)) <= {0.0, 1.0}:
            low, high = wilson_interval(float(scores.sum()), n)
        else:
            half = Z95 * float(scores.std()) / np.sqrt(n)
            low, high = max(0.0, value - half), min(1.0, value + half)
        return Metric(NAME, value, n, low, high, scores)

    return measure


def real_outputs(predictor: Predictor, sample: SampleDict) -> list[NDArray[Any]]:
    """One sample through a model, whatever its dtypes.

    Args:
        predictor: the model.
        sample: real values, {input name: float32 (1, …)}.

    Returns:
        Real values of the outputs, in the model's order.
    """
    raw = predictor.predict({i.name: i.quantize(sample[i.name]) for i in predictor.inputs})
    return [info.dequantize(raw[info.name]) for info in predictor.outputs]


def _scores(wanted: Sequence[NDArray[Any]], given: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """One score in [0, 1] per sample, of one output."""
    if wanted[0].ndim == 2 and wanted[0].shape[1] > 1:
        return _expected_flips(np.concatenate(wanted), np.concatenate(given))
    return np.array([_likeness(a, b) for a, b in zip(wanted, given, strict=True)])


def _expected_flips(wanted: NDArray[Any], given: NDArray[Any]) -> NDArray[np.float64]:
    """The share of errors under which each sample keeps its best class. (samples, classes) each."""
    first, second = _logits(wanted), _logits(given)
    rows = np.arange(len(first))
    best = first.argmax(axis=1)

    def margins(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        rest = scores.copy()
        rest[rows, best] = -np.inf
        return np.asarray(scores[rows, best] - rest.max(axis=1))

    margin = margins(first)
    errors = margins(second) - margin
    errors = errors[:: max(1, len(errors) // _MOST_ERRORS)]
    # A tie keeps the class, or two classes with one code would be a flip of the float model.
    return np.mean(margin[:, None] + errors[None, :] >= 0.0, axis=1)


def _logits(scores: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities as logits, so that errors do not shrink where a model is sure; others as is."""
    values = np.asarray(scores, np.float64)
    sums = values.sum(axis=1)
    if values.min() < 0.0 or not np.allclose(sums, 1.0, atol=0.05):
        return values
    return np.log(np.maximum(values, _LEAST_SHARE))


def _likeness(wanted: NDArray[Any], given: NDArray[Any]) -> float:
    power = float(np.mean(np.square(wanted, dtype=np.float64)))
    error = float(np.mean(np.square(wanted.astype(np.float64) - given)))
    if power == 0.0:
        return float(error == 0.0)
    return max(0.0, 1.0 - error / power)

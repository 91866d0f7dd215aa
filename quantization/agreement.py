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


def agreement_metric(reference: Predictor, samples: Sequence[SampleDict]) -> MetricFunction:
    """A metric that needs no labels: 1 for the float model itself.

    Where every output is a row of scores it is the share of samples with the same best class; for
    other outputs the mean over samples of 1 − (mean square error / mean square of the float
    output), not below 0.

    Args:
        reference: the float model.
        samples: real values, {input name: float32 (1, …)}.
    """
    wanted = [real_outputs(reference, sample) for sample in samples]

    def measure(predictor: Predictor) -> Metric:
        scores = np.array(
            [
                min(_alike(a, b) for a, b in zip(row, real_outputs(predictor, sample), strict=True))
                for row, sample in zip(wanted, samples, strict=True)
            ]
        )
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


def _alike(wanted: NDArray[Any], given: NDArray[Any]) -> float:
    if wanted.ndim == 2 and wanted.shape[1] > 1:
        return float(wanted.argmax() == given.argmax())
    power = float(np.mean(np.square(wanted, dtype=np.float64)))
    error = float(np.mean(np.square(wanted.astype(np.float64) - given)))
    if power == 0.0:
        return float(error == 0.0)
    return max(0.0, 1.0 - error / power)

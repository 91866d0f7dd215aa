from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from edgecnn.core.runtime import TensorInfo
from quantization.agreement import agreement_metric


class Fixed:
    """Gives the rows of a table, one per sample."""

    def __init__(self, rows):
        self.rows = {float(k): row for k, row in enumerate(rows)}
        self.inputs = (TensorInfo("x", (1, 1), "float32"),)
        self.outputs = (TensorInfo("y", (1, len(rows[0])), "float32"),)

    def predict(self, inputs):
        return {"y": np.array([self.rows[float(inputs["x"][0, 0])]], np.float32)}


def samples(count):
    return [{"x": np.full((1, 1), k, np.float32)} for k in range(count)]


def test_margins_are_tried_against_all_errors():
    reference = Fixed([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]])
    measure = agreement_metric(reference, samples(3))
    assert measure(reference).value == 1.0
    # Errors of the margins: −1.5, −0.75, +1; margins: 2, 1, 0.5.
    other = measure(Fixed([[0.5, 0.0], [0.0, 0.25], [1.5, 0.0]]))
    np.testing.assert_allclose(other.per_sample, [1, 2 / 3, 1 / 3])
    assert other.value == pytest.approx(2 / 3)
    assert other.n == 3
    assert other.low < other.value < other.high


def test_probabilities_are_taken_as_logits():
    reference = Fixed([[0.9, 0.1], [0.6, 0.4]])
    # The sure sample's error is small as a probability, but would turn the other one over.
    other = agreement_metric(reference, samples(2))(Fixed([[0.8, 0.2], [0.6, 0.4]]))
    np.testing.assert_allclose(other.per_sample, [1, 1 / 2])


def test_a_hundred_samples_tell_what_many_would():
    random = np.random.default_rng(1)

    def pair(count):
        clean = random.normal(size=(count, 10)) * 3
        return clean, clean + random.normal(size=(count, 10)) * 0.05

    clean, noisy = pair(200_000)
    truth = np.mean(clean.argmax(axis=1) == noisy.argmax(axis=1))
    estimates, counts = [], []
    for _ in range(20):
        rows, changed = pair(100)
        found = agreement_metric(Fixed(rows), samples(100))(Fixed(changed))
        estimates.append(found.value)
        counts.append(np.mean(rows.argmax(axis=1) == changed.argmax(axis=1)))
    assert abs(np.mean(estimates) - truth) < 0.003
    assert np.std(estimates) < np.std(counts)


def test_other_outputs_are_compared_by_their_error():
    reference = Fixed([[2.0], [4.0]])
    measure = agreement_metric(reference, samples(2))
    assert measure(reference).value == 1.0
    found = measure(Fixed([[1.0], [4.0]]))
    assert found.value == pytest.approx((1 - 1 / 4 + 1) / 2)
    assert measure(Fixed([[100.0], [100.0]])).value == 0.0


def test_integer_outputs_are_taken_as_real_values():
    reference = Fixed([[2.0], [4.0]])
    coded = SimpleNamespace(
        inputs=reference.inputs,
        outputs=(TensorInfo("y", (1, 1), "int8", 0.5, -4),),
        predict=lambda inputs: {"y": np.array([[int(2 * (2 + 2 * inputs["x"][0, 0])) - 4]], "i1")},
    )
    assert agreement_metric(reference, samples(2))(coded).value == 1.0

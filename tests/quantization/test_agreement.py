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


def test_best_classes_are_compared():
    reference = Fixed([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    measure = agreement_metric(reference, samples(3))
    assert measure(reference).value == 1.0
    other = measure(Fixed([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]]))
    assert other.value == pytest.approx(2 / 3)
    assert other.n == 3
    np.testing.assert_array_equal(other.per_sample, [1, 0, 1])
    assert other.low < other.value < other.high


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

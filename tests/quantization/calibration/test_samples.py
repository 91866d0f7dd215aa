from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.errors import DataError
from edgecnn.core.runtime import TensorInfo
from quantization.calibration.samples import RepresentativeDataset, check_sample, first_samples

INPUTS = (TensorInfo("image", (1, 2, 2, 1), "float32"), TensorInfo("extra", (1, 3), "float32"))


def sample(value: float = 0.5):
    return {
        "extra": np.full((1, 3), value, np.float32),
        "image": np.full((1, 2, 2, 1), -value, np.float32),
    }


def test_arrays_come_in_the_models_order():
    arrays = check_sample(sample(), INPUTS, 0)
    assert [a.shape for a in arrays] == [(1, 2, 2, 1), (1, 3)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image": np.full((1, 2, 2, 1), np.nan, np.float32)}, "NaN or infinity"),
        ({"image": np.full((1, 2, 2, 1), np.inf, np.float32)}, "NaN or infinity"),
        ({"image": np.zeros((2, 2, 1), np.float32)}, r"shape \(2, 2, 1\), expected \(1, 2, 2, 1\)"),
        ({"image": np.zeros((1, 2, 2, 1), np.float64)}, "dtype float64, expected float32"),
        ({"image": np.zeros((1, 2, 2, 1), np.uint8)}, "dtype uint8, expected float32"),
        ({"other": np.zeros(1)}, "the model takes"),
    ],
)
def test_bad_samples_are_named(change, text):
    with pytest.raises(DataError, match=text) as caught:
        check_sample(sample() | change, INPUTS, 7)
    assert "calibration sample 7" in caught.value.message


def test_not_a_dict():
    with pytest.raises(DataError, match="is a ndarray, expected a dict"):
        check_sample(np.zeros(3), INPUTS, 0)


def test_empty():
    with pytest.raises(DataError, match="no samples"):
        list(RepresentativeDataset(lambda: iter(()), INPUTS, 5)())
    with pytest.raises(DataError, match="no samples"):
        first_samples(lambda: iter(()), INPUTS, 5)


def test_too_few_warns_with_numbers_and_enough_does_not():
    dataset = RepresentativeDataset(lambda: (sample(k) for k in range(3)), INPUTS, 5)
    assert len(list(dataset())) == dataset.seen == 3
    assert "only 3 calibration samples, the recipe asks for 5" in dataset.warnings[0]
    enough = RepresentativeDataset(lambda: (sample(k) for k in range(9)), INPUTS, 5)
    assert len(list(enough())) == 5
    assert enough.warnings == ()


def test_constant_samples_warn():
    zeros = {info.name: np.zeros(info.shape, np.float32) for info in INPUTS}
    dataset = RepresentativeDataset(lambda: iter([zeros]), INPUTS, 1)
    list(dataset())
    assert "every calibration value is 0" in dataset.warnings[0]


def test_each_pass_is_fresh():
    dataset = RepresentativeDataset(lambda: (sample(k) for k in range(4)), INPUTS, 2)
    first, second = list(dataset()), list(dataset())
    np.testing.assert_array_equal(first[1][1], second[1][1])

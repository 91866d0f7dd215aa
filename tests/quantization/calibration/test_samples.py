from __future__ import annotations

from collections import Counter
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.core.errors import DataError
from edgecnn.core.runtime import TensorInfo
from quantization.calibration.samples import (
    balanced,
    check_sample,
    checked,
    first_samples,
)

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
        first_samples(lambda: iter(()), INPUTS, 5)


def test_a_checked_stream_is_lazy_and_stops_at_the_limit():
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield sample(number)

    stream = checked(endless, INPUTS, 3)
    assert taken == []
    assert list(next(stream)) == ["image", "extra"]
    assert taken == [0]
    assert len(list(stream)) == 2
    assert taken == [0, 1, 2]


def test_a_checked_stream_names_the_bad_sample_and_the_empty_set():
    items = [sample(), sample() | {"extra": np.full((1, 3), np.nan, np.float32)}]
    stream = checked(lambda: iter(items), INPUTS, 9)
    next(stream)
    with pytest.raises(DataError, match="calibration sample 1: input 'extra' holds NaN"):
        next(stream)
    with pytest.raises(DataError, match="gave no samples"):
        list(checked(lambda: iter(()), INPUTS, 9))


@given(st.lists(st.sampled_from("abcd"), max_size=60), st.integers(0, 70), st.integers(0, 3))
def test_classes_take_turns(labels, wanted, seed):
    found = balanced(labels, wanted, seed)
    assert len(found) == len(set(found)) == min(wanted, len(labels))
    assert found == balanced(labels, wanted, seed)
    assert balanced(labels, wanted - 1, seed) == found[: max(wanted - 1, 0)]
    chosen, there = Counter(labels[k] for k in found), Counter(labels)
    most = max(chosen.values(), default=0)
    for label, size in there.items():
        assert chosen[label] >= min(most - 1, size)


def test_the_seed_chooses_within_a_class():
    labels = [0] * 50 + [1] * 50
    assert balanced(labels, 20, 1) != balanced(labels, 20, 2)
    # Not simply the first ones: files of a class often come in order.
    assert sorted(balanced(labels, 20, 1))[:10] != list(range(10))

from __future__ import annotations

import numpy as np
import pytest

from quantization.fine_tuning.batches import shuffled_batches
from quantization.fine_tuning.loss import mean_loss

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="needs the [train] extra")

from quantization.fine_tuning.loss import TEMPERATURE, loss  # noqa: E402
from quantization.fine_tuning.train import HELD_OUT, training_part  # noqa: E402
from quantization.tensorflow_import import (  # noqa: E402
    import_keras_on_tensorflow,
    import_tensorflow,
)

flow = import_tensorflow()


def numbered(count):
    return [{"a": np.full((1, 2), k, np.float32), "b": np.full((1, 1), -k)} for k in range(count)]


def test_batches_are_full_shuffled_and_the_same_for_a_seed():
    items = numbered(11)
    first = list(shuffled_batches(items, ["b", "a"], 4, (1, 0)))
    assert [batch[1].shape for batch in first] == [(4, 2)] * 2
    seen = np.concatenate([batch[1][:, 0] for batch in first])
    assert len(set(seen)) == 8 and list(seen) != sorted(seen)
    for left, right in first:
        np.testing.assert_array_equal(left[:, 0], -right[:, 0])
    again = list(shuffled_batches(items, ["b", "a"], 4, (1, 0)))
    other = list(shuffled_batches(items, ["b", "a"], 4, (1, 1)))
    np.testing.assert_array_equal(first[0][1], again[0][1])
    assert not np.array_equal(first[0][1], other[0][1])


def test_a_long_stream_is_shuffled_in_windows(monkeypatch):
    monkeypatch.setattr("quantization.fine_tuning.batches.BUFFER_BYTES", 16 * 8)
    batches = list(shuffled_batches(iter(numbered(40)), ["a"], 4, (0,)))
    assert len(batches) == 10
    assert max(batches[0][0][:, 0]) < 16 <= min(batches[-1][0][:, 0])


def test_every_eighth_sample_judges():
    train = list(training_part(iter(range(20))))
    assert sorted({*range(20)} - {*train}) == [7, 15] and HELD_OUT == 8


def test_both_forms_of_the_loss_agree_with_keras():
    rng = np.random.default_rng(0)
    teacher = [[rng.normal(size=(1, 5)) * 3, rng.normal(size=(1, 2, 2))] for _ in range(6)]
    student = [[a + rng.normal(size=a.shape), b + 0.1] for a, b in teacher]
    kinds = [True, False]
    got = mean_loss(student, teacher, kinds)
    stacked = [
        [flow.constant(np.concatenate([row[k] for row in rows])) for k in (0, 1)]
        for rows in (student, teacher)
    ]
    assert np.isclose(float(loss(flow, *stacked, kinds)), got)
    keras = import_keras_on_tensorflow()
    soft = [flow.nn.softmax(side[0] / TEMPERATURE) for side in stacked]
    divergence = float(keras.losses.KLDivergence()(soft[1], soft[0]))
    power = float(np.square(stacked[1][1].numpy()).mean())
    want = TEMPERATURE**2 * divergence + 0.01 / power
    assert np.isclose(got, want, rtol=1e-4)
    assert mean_loss(teacher, teacher, kinds) == 0

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.core.errors import QuantizationError
from edgecnn.core.metric import Metric, wilson_interval
from quantization.parity import drop, within


def metric(scores, *, paired: bool = True, name: str = "accuracy") -> Metric:
    scores = np.asarray(scores, np.float64)
    low, high = wilson_interval(scores.sum(), len(scores))
    return Metric(name, scores.mean(), len(scores), low, high, scores if paired else None)


def test_paired_interval_equals_agresti_and_min_on_the_2x2_table():
    rng = np.random.default_rng(0)
    right = (rng.random(400) < 0.9).astype(float)
    other = np.where(rng.random(400) < 0.05, 1 - right, right)
    got = drop(metric(right), metric(other))
    # From the table's cells alone: half an observation added to each of the four.
    n, b, c = 402, np.sum((right == 1) & (other == 0)), np.sum((right == 0) & (other == 1))
    centre = (b - c) / n
    half = 1.959964 * math.sqrt((b + c + 1) - (b - c) ** 2 / n) / n
    assert got.paired
    assert got.n == 400
    assert got.points == pytest.approx(100 * (b - c) / 400)
    assert got.low == pytest.approx(100 * (centre - half))
    assert got.high == pytest.approx(100 * (centre + half))


def test_identical_answers_leave_room_for_doubt():
    scores = np.ones(50)
    got = drop(metric(scores), metric(scores))
    assert got.points == 0
    assert got.low < 0 < got.high < 6


def test_paired_interval_covers():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        right = (rng.random(300) < 0.9).astype(float)
        flip_down, flip_up = rng.random(300) < 0.04, rng.random(300) < 0.1
        other = np.where(right == 1, 1 - flip_down, flip_up)
        true = 100 * (0.9 * 0.04 - 0.1 * 0.1)
        got = drop(metric(right), metric(other))
        hits += got.low <= true <= got.high
    assert 0.92 <= hits / 400 <= 0.985


def test_unpaired_interval_is_newcombes():
    left, right = (
        metric([1] * 56 + [0] * 14, paired=False),
        metric([1] * 48 + [0] * 32, paired=False),
    )
    # Newcombe (1998), example a: 56/70 − 48/80, hybrid score interval 0.0524 to 0.3339. The two
    # groups have different sizes there; only the arithmetic is tested.
    right = Metric(right.name, right.value, 70, right.low, right.high)
    got = drop(left, right)
    assert not got.paired
    assert got.points == pytest.approx(20)
    assert (got.low, got.high) == (pytest.approx(5.24, abs=0.01), pytest.approx(33.39, abs=0.01))


def test_different_data_is_refused():
    with pytest.raises(QuantizationError, match="on 3 samples cannot be compared"):
        drop(metric([1, 0, 1]), metric([1, 0]))
    with pytest.raises(QuantizationError, match="map50"):
        drop(metric([1, 0]), metric([1, 0], name="map50"))


def test_gate_is_inclusive_and_survives_rounding():
    assert within(100 * (0.3 - 0.1), 20.0)
    assert not within(20.1, 20.0)
    assert within(99.0, None)


def test_resamples_of_the_same_images_give_a_paired_interval():
    """Two figures that rise and fall together differ by less than their own intervals say."""
    shared = np.random.default_rng(2).normal(0.8, 0.05, 400)
    first = Metric("map50", 0.8, 50, 0.7, 0.9, resampled=shared)
    second = Metric("map50", 0.79, 50, 0.69, 0.89, resampled=shared - 0.01)
    lost = drop(first, second)
    assert lost.paired and (lost.low, lost.high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert lost.points == pytest.approx(1.0)
    with pytest.raises(QuantizationError, match="cannot be paired"):
        drop(first, Metric("map50", 0.79, 50, 0.69, 0.89, resampled=shared[:9]))

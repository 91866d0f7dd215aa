"""The best pairs are scipy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from edgecnn.camera.tracking.assignment import best_pairs, linear_assignment

SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 9))
# Few values, so that there are many ties; and many.
VALUES = st.one_of(
    st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-1, 1).map(lambda value: round(value, 6))
)
WEIGHTS = SHAPES.flatmap(lambda shape: arrays(np.float64, shape, elements=VALUES))


@settings(max_examples=250, deadline=None)
@given(WEIGHTS)
def test_no_matching_weighs_more_than_best_pairs(weights):
    pairs = best_pairs(weights)
    rows, columns = [row for row, _ in pairs], [column for _, column in pairs]
    assert rows == sorted(set(rows))
    assert len(set(columns)) == len(columns)
    assert all(weights[pair] > 0 for pair in pairs)
    worth = np.maximum(weights, 0)
    best = worth[linear_sum_assignment(worth, maximize=True)].sum()
    assert sum(weights[pair] for pair in pairs) == pytest.approx(best, abs=1e-9)


@settings(max_examples=250, deadline=None)
@given(WEIGHTS)
def test_linear_assignment_costs_as_little_as_scipys(cost):
    if cost.shape[0] > cost.shape[1]:
        cost = cost.T
    columns = linear_assignment(cost)
    assert len(set(columns.tolist())) == len(cost)
    assert cost[np.arange(len(cost)), columns].sum() == pytest.approx(
        cost[linear_sum_assignment(cost)].sum(), abs=1e-9
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (40, 40), (100, 100), (60, 130), (130, 60)])
@pytest.mark.parametrize("kind", ["even", "whole", "product", "band"])
def test_large_ones(shape, kind):
    rng = np.random.default_rng(sum(shape))
    weights = {
        "even": lambda: rng.random(shape),
        "whole": lambda: rng.integers(0, 10, shape).astype(float),
        # i · j is the hard case of shortest augmenting paths: every path is long.
        "product": lambda: np.outer(np.arange(shape[0]) + 1.0, np.arange(shape[1]) + 1.0),
        "band": lambda: np.clip(
            1 - np.abs(np.subtract.outer(np.arange(shape[0]), np.arange(shape[1]))) / 4, 0, 1
        ) + rng.random(shape) * 0.01,
    }[kind]()  # fmt: skip
    pairs = best_pairs(weights)
    best = weights[linear_sum_assignment(weights, maximize=True)].sum()
    assert sum(weights[pair] for pair in pairs) == pytest.approx(best, rel=1e-12)

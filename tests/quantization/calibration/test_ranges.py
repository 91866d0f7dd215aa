from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipy_entropy

from quantization.calibration import entropy, mse
from quantization.calibration.grid import INT8, INT16, steps_of
from quantization.calibration.histogram import histogram_of
from quantization.calibration.observers import merged, observed, start
from quantization.calibration.ranges import percentile_range, searched, tensor_ranges
from quantization.graph.params import activation_params
from quantization.parallel.executor import SerialExecutor
from quantization.recipe import get_recipe
from quantization.work import Range

INT8_RECIPE = get_recipe("int8")


def dataset(kind: str, size: int = 60_000) -> np.ndarray:
    rng = np.random.default_rng(7)
    values = {
        "normal": lambda: rng.normal(0, 1, size),
        "relu": lambda: np.maximum(rng.normal(0, 1, size), 0),
        "laplace": lambda: rng.laplace(0, 1, size),
        "skewed": lambda: rng.exponential(1, size) - 0.3,
        "outlier": lambda: np.append(rng.normal(0, 1, size), [100.0]),
        "two outliers": lambda: np.append(rng.normal(0, 1, size), [80.0, -100.0]),
        "uniform": lambda: rng.uniform(-1, 1, size),
        "swish": lambda: (x := rng.normal(0, 2, size)) / (1 + np.exp(-x)),
    }[kind]()
    return values.astype(np.float32)


KINDS = ("normal", "relu", "laplace", "skewed", "outlier", "two outliers", "uniform", "swish")


def fake_quantized_error(values: np.ndarray, low: float, high: float, dtype: str) -> float:
    """Brute force on the values themselves, with the emitter's own scale and zero point."""
    found = activation_params(Range(low, high), dtype)
    least, most = (-128, 127) if dtype == "int8" else (-32767, 32767)
    codes = np.rint(values.astype(np.float64) / found.scale[0]) + found.zero_point[0]
    back = (np.clip(codes, least, most) - found.zero_point[0]) * found.scale[0]
    return float(np.mean((values - back) ** 2))


@pytest.mark.parametrize(("grid", "dtype"), [(INT8, "int8"), (INT16, "int16")])
@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 6.0), (-0.2784, 11.0), (-5.0, 0.0)])
def test_the_grid_is_the_emitters(grid, dtype, low, high):
    scale, first, _ = steps_of(np.array([low]), np.array([high]), grid)
    found = activation_params(Range(low, high), dtype)
    assert scale[0] == pytest.approx(found.scale[0], rel=1e-6)
    assert grid.low - first[0] == found.zero_point[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("grid", "dtype"), [(INT8, "int8"), (INT16, "int16")])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.3])
def test_the_expected_error_is_the_error_of_the_values(kind, grid, dtype, share):
    values = dataset(kind)
    low, high = min(values.min() * share, 0.0), max(values.max() * share, 0.0)
    found = mse.squared_error(histogram_of(values), np.array([low]), np.array([high]), grid)[0]
    expected = fake_quantized_error(values, low, high, dtype)
    # Exact zeros are spread over a bin: that is all int16 shows where nothing is clipped.
    width = histogram_of(values).width
    assert found == pytest.approx(expected, rel=0.02, abs=width**2 / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_mse_finds_what_brute_force_finds(kind):
    values = dataset(kind, 20_000)
    low, high = mse.mse_range(histogram_of(values), INT8)
    found = fake_quantized_error(values, low, high, "int8")
    lows = [0.0] if values.min() >= 0 else values.min() * np.geomspace(1, 0.005, 60)
    pairs = [(a, b) for a in lows for b in values.max() * np.geomspace(1, 0.005, 60)]
    best = min(fake_quantized_error(values, a, b, "int8") for a, b in pairs[::7])
    assert found <= best * 1.05
    assert found <= fake_quantized_error(values, values.min(), values.max(), "int8") * 1.02


@given(
    arrays(
        np.float32,
        st.integers(1, 60),
        elements=st.floats(-1000, 1000, width=32, allow_subnormal=False),
    ),
    st.sampled_from([INT8, INT16]),
)
def test_mse_is_never_worse_than_the_extremes(values, grid):
    histogram = histogram_of(values)
    low, high = mse.mse_range(histogram, grid)
    assert histogram.low <= low <= high <= histogram.high
    coarse = mse.coarsened(histogram, mse.BINS)
    ends = np.array([[histogram.low, histogram.high], [low, high]])
    if min(ends[0, 0], 0) == max(ends[0, 1], 0):
        return
    lows, highs = np.minimum(ends[:, 0], 0), np.maximum(ends[:, 1], 0)
    errors = mse.squared_error(coarse, lows, highs, grid)
    assert errors[1] <= errors[0]


def test_an_outlier_is_clipped_where_it_pays_and_kept_where_not():
    values = dataset("outlier")
    # 60,000 values of variance 1 and one of 100: keeping it costs 100²/255²/12 each
    assert mse.mse_range(histogram_of(values), INT8)[1] < 99.0
    many = np.append(values, np.full(600, 100, np.float32))
    assert mse.mse_range(histogram_of(many), INT8)[1] > 95.0
    # int16 has codes to spare
    assert mse.mse_range(histogram_of(values), INT16)[1] > 95.0
    low, high = mse.mse_range(histogram_of(dataset("uniform")), INT8)
    assert (low, high) == pytest.approx((-1, 1), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("percent", [100.0, 99.99, 99.0, 90.0])
def test_percentiles_cut_both_tails(kind, percent):
    values = dataset(kind)
    low, high = percentile_range(histogram_of(values), percent)
    tail = (100 - percent) / 200
    width = histogram_of(values).width
    span = np.quantile(values, [0.0, 1.0])
    inside = np.mean((values >= low - width) & (values <= high + width)) * 100
    assert inside >= percent - 0.02
    assert span[0] <= low <= high <= span[1]
    if percent < 99.9:
        expected = np.quantile(values, [tail, 1 - tail])
        np.testing.assert_allclose([low, high], expected, atol=2 * width + 0.01)


def independent_divergence(values: np.ndarray, histogram, low: float, high: float) -> float:
    """Migacz' loop, written out: scipy's relative entropy, one candidate."""
    counts = entropy._without_zero(histogram)
    found = activation_params(Range(low, high), "int8")
    centres = (histogram.first + np.arange(len(counts)) + 0.5) * histogram.width
    codes = np.rint(centres / found.scale[0]) + found.zero_point[0]
    inside = np.flatnonzero((codes >= -128) & (codes <= 127))
    kept = counts[inside]
    reference = kept.copy()
    reference[0] += counts[: inside[0]].sum()
    reference[-1] += counts[inside[-1] + 1 :].sum()
    candidate = np.zeros(len(inside))
    for code in np.unique(codes[inside]):
        members = (codes[inside] == code) & (reference > 0)
        if members.any():
            candidate[members] = kept[codes[inside] == code].sum() / members.sum()
    return float(scipy_entropy(reference, np.maximum(candidate, 1e-12 * candidate.sum())))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_divergence_is_scipys(kind, share):
    values = dataset(kind)
    histogram = histogram_of(values)
    low, high = min(values.min() * share, 0.0), values.max() * share
    found = entropy.divergence(histogram, np.array([low]), np.array([high]), INT8)[0]
    if np.isfinite(found):
        expected = independent_divergence(values, histogram, low, high)
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_entropy_beats_every_range_of_a_dense_table(kind):
    histogram = mse.coarsened(histogram_of(dataset(kind)), entropy.BINS)
    low, high = entropy.entropy_range(histogram, INT8)
    assert histogram.low <= low <= high <= histogram.high
    pair = np.array([min(low, 0.0)]), np.array([max(high, 0.0)])
    found = entropy.divergence(histogram, *pair, INT8)[0]
    shares = np.geomspace(1, 0.05, 25)
    lows, highs = np.meshgrid(min(histogram.low, 0.0) * shares, histogram.high * shares)
    table = entropy.divergence(histogram, lows.ravel(), highs.ravel(), INT8)
    assert found <= table[0] + 1e-12
    assert found <= table.min() * 1.2 + 5e-4


def test_entropy_cuts_long_tails_and_keeps_int16():
    histogram = histogram_of(dataset("outlier"))
    low, high = entropy.entropy_range(histogram, INT8)
    assert high < 50
    assert entropy.entropy_range(histogram, INT16) == (histogram.low, histogram.high)


@pytest.mark.parametrize("calibrator", ["percentile", "mse", "entropy"])
@pytest.mark.parametrize("recipe", ["int8", "int16x8"])
@pytest.mark.parametrize(
    "values",
    [[0.0], [3.0], [-3.0], [0.0, 1e-38], [1e38, -3e38], [2.0, 2.5], [-2.5, -2.0], [1e-30, 1e30]],
)
def test_odd_tensors_have_a_range(calibrator, recipe, values):
    recipe = replace(get_recipe(recipe), calibrator=calibrator)
    with np.errstate(all="raise", under="ignore"):
        low, high = searched(recipe, histogram_of(np.array(values * 10, np.float32)))
    held = np.array(values, np.float32)
    assert held.min() <= low <= high <= held.max()


@pytest.mark.parametrize("calibrator", ["minmax", "moving-average", "percentile", "mse", "entropy"])
def test_every_calibrator_answers_for_every_tensor(calibrator):
    recipe = replace(INT8_RECIPE, calibrator=calibrator)
    counted = calibrator not in ("minmax", "moving-average")
    rows = [[dataset("normal", 500), dataset("relu", 300), np.zeros(0, np.float32)]]
    summary = merged(start(3), observed(rows, 3, counted))
    ranges = tensor_ranges(summary, [False] * 3, recipe, SerialExecutor())
    assert len(ranges) == 3
    assert ranges[0].low < 0 < ranges[0].high
    assert ranges[1].low == pytest.approx(0.0, abs=1e-3)
    assert ranges[2] == Range(0.0, 0.0)
    if calibrator == "minmax":
        assert ranges[0] == Range(float(rows[0][0].min()), float(rows[0][0].max()))


@pytest.mark.parametrize("calibrator", ["percentile", "mse", "entropy"])
def test_mse_clips_between_layers_and_leaves_the_models_ends_alone(calibrator):
    outliers = np.array([40.0, -30.0], np.float32)
    values = np.concatenate([np.tile(dataset("normal", 5000), 100), outliers])
    summary = merged(start(2), observed([[values, values]], 2, True))
    recipe = replace(INT8_RECIPE, calibrator=calibrator)
    end, inner = tensor_ranges(summary, [True, False], recipe, SerialExecutor())
    assert inner.high - inner.low < 69.0
    assert (end == Range(-30.0, 40.0)) is (calibrator == "mse")

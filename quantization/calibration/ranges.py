"""From what calibration saw of a tensor to the range that it gets: one function per calibrator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from quantization.calibration.entropy import entropy_range
from quantization.calibration.grid import INT8, INT16, Grid
from quantization.calibration.histogram import Histogram
from quantization.calibration.mse import mse_range
from quantization.calibration.observers import Summary, moving_average
from quantization.parallel.executor import Executor
from quantization.recipe import Recipe
from quantization.work import Range

Pair = tuple[float, float]


def percentile_range(histogram: Histogram, percent: float) -> Pair:
    """Keeps ``percent`` per cent of the values, as many cut off on each side.

    Source: J. L. McKinstry et al., Discovering Low-Precision Networks Close to Full-Precision
    Networks for Efficient Embedded Inference, 2018 (arXiv:1809.04191), section 3.
    """
    tail = (100.0 - percent) / 200.0
    return histogram.quantile(tail), histogram.quantile(1.0 - tail)


Search = Callable[[Histogram, Grid, Recipe], Pair]


def _percentile(histogram: Histogram, grid: Grid, recipe: Recipe) -> Pair:
    return percentile_range(histogram, recipe.percentile)


def _mse(histogram: Histogram, grid: Grid, recipe: Recipe) -> Pair:
    return mse_range(histogram, grid)


def _entropy(histogram: Histogram, grid: Grid, recipe: Recipe) -> Pair:
    return entropy_range(histogram, grid)


COUNTING: Mapping[str, Search] = MappingProxyType(
    {"percentile": _percentile, "mse": _mse, "entropy": _entropy}
)
"""Calibrators that need histograms."""


def tensor_ranges(
    summary: Summary, ends: Sequence[bool], recipe: Recipe, executor: Executor
) -> list[Range]:
    """The range of each tensor that ``summary`` describes, in its order.

    ``mse`` clips between layers only: a step of the model's inputs is part of its interface (0 to
    255 stays 0 to 255), and what an output may come to is the user's business.

    Args:
        summary: of one sample or more; with histograms where the calibrator counts.
        ends: per tensor, whether it is an input or output of the model.
        recipe: ``calibrator``, ``percentile``; ``activations`` says which grid is searched.
        executor: runs the searches, a tensor each.
    """
    extremes = list(zip(summary.low.tolist(), summary.high.tolist(), strict=True))
    if recipe.calibrator in COUNTING:
        pairs: Iterable[Pair] = executor.map(partial(searched, recipe), summary.histograms)
        if recipe.calibrator == "mse":
            found = zip(pairs, extremes, ends, strict=True)
            pairs = [seen if end else clipped for clipped, seen, end in found]
    elif recipe.calibrator == "moving-average":
        lows, highs = moving_average(summary)
        pairs = zip(lows.tolist(), highs.tolist(), strict=True)
    else:
        pairs = extremes
    return [Range(low, high) for low, high in pairs]


def searched(recipe: Recipe, histogram: Histogram) -> Pair:
    """The range that the recipe's calibrator takes from a histogram; 0 to 0 if it is empty."""
    if not histogram.total:
        return 0.0, 0.0
    grid = INT16 if recipe.activations == "int16" else INT8
    return COUNTING[recipe.calibrator](histogram, grid, recipe)

"""What the camera's runs mean: rates against bounds and peers, ages, each with its goal."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = ("cell", "figure", "median", "lower quartile", "upper quartile", "goal", "met")

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One thing measured in every pair of a cell.

    Attributes:
        name: what it is, with its unit.
        values: one per pair.
        least, most: the goal for the median; None: there is none.
    """

    name: str
    values: tuple[float, ...]
    least: float | None = None
    most: float | None = None

    def row(self, cell: str) -> tuple[Any, ...]:
        """The table's row."""
        middle = statistics.median(self.values)
        low, high = quartiles(self.values)
        goal, met = "", ""
        if self.least is not None:
            goal, met = f">= {self.least:g}", "yes" if middle >= self.least else "no"
        if self.most is not None:
            goal, met = f"<= {self.most:g}", "yes" if middle <= self.most else "no"
        return (cell, self.name, *(round(value, 3) for value in (middle, low, high)), goal, met)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    (2.0, 4.0)
    """
    if len(values) == 1:
        return values[0], values[0]
    parts = statistics.quantiles(values, n=4, method="inclusive")
    return parts[0], parts[2]


def percentile_95(values: Iterable[float]) -> float:
    """Takes a percentile by nearest rank.

    >>> percentile_95(range(1, 101))
    95
    """
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]


def bound_fps(parts: Figures, cpu_ms: float, cores: int) -> float:
    """The rate that no loop can exceed: of its stages alone, and of all cores together.

    Args:
        parts: ``decoding`` and ``inference`` (with preprocessing), measured alone.
        cpu_ms: CPU time of the loop for one frame.
        cores: that it may use.
    """
    slowest_ms = max(parts["decoding"]["wall_ms"], parts["inference"]["wall_ms"], cpu_ms / cores)
    return 1e3 / slowest_ms


def file_figures(ratio: float, pairs: Sequence[Figures], cores: int) -> tuple[Figure, ...]:
    """A file as fast as it goes.

    Args:
        ratio: the model's cost over the decoding's, as it was asked for.
        pairs: ``ours``, ``plain`` and ``parts`` of each.
        cores: that they may use.
    """
    apart = not 0.7 <= ratio <= 1.5  # a model that hides the decoding, or hides behind it
    parts = [pair["parts"] for pair in pairs]
    ours = [pair["ours"] for pair in pairs]
    plain = [pair["plain"] for pair in pairs]

    def cpu(key: str) -> tuple[float, ...]:
        return tuple(part[key]["cpu_ms"] for part in parts)

    def beyond(key: str) -> tuple[float, ...]:
        alone = zip(cpu(key), cpu("inference"), strict=True)
        return tuple(own["cpu_ms"] - sum(both) for own, both in zip(ours, alone, strict=True))

    shares = [
        own["fps"] / bound_fps(part, own["cpu_ms"], cores)
        for own, part in zip(ours, parts, strict=True)
    ]
    return (
        Figure("decoding alone, CPU ms", cpu("decoding")),
        Figure("decoding alone at the model's pace, CPU ms", cpu("paced")),
        Figure("preprocessing and inference alone, CPU ms", cpu("inference")),
        Figure("inference alone, CPU ms", cpu("invoke")),
        Figure("FPS", tuple(own["fps"] for own in ours)),
        Figure("share of the bound", tuple(shares), least=0.95 if apart else None),
        Figure("CPU ms a frame", tuple(own["cpu_ms"] for own in ours)),
        Figure(
            "CPU ms beyond decoding, preprocessing and inference",
            beyond("decoding"),
            most=0.6 if apart else None,
        ),
        Figure("CPU ms beyond the same with decoding at its pace", beyond("paced")),
        Figure("FPS of the plain loop", tuple(peer["fps"] for peer in plain)),
        Figure("CPU ms a frame of the plain loop", tuple(peer["cpu_ms"] for peer in plain)),
        Figure(
            "FPS over the plain loop's",
            tuple(own["fps"] / peer["fps"] for own, peer in zip(ours, plain, strict=True)),
            least=None if apart else 1.3,
        ),
        Figure(
            "CPU ms less the plain loop's",
            tuple(own["cpu_ms"] - peer["cpu_ms"] for own, peer in zip(ours, plain, strict=True)),
            most=0.0 if apart else None,
        ),
    )


def realtime_figures(what: str, pairs: Sequence[Figures]) -> tuple[Figure, ...]:
    """30 frames a second, with an output beside the loop and without.

    Args:
        what: the output's name.
        pairs: ``without`` and ``with`` of each.
    """
    ages = [
        (percentile_95(pair["without"]["ages_ms"]), percentile_95(pair["with"]["ages_ms"]))
        for pair in pairs
    ]
    return (
        Figure(f"frames dropped with {what}", tuple(pair["with"]["dropped"] for pair in pairs)),
        Figure(
            f"frames dropped with {what}, less those without",
            tuple(pair["with"]["dropped"] - pair["without"]["dropped"] for pair in pairs),
            most=0.0,
        ),
        Figure(f"age of 95 % with {what}, ms", tuple(busy for _, busy in ages)),
        Figure(
            f"age of 95 % with {what}, less that without, ms",
            tuple(busy - idle for idle, busy in ages),
            most=5.0,
        ),
    )


def recorded_figures(
    what: str, runs: Sequence[Figures], cores: int, least: float | None
) -> tuple[Figure, ...]:
    """A file as fast as it goes, encoded again beside the loop: what the cores allow."""
    return (
        Figure(f"FPS with {what}", tuple(run["fps"] for run in runs)),
        Figure(f"CPU ms a frame with {what}", tuple(run["cpu_ms"] for run in runs)),
        Figure(
            f"share of what the cores allow with {what}",
            tuple(run["fps"] * run["cpu_ms"] / (cores * 1e3) for run in runs),
            least=least,
        ),
    )


def overload_figures(pairs: Sequence[Figures], period_ms: float) -> tuple[Figure, ...]:
    """A model that is slower than the camera.

    Args:
        pairs: ``ours`` and ``parts`` of each.
        period_ms: between two frames of the camera.
    """
    beyond, growth = [], []
    for pair in pairs:
        ages, least = pair["ours"]["ages_ms"], pair["parts"]["inference"]["wall_ms"]
        third = len(ages) // 3
        beyond.append(percentile_95(ages) - least - period_ms)
        growth.append(percentile_95(ages[-third:]) - percentile_95(ages[:third]))
    return (
        Figure(
            "preprocessing and inference alone, ms",
            tuple(pair["parts"]["inference"]["wall_ms"] for pair in pairs),
        ),
        Figure("age of 95 %, ms", tuple(percentile_95(pair["ours"]["ages_ms"]) for pair in pairs)),
        Figure("age of 95 % beyond inference and one frame, ms", tuple(beyond), most=0.0),
        Figure("age of 95 %, last third less the first, ms", tuple(growth), most=5.0),
    )

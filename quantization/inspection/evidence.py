"""What the rules of :mod:`quantization.inspection.causes` look at, and how they rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfModel, TfOperator
from quantization.graph.rules import rule
from quantization.inspection.measure import LayerMeasure, Measurement
from quantization.inspection.table import LayerTable, OpRow
from quantization.inspection.weights import WeightStats

#: A channel is an outlier if it reaches so many times farther than the next one. Between trained
#: channels no such gap is seen (at most 3.2 in two MobileNetV2, 2.9 in a MobileNetV1), while the
#: largest channel is up to 40 times the median there: the gap tells, not the median.
OUTLIER_GAP = 8.0
#: The same where no float model tells whether it did harm: a MobileNetV1 of quarter width that was
#: trained for one scale per tensor has a gap of 8.8 and works.
UNPROVEN_GAP = 16.0
#: At most this share of the channels (and always one) can be outliers; more are a spread.
OUTLIER_SHARE = 1 / 16
#: Fewer channels have no median worth the name.
LEAST_CHANNELS = 4
#: Channels below this share of the largest are dead and say nothing about the spread.
DEAD_SHARE = 1e-9


@dataclass(frozen=True)
class Case:
    """One op and all that is known about it.

    Attributes:
        op: in the inspected model.
        row: of the layer table.
        layer: what it did on data; None without data.
        weights: None for ops without.
        sources: op indices that compute its inputs.
    """

    op: TfOperator
    row: OpRow
    layer: LayerMeasure | None
    weights: WeightStats | None
    sources: tuple[int, ...] = ()

    @property
    def follows(self) -> bool:
        """Whether the op only moves values, in the scale of its input: others are to blame."""
        found = rule(self.op.code)
        return found is not None and found.moves

    @property
    def fixed(self) -> bool:
        """Whether the op prescribes its output's scale."""
        found = rule(self.op.code)
        return found is not None and bool(found.fixed)

    @property
    def own_db(self) -> float | None:
        """SQNR of the error that the layer itself makes."""
        return self.layer.added.sqnr_db if self.layer and self.layer.added else None


@dataclass(frozen=True)
class Candidate:
    """A suspect before ranking.

    Attributes:
        severity: the larger, the worse: faults of the inputs 100, dead layers 90, noisy layers
            60 minus the decibels that are left, float layers 20, what does no harm here 5.
    """

    severity: float
    index: int | None
    layer: str
    op: str
    kind: str
    cause: str
    cure: str
    evidence: Mapping[str, float] = field(default_factory=dict)


def severity_of(decibels: float) -> float:
    """How bad it is that a layer keeps only so many decibels.

    >>> severity_of(10.0), severity_of(70.0)
    (50.0, 6.0)
    """
    return float(min(60.0, max(6.0, 60.0 - decibels)))


def cases(
    model: TfModel,
    table: LayerTable,
    weights: Mapping[int, WeightStats],
    measured: Measurement | None,
) -> tuple[Case, ...]:
    """One case per op, in the model's order."""
    graph = model.main
    made = {index: op.index for op in graph.operators for index in op.outputs}
    layers = {layer.index: layer for layer in measured.layers} if measured else {}
    return tuple(
        Case(
            op,
            row,
            layers.get(op.index),
            weights.get(op.index),
            tuple(made[index] for index in op.inputs if index in made),
        )
        for op, row in zip(graph.operators, table.rows, strict=True)
    )


@dataclass(frozen=True)
class Outliers:
    """Channels that reach much farther than all others.

    Attributes:
        channels: their numbers, the farthest first.
        ratio: the farthest against the median of the living others.
        gap: the nearest of them against the next channel.
        median: range of the median channel.
    """

    channels: tuple[int, ...]
    ratio: float
    gap: float
    median: float


def outliers(ranges: NDArray[np.float64]) -> Outliers | None:
    """Few channels whose range stands apart from all others; None where there are none."""
    order = np.argsort(-ranges, kind="stable")
    sorted_ = ranges[order]
    living = sorted_[sorted_ > DEAD_SHARE * sorted_[0]] if len(sorted_) else sorted_
    if len(living) < LEAST_CHANNELS or not np.isfinite(living[0]):
        return None
    most = max(1, int(len(living) * OUTLIER_SHARE))
    gaps = living[:most] / living[1 : most + 1]
    best = int(np.argmax(gaps))
    if gaps[best] < OUTLIER_GAP:
        return None
    median = float(np.median(living[best + 1 :]))
    channels = tuple(int(index) for index in order[: best + 1])
    return Outliers(channels, float(living[0]) / median, float(gaps[best]), median)


def spread(ranges: NDArray[np.float64]) -> tuple[float, float]:
    """(largest range / median range, median range) of the living channels; (1, 0) if too few."""
    top = float(ranges.max(initial=0.0))
    living = ranges[ranges > DEAD_SHARE * top]
    if len(living) < LEAST_CHANNELS or not np.isfinite(top):
        return 1.0, 0.0
    median = float(np.median(living))
    return top / median, median

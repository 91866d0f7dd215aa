"""What the accuracy steps hand to each other: a float model on its way to a quantized one.

A step is a pure function ``apply(work, context) → StepOutcome`` in a file of its own under
``steps/``, named in the table of :mod:`quantization.steps.table`. It never changes its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.progress import Progress
from edgecnn.core.tflite.model import TfModel
from quantization.parallel.executor import Executor
from quantization.recipe import Precision, Recipe
from quantization.types import Calibration, MetricFunction


@dataclass(frozen=True)
class Range:
    """The real values that an activation tensor takes, as calibration saw them (low ≤ high)."""

    low: float
    high: float


Ranges = Mapping[int, Range]
"""Tensor index in the main subgraph → range; for float32 activations that ops compute or read."""


@dataclass(frozen=True)
class WeightCodes:
    """Integer weights that a step chose, instead of rounding to the nearest.

    Attributes:
        codes: int8, the tensor's shape, −127 to 127.
        scale: float32 (1,) per tensor or (channels,) along the op's channel axis.
    """

    codes: NDArray[np.int8]
    scale: NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """Everything that :func:`quantization.graph.emit.emit` needs beside the float model.

    Attributes:
        recipe: dtypes, granularity, overrides.
        ranges: of the activations; empty for recipes without calibration.
        precision: op index → precision, where a step decided; wins over the recipe.
        weights: constant tensor index → codes chosen by a step.
    """

    recipe: Recipe
    ranges: Ranges = field(default_factory=lambda: MappingProxyType({}))
    precision: Mapping[int, Precision] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[int, WeightCodes] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Work:
    """The float model between two steps.

    Attributes:
        model: float32; steps may rewrite it, as long as it computes the same (or is meant to be
            better: corrected biases, fine-tuned weights).
        ranges: None after a step that changed what tensors hold; the pipeline calibrates again.
        precision, weights: as in :class:`Plan`; keyed by indices of ``model``.
        keras_model: what ``model`` was made from; None for a .tflite or SavedModel, and after a
            step that changed the weights of ``model`` alone.
    """

    model: TfModel
    ranges: Ranges | None = None
    precision: Mapping[int, Precision] = field(default_factory=lambda: MappingProxyType({}))
    weights: Mapping[int, WeightCodes] = field(default_factory=lambda: MappingProxyType({}))
    keras_model: Any = None

    def plan(self, recipe: Recipe) -> Plan:
        """The plan that this state stands for (``ranges`` must be there if calibrated)."""
        return Plan(recipe, self.ranges or {}, self.precision, self.weights)


@dataclass(frozen=True)
class StepContext:
    """What a step may use.

    Attributes:
        recipe: the recipe.
        calibration: starts a pass over the checked samples, at most ``recipe.samples``; each is
            {input name: float32 (1, …)} by the names of ``edgecnn.core.runtime.tensor_infos``.
        progress: where it reports.
        executor: runs independent pieces, in order.
        metric: measures a predictor on the test data; None: there is none.
        max_drop: the gate in points; None: no gate.
        reference: the float model's metric; None without ``metric``.
        epochs: of fine-tuning.
    """

    recipe: Recipe
    calibration: Calibration
    progress: Progress
    executor: Executor
    metric: MetricFunction | None = None
    max_drop: float | None = None
    reference: Any = None
    epochs: int = 0


@dataclass(frozen=True)
class StepOutcome:
    """What a step did.

    Attributes:
        work: the state after it (the same one where it did nothing).
        note: one line with figures for the user, ``equalized 13 layer pairs``; where the step
            could not serve this input, why not.
        applied: False where it could not serve, or found nothing to do.
    """

    work: Work
    note: str
    applied: bool = True


Step = Callable[[Work, StepContext], StepOutcome]

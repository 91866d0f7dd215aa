"""What the stages of this room hand to each other: frozen, plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecnn.core.bundle import Golden
from edgecnn.core.metric import Metric
from edgecnn.core.preprocess import PreprocessSpec
from edgecnn.core.runtime import Predictor
from quantization.parallel.executor import Executor, SerialExecutor
from quantization.recipe import Recipe

SampleDict = Mapping[str, NDArray[Any]]
"""One sample: input name → float32 array (1, …), real values."""

Calibration = Callable[[], Iterator[SampleDict]]
"""Starts a fresh pass over the calibration samples."""

MetricFunction = Callable[[Predictor], Metric]
"""Measures a predictor on the test data; always the same data in the same order."""


@dataclass(frozen=True)
class Finding:
    """One place where a model is not what its recipe promises.

    Attributes:
        index: op index in the main subgraph; None for a model input or output.
        op, name: op code (or ``input``/``output``) and layer name.
        rule: what should hold, one line.
        got, allowed: the value found and those allowed.
        cure: what to change in the model.
    """

    index: int | None
    op: str
    name: str
    rule: str
    got: str
    allowed: str
    cure: str

    def __str__(self) -> str:
        """One line for error details: ``#4 ELU dense/Elu: … got … Cure: …``."""
        where = f"#{self.index} " if self.index is not None else ""
        return (
            f"{where}{self.op} '{self.name}': {self.rule}; got {self.got}, allowed {self.allowed}."
            f" {self.cure}"
        )


@dataclass(frozen=True)
class LayerError:
    """What quantization did to one op's output, over all inspected samples.

    Attributes:
        index, op, name: of the int8 model's op.
        sqnr_db: 10·log10(Σ float² / Σ (float − int8)²), clipped to ±120 dB.
        cosine: of the two outputs, in [−1, 1].
    """

    index: int
    op: str
    name: str
    sqnr_db: float
    cosine: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, as ``edgecnn quantize --json`` prints them."""
        return asdict(self)


@dataclass(frozen=True)
class Drop:
    """How much quality was lost, in points (100 × (float − quantized)); negative is a gain.

    Attributes:
        points: the point estimate.
        low, high: 95 % interval.
        n: test samples.
        paired: the interval comes from differences on the same samples or resamples; else from the
            two own intervals.
    """

    points: float
    low: float
    high: float
    n: int
    paired: bool


@dataclass(frozen=True)
class Suspect:
    """A place where quantization looks wrong.

    Attributes:
        rank: 1 is the worst.
        layer: name of the layer, or of the model's input.
        op: op code, ``input`` or ``output``.
        kind: short stable key: ``outlier-channel``, ``clipped-input``, ``swapped-channels``,
            ``input-range``, ``float-island``, ``heavy-tail``, ``narrow-channels``, ``saturated``,
            ``dead``, ``biased``, ``few-levels``.
        cause, cure: one sentence each, with the evidence's numbers in the first.
        evidence: the numbers, by name.
    """

    rank: int
    layer: str
    op: str
    kind: str
    cause: str
    cure: str
    evidence: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "evidence": dict(self.evidence)}


@dataclass(frozen=True)
class StepReport:
    """What one accuracy step did, and what it gained.

    Attributes:
        name: of the step, or of the calibrator.
        applied: False where it could not serve this model or found nothing to do.
        note: one line with figures, or the reason.
        drop: points lost after it on the tuning data; None where it was not measured.
        kept: whether its result is part of the model.
        seconds: how long it took.
    """

    name: str
    applied: bool
    note: str
    drop: float | None = None
    kept: bool = True
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the time stays out, so that equal runs give equal bytes."""
        values = asdict(self)
        del values["seconds"]
        return values


@dataclass(frozen=True)
class QuantizeRequest:
    """What to quantize, and with what.

    Attributes:
        model: a ``keras.Model``, the path of a .keras, .h5 or float .tflite file or of a
            SavedModel folder, or what :func:`quantization.load.load_float` made of one.
        calibration: starts a pass over real-valued samples, {input name: float32 (1, …)}.
        recipe: how to quantize.
        golden_inputs: samples for the golden vector; empty: the first calibration samples.
        metric: measures a predictor on the test data; None: no parity verdict.
        tuning: measures a predictor on other data than ``metric``'s: what ``auto`` and the mixed
            precision search decide by. None: agreement with the float model on calibration data.
        max_drop: the gate, in points; None: no gate.
        metadata: .tflite metadata for both files (preprocess and postprocess specs).
        auto: add accuracy steps, the cheapest first, until the gate holds.
        epochs: of fine-tuning; 0: that step stays out of ``auto``.
        executor: where independent pieces run; the result does not depend on it.
        unsafe: load files whose layers hold code.
        preprocess: how raw data became samples, for the checks of the data; None: unknown.
        float_metric: what ``metric`` says of the model's float .tflite, where it was measured
            already; None: it is measured here.
    """

    model: Any
    calibration: Calibration
    recipe: Recipe
    golden_inputs: Sequence[SampleDict] = ()
    metric: MetricFunction | None = None
    tuning: MetricFunction | None = None
    max_drop: float | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    auto: bool = False
    epochs: int = 0
    executor: Executor = field(default_factory=SerialExecutor)
    unsafe: bool = False
    preprocess: PreprocessSpec | None = None
    float_metric: Metric | None = None

    @property
    def model_path(self) -> Path | None:
        """The model's path where it is one."""
        return Path(self.model) if isinstance(self.model, (str, Path)) else None


@dataclass(frozen=True)
class QuantizationResult:
    """Everything that a variant in a bundle holds, and the verdict.

    Attributes:
        model: the quantized .tflite.
        float32: the float .tflite of the same model.
        reference: the float .tflite whose tensors those of ``model`` stand for: ``float32``, or
            after equalization the same function with other scales between its layers.
        recipe: what made it.
        golden, golden_float32: golden vectors of both files.
        layers: per-op errors, worst first; empty for the ``float32`` recipe.
        metrics: ``float`` (Keras), ``float_tflite``, ``quantized``; None where not measured.
        drop: quality lost; None without a metric.
        max_drop: the gate, points.
        passed: the drop is within the gate (True without one).
        audit: findings that the recipe tolerates.
        steps: what each accuracy step did, in order.
        suspects: layers that look wrong, the worst first, with cause and cure.
        warnings: one line each.
    """

    model: bytes
    float32: bytes
    reference: bytes
    recipe: Recipe
    golden: Golden
    golden_float32: Golden
    layers: tuple[LayerError, ...] = ()
    metrics: Mapping[str, Metric | None] = field(default_factory=dict)
    drop: Drop | None = None
    max_drop: float | None = None
    passed: bool = True
    audit: tuple[Finding, ...] = ()
    steps: tuple[StepReport, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def drop_points(self) -> float | None:
        """100 × (float − quantized), or None."""
        return self.drop.points if self.drop else None

    @property
    def drop_interval(self) -> tuple[float, float] | None:
        """95 % interval of :attr:`drop_points`, or None."""
        return (self.drop.low, self.drop.high) if self.drop else None

    def metrics_json(self) -> dict[str, Any]:
        """What a bundle's ``metrics.json`` holds: metrics, drop, layers, verdict."""
        drop = self.drop
        return {
            "metrics": {
                name: metric.to_json() if metric else None for name, metric in self.metrics.items()
            },
            "drop_points": drop.points if drop else None,
            "drop_interval95": [drop.low, drop.high] if drop else None,
            "drop_paired": drop.paired if drop else None,
            "max_drop": self.max_drop,
            "layers": [layer.to_json() for layer in self.layers],
            "steps": [step.to_json() for step in self.steps],
            "suspects": [suspect.to_json() for suspect in self.suspects],
            "passed": self.passed,
            "warnings": list(self.warnings),
        }

"""The room's front door: request in, result out; every stage in its order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgecnn.core.errors import QuantizationError
from edgecnn.core.metric import Metric
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import Predictor, tensor_infos
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.writer import write_model
from quantization import audit, parity
from quantization.agreement import agreement_metric
from quantization.auto import climb
from quantization.calibration.samples import checked, first_samples
from quantization.calibration.sanity import sample_warnings
from quantization.golden import make_golden
from quantization.graph.check import check_float
from quantization.inspection.inspect import inspect
from quantization.inspection.layers import layer_errors
from quantization.load import FloatModel, load_float
from quantization.parallel.predictor import file_predictor
from quantization.pipeline import Built, build
from quantization.recipe import Recipe, get_recipe
from quantization.types import (
    Drop,
    LayerError,
    MetricFunction,
    QuantizationResult,
    QuantizeRequest,
    SampleDict,
    StepReport,
    Suspect,
)
from quantization.work import StepContext, Work

GOLDEN_SAMPLES = 4
INSPECTED_SAMPLES = 32
AGREEMENT_SAMPLES = 100

__all__ = ["QuantizationResult", "QuantizeRequest", "quantize"]


def quantize(request: QuantizeRequest, progress: Progress | None = None) -> QuantizationResult:
    """Loads, makes accurate, calibrates, emits, audits, records golden vectors, gives the verdict.

    The same request gives the same bytes, wherever its pieces run. A missed gate is
    ``passed=False``, not an error.

    Args:
        request: model, samples, recipe, metric and gate.
        progress: where the stages report.

    Raises:
        QuantizationError: the model cannot be quantized, or the result is not what the recipe
            promises (float ops; the details name the layers).
        ModelError: the model file cannot be read, or the result does not run.
        DataError: calibration or golden samples that cannot be used.
        MissingExtraError: TensorFlow is not installed and the model is no .tflite.
    """
    progress = progress or SilentProgress()
    if not isinstance(request.model, FloatModel):
        progress.stage("load the model")
    model = load_float(request.model, unsafe=request.unsafe)
    check_float(model.model, request.recipe)
    work = Work(model.model, keras_model=model.keras_model)
    built, recipe, reports = _built(request, model, work, progress)
    data, float32 = built.data, model.data
    read = read_model(data)
    warnings = [*model.notes, *_data_warnings(request, model, recipe)]
    warnings += audit.collapsed_ranges(read)
    float32 = embed(float32, request.metadata)
    data = embed(data, request.metadata)

    progress.stage("record golden vectors")
    golden_samples = _golden_samples(request, model)
    golden, notes = make_golden(data, golden_samples)
    golden_float32, _ = make_golden(float32, golden_samples)
    equalized = any(report.name == "equalize" and report.kept for report in reports)
    reference = embed(write_model(built.twin), request.metadata) if equalized else float32
    layers, suspicious = _told(request, recipe, reference, data, progress)
    metrics, drop = _verdict(request, recipe, model, float32, data, progress)
    return QuantizationResult(
        model=data,
        float32=float32,
        reference=reference,
        recipe=recipe,
        golden=golden,
        golden_float32=golden_float32,
        layers=layers,
        metrics=metrics,
        drop=drop,
        max_drop=request.max_drop,
        passed=drop is None or parity.within(drop.points, request.max_drop),
        audit=audit.audit(read_model(float32), get_recipe("float32")),
        steps=reports,
        suspects=suspicious,
        warnings=(*warnings, *notes),
    )


def _built(
    request: QuantizeRequest, model: FloatModel, work: Work, progress: Progress
) -> tuple[Built, Recipe, tuple[StepReport, ...]]:
    recipe = request.recipe
    if request.auto and not recipe.quantized:
        raise QuantizationError(
            f"--auto looks for integer activations, the recipe {recipe.name} keeps them float",
            hint="use --recipe int8, int8-per-tensor or int16x8 with --auto",
        )
    if recipe.plain_float:
        return Built(work, model.data, model.model), recipe, ()
    context = StepContext(
        recipe,
        _Samples(request, model, recipe),
        progress,
        request.executor,
        max_drop=request.max_drop,
        epochs=request.epochs,
    )
    if request.auto or "mixed" in recipe.steps:
        metric = request.tuning or _agreement(request, model)
        progress.stage("measure the float model")
        context = replace(context, metric=metric, reference=metric(model.predictor()))
    if not request.auto:
        built = build(work, context, recipe.steps)
        return built, recipe, built.reports
    found = climb(work, context)
    return found.built, found.recipe, found.reports


@dataclass(frozen=True)
class _Samples:
    """The checked calibration samples; each call is a pass."""

    request: QuantizeRequest
    model: FloatModel
    recipe: Recipe

    def __call__(self) -> Iterator[SampleDict]:
        return checked(self.request.calibration, self.model.inputs, self.recipe.samples)


def _agreement(request: QuantizeRequest, model: FloatModel) -> MetricFunction:
    samples = first_samples(request.calibration, model.inputs, AGREEMENT_SAMPLES)
    return agreement_metric(model.predictor(), samples)


def _data_warnings(request: QuantizeRequest, model: FloatModel, recipe: Recipe) -> tuple[str, ...]:
    """What is odd about the calibration samples, as far as statistics and the model itself tell."""
    if not recipe.quantized:
        return ()
    samples = checked(request.calibration, model.inputs, recipe.samples)
    specs = request.preprocess.inputs if request.preprocess else ()
    expected = {item.name: _real_range(item) for item in specs if isinstance(item, ImageInput)}
    images = tuple(expected)
    return sample_warnings(model.data, samples, recipe.samples, images, expected)


def _real_range(spec: ImageInput) -> tuple[float, float]:
    """The real values that bytes from 0 to 255 become."""
    ends = [
        byte * scale + offset for scale in spec.scale for offset in spec.offset for byte in (0, 255)
    ]
    return min(ends), max(ends)


def _golden_samples(request: QuantizeRequest, model: FloatModel) -> list[SampleDict]:
    if request.golden_inputs:
        return list(request.golden_inputs)
    return list(first_samples(request.calibration, model.inputs, GOLDEN_SAMPLES))


def _told(
    request: QuantizeRequest, recipe: Recipe, float32: bytes, data: bytes, progress: Progress
) -> tuple[tuple[LayerError, ...], tuple[Suspect, ...]]:
    """Per-layer errors and suspects; nothing where activations stay float."""
    if not recipe.quantized:
        return (), ()
    inputs, _ = tensor_infos(read_model(float32))
    inspected = first_samples(request.calibration, inputs, INSPECTED_SAMPLES)
    found = inspect(data, float32, inspected, progress)
    return (layer_errors(found.measured) if found.measured else ()), found.suspects


def _verdict(
    request: QuantizeRequest,
    recipe: Recipe,
    model: FloatModel,
    float32: bytes,
    data: bytes,
    progress: Progress,
) -> tuple[dict[str, Metric | None], Drop | None]:
    names = ("float", "float_tflite", "quantized")
    if request.metric is None:
        return dict.fromkeys(names), None
    predictors: dict[str, Predictor] = {}
    known: dict[str, Metric | None] = {}
    converted = model.keras_model is not None or model.function is not None
    if request.float_metric is not None:
        known["float_tflite"] = request.float_metric
    elif converted:
        predictors["float_tflite"] = file_predictor(float32, request.executor)
    if converted or not known:
        predictors["float"] = model.predictor()
    if not recipe.plain_float:
        predictors["quantized"] = file_predictor(data, request.executor)
    metrics = known | parity.measure(request.metric, predictors, progress)
    metrics.setdefault("float", metrics.get("float_tflite"))
    metrics.setdefault("float_tflite", metrics["float"])
    metrics.setdefault("quantized", metrics["float_tflite"])
    reference, quantized = metrics["float"], metrics["quantized"]
    drop = parity.drop(reference, quantized) if reference and quantized else None
    return {name: metrics[name] for name in names}, drop

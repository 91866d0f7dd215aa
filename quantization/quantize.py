"""The room's front door: request in, result out; every stage in its order."""

from __future__ import annotations

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import Predictor
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.reader import read_model
from quantization import audit, parity
from quantization.calibration import RepresentativeDataset, first_samples
from quantization.convert import to_float, to_int8
from quantization.freeze import FrozenModel, load_and_freeze
from quantization.golden import make_golden
from quantization.inspection.layers import inspect_layers
from quantization.keras_predictor import FunctionPredictor, KerasPredictor
from quantization.types import (
    Drop,
    LayerError,
    QuantizationResult,
    QuantizeRequest,
    SampleDict,
)

GOLDEN_SAMPLES = 4
INSPECTED_SAMPLES = 8

__all__ = ["QuantizationResult", "QuantizeRequest", "quantize"]


def quantize(request: QuantizeRequest, progress: Progress | None = None) -> QuantizationResult:
    """Converts, calibrates, audits, records golden vectors, inspects layers, gives the verdict.

    The same request gives the same bytes. A missed gate is ``passed=False``, not an error.

    Args:
        request: model, samples, recipe, metric and gate.
        progress: where the stages report.

    Raises:
        QuantizationError: the model cannot be converted, or the result is not what the recipe
            promises (float ops; the details name the layers).
        ModelError: the model file cannot be read, or the result does not run.
        DataError: calibration or golden samples that cannot be used.
        MissingExtraError: TensorFlow is not installed.
    """
    progress = progress or SilentProgress()
    recipe = request.recipe
    progress.stage("load and trace the model")
    frozen = load_and_freeze(request.model)
    progress.stage("convert to float32")
    float32 = to_float(frozen)
    data, warnings = float32, list[str]()
    if recipe.quantized:
        progress.stage("calibrate and convert to int8", recipe.samples)
        samples = RepresentativeDataset(
            request.calibration, frozen.inputs, recipe.samples, progress
        )
        data = to_int8(frozen, recipe, samples)
        warnings += samples.warnings
    converted = read_model(data)
    audit.require(converted, recipe.activations)
    warnings += audit.collapsed_ranges(converted)
    float32 = embed(float32, request.metadata)
    data = embed(data, request.metadata)

    progress.stage("record golden vectors")
    golden_samples = _golden_samples(request, frozen)
    golden, notes = make_golden(data, golden_samples)
    golden_float32, _ = make_golden(float32, golden_samples)
    layers: tuple[LayerError, ...] = ()
    if recipe.quantized:
        inspected = first_samples(request.calibration, frozen.inputs, INSPECTED_SAMPLES)
        layers = inspect_layers(float32, data, inspected, progress)
    metrics, drop = _verdict(request, frozen, float32, data, progress)
    return QuantizationResult(
        model=data,
        float32=float32,
        recipe=recipe,
        golden=golden,
        golden_float32=golden_float32,
        layers=layers,
        metrics=metrics,
        drop=drop,
        max_drop=request.max_drop,
        passed=drop is None or parity.within(drop.points, request.max_drop),
        audit=audit.audit(read_model(float32), "float32"),
        warnings=(*warnings, *notes),
    )


def _golden_samples(request: QuantizeRequest, frozen: FrozenModel) -> list[SampleDict]:
    if request.golden_inputs:
        return list(request.golden_inputs)
    return list(first_samples(request.calibration, frozen.inputs, GOLDEN_SAMPLES))


def _verdict(
    request: QuantizeRequest,
    frozen: FrozenModel,
    float32: bytes,
    data: bytes,
    progress: Progress,
) -> tuple[dict[str, parity.Metric | None], Drop | None]:
    names = ("float", "float_tflite", "quantized")
    if request.metric is None:
        return dict.fromkeys(names), None
    predictors: dict[str, Predictor] = {
        "float": float_predictor(frozen),
        "float_tflite": parity.file_predictor(float32),
    }
    if request.recipe.quantized:
        predictors["quantized"] = parity.file_predictor(data)
    metrics = parity.measure(request.metric, predictors, progress)
    metrics.setdefault("quantized", metrics["float_tflite"])
    reference, quantized = metrics["float"], metrics["quantized"]
    drop = parity.drop(reference, quantized) if reference and quantized else None
    return metrics, drop


def float_predictor(frozen: FrozenModel) -> Predictor:
    """The float model before conversion, as a predictor."""
    if frozen.keras_model is not None:
        return KerasPredictor(frozen.keras_model)
    return FunctionPredictor(frozen.function, frozen.inputs, frozen.outputs)

"""Where the error comes from: each quantized op's output against the float model's."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.errors import QuantizationError
from edgecnn.core.progress import Progress, SilentProgress
from quantization.inspection.accumulate import LIMIT_DB, sqnr_db
from quantization.inspection.measure import Measurement, measure
from quantization.inspection.pairing import CROSSINGS, LayerPair, match_layers
from quantization.types import LayerError, SampleDict

__all__ = ["LIMIT_DB", "LayerPair", "inspect_layers", "layer_errors", "match_layers", "sqnr_db"]


def inspect_layers(
    float_model: bytes,
    int8_model: bytes,
    samples: Sequence[SampleDict],
    progress: Progress | None = None,
) -> tuple[LayerError, ...]:
    """Per-op error of a quantized file against the float file, worst signal-to-noise ratio first.

    Each model gets its own inputs from the same real values, so errors add up along the network.
    See :func:`quantization.inspection.measure.measure` for how they run and for more figures.

    Args:
        float_model: the float .tflite.
        int8_model: the quantized .tflite of the same model.
        samples: real values, {input name: float32 (1, …)}.
        progress: one step per sample.

    Raises:
        QuantizationError: no samples, or the two files have no op in common.
        ModelError: a file does not run.
    """
    if not samples:
        raise QuantizationError(
            "layers cannot be compared: there are no samples",
            hint="give the float and the int8 file of one model, and at least one sample",
        )
    progress = progress or SilentProgress()
    progress.stage("compare layers", len(samples))
    return layer_errors(measure(int8_model, float_model, samples, progress))


def layer_errors(measured: Measurement) -> tuple[LayerError, ...]:
    """The total errors of a measurement's quantized ops, worst first."""
    errors = [
        LayerError(layer.index, layer.op, layer.name, layer.total.sqnr_db, layer.total.cosine)
        for layer in measured.layers
        if layer.index is not None
        and layer.total is not None
        and layer.coding is not None
        and layer.op not in CROSSINGS
    ]
    return tuple(sorted(errors, key=lambda error: (error.sqnr_db, error.index)))

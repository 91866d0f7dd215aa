"""A model inspected: the table, what data say of each layer, weights, and the suspects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from quantization.inspection.causes import find_suspects
from quantization.inspection.data_faults import data_faults
from quantization.inspection.evidence import cases
from quantization.inspection.measure import Measurement, measure
from quantization.inspection.pairing import match_layers
from quantization.inspection.table import LayerTable, layer_table
from quantization.inspection.twin import rescaled_twin
from quantization.inspection.weights import WeightStats, float_weights, weight_stats
from quantization.types import SampleDict, Suspect


@dataclass(frozen=True)
class Inspection:
    """Everything that is known about a model.

    Attributes:
        table: its ops.
        weights: op index → figures of its weights.
        measured: what it did on data; None without data.
        suspects: the worst first.
        compared: whether a float model was there to compare with.
        rescaled: layers whose channels the quantized file holds scaled (equalization); the float
            model was scaled alike before it was compared.
    """

    table: LayerTable
    weights: Mapping[int, WeightStats] = field(default_factory=dict)
    measured: Measurement | None = None
    suspects: tuple[Suspect, ...] = ()
    compared: bool = False
    rescaled: int = 0


def inspect(
    model: bytes,
    reference: bytes | None = None,
    samples: Sequence[SampleDict] = (),
    progress: Progress | None = None,
) -> Inspection:
    """Looks at a model, as far as what is given allows.

    Args:
        model: a .tflite, quantized or float.
        reference: the float .tflite that it was made from.
        samples: real values by input name; empty: only what the file itself tells.
        progress: one step per sample.

    Raises:
        ModelError: a file is damaged or does not run.
        QuantizationError: the two files are not of one model.
        DataError: samples that do not fit.
    """
    progress = progress or SilentProgress()
    parsed = read_model(model)
    original = None if reference is None else read_model(reference)
    table = layer_table(parsed)
    twin = rescaled_twin(original, parsed) if original is not None and table.quantized else None
    if twin is not None:
        reference, original = twin.data, read_model(twin.data)
    weights = _weights(parsed, original)
    measured, wrong_data = None, []
    if samples:
        progress.stage("inspect layers", len(samples))
        measured = measure(model, reference, samples, progress)
        judge = reference if reference is not None else None if table.quantized else model
        if judge is not None:
            wrong_data = data_faults(judge, original or parsed, parsed, samples)
    found = cases(parsed, table, weights, measured)
    suspects = find_suspects(found, measured.inputs if measured else (), wrong_data)
    scaled = twin.layers if twin is not None else 0
    return Inspection(table, weights, measured, suspects, original is not None, scaled)


def _weights(model: TfModel, reference: TfModel | None) -> dict[int, WeightStats]:
    originals: dict[int, Any] = {}
    if reference is not None:
        originals = {
            pair.op.index: float_weights(reference.main, pair.reference, pair.op.code)
            for pair in match_layers(reference, model, floats=True)
        }
    found = {
        op.index: weight_stats(model.main, op, originals.get(op.index))
        for op in model.main.operators
    }
    return {index: stats for index, stats in found.items() if stats is not None}

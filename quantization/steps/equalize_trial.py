"""Quantizes for a trial and measures what comes out, so that a step can prove that it helped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.runtime import LiteRTPredictor, tensor_infos
from edgecnn.core.tflite.model import DType, TfModel
from edgecnn.core.tflite.writer import write_model
from quantization.graph.edit import producers
from quantization.graph.emit import emit
from quantization.graph.taps import with_outputs
from quantization.types import SampleDict
from quantization.work import Plan

_SQUASHING = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC", "TANH", "ARG_MAX", "ARG_MIN"})
Arrays = list[NDArray[np.float32]]


def ends(model: TfModel) -> tuple[int, ...]:
    """The float32 tensors by which a model is judged: outputs, before a softmax or argmax.

    A softmax hides errors of logits where it is sure, and its own steps of 1/256 hide the rest.
    """
    graph = model.main
    writers = producers(graph)
    found = []
    for index in graph.outputs:
        op = writers.get(index)
        while op is not None and op.code in _SQUASHING:
            index = op.inputs[0]
            op = writers.get(index)
        if graph.tensors[index].dtype is DType.FLOAT32 and index not in graph.inputs:
            found.append(index)
    return tuple(dict.fromkeys(found))


def float_outputs(
    model: TfModel, tensors: Sequence[int], samples: Iterable[SampleDict]
) -> list[Arrays]:
    """Per sample, the values of some computed tensors of a float model."""
    predictor = LiteRTPredictor(write_model(with_outputs(model, tensors)))
    names = [info.name for info in tensor_infos(model)[0]]
    rows = []
    for sample in samples:
        pairs = zip(predictor.inputs, names, strict=True)
        values = predictor.predict({info.name: sample[name] for info, name in pairs})
        rows.append([np.asarray(values[info.name]) for info in predictor.outputs])
    return rows


def quantized_outputs(
    model: TfModel, plan: Plan, names: Sequence[str], samples: Iterable[SampleDict]
) -> list[Arrays] | None:
    """Per sample, the real values of some tensors of the quantized model.

    Args:
        model: the float model.
        plan: with ranges.
        names: of the tensors; they are found by name in the quantized model.
        samples: what to run.

    Returns:
        None where the quantized model does not have such a tensor.
    """
    quantized = emit(model, _plain(plan))
    by_name = {tensor.name: tensor.index for tensor in quantized.main.tensors}
    if not names or any(name not in by_name for name in names):
        return None
    tapped = with_outputs(quantized, [by_name[name] for name in names])
    predictor = LiteRTPredictor(write_model(tapped))
    wanted = [info.name for info in tensor_infos(model)[0]]
    rows = []
    for sample in samples:
        pairs = zip(predictor.inputs, wanted, strict=True)
        values = predictor.predict({i.name: i.quantize(sample[name]) for i, name in pairs})
        rows.append([info.dequantize(values[info.name]) for info in predictor.outputs])
    return rows


def noise(values: Sequence[Arrays] | None, reference: Sequence[Arrays]) -> float:
    """Σ (values − reference)² / Σ reference² over all samples, averaged over the tensors.

    Infinite where there are no values.
    """
    if not values:
        return float("inf")
    sums = np.zeros((len(values[0]), 2))
    for got, want in zip(values, reference, strict=True):
        for row, (left, right) in enumerate(zip(got, want, strict=True)):
            error = left.astype(np.float64) - right
            sums[row] += np.square(error).sum(), np.square(right, dtype=np.float64).sum()
    return float((sums[:, 0] / np.maximum(sums[:, 1], 1e-30)).mean())


def _plain(plan: Plan) -> Plan:
    """Inputs and outputs in the activations' own dtype: what is judged lies between them."""
    return replace(plan, recipe=replace(plan.recipe, io=plan.recipe.activations))


def decibels(noise: float) -> float:
    """A share of noise as a signal-to-noise ratio."""
    return float(-10 * np.log10(max(noise, 1e-12)))

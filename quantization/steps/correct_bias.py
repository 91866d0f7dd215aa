"""Bias correction: the mean error that rounding leaves in a layer's output goes into its bias.

With calibration samples, empirically (Finkelstein et al. 2019, Fighting Quantization Bias With
Bias, arXiv 1906.03193; Nagel et al. 2019, arXiv 1906.04721, section 4.2): layer after layer, each
with the inputs that the model corrected so far gives it. For a fused ReLU two shifts are tried: the
mean difference before it, and the least-squares one behind it, where what is clipped does not
count. A quarter of the samples, held out, chooses between them and no correction.

Without (recipes that calibrate nothing, such as ``dynamic``), analytically: ``(W − Ŵ)·E[x]`` with
the means that batch normalization knows (:mod:`quantization.steps.bias_moments`). That needs the
Keras model with its batch norms; a .tflite has none.

The corrected bias stands in the float model's graph; ranges stay those of the faithful float model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import NO_TENSOR, DType, TfModel, TfTensor
from quantization.graph.edit import add_tensor, with_constants, with_main
from quantization.graph.emit import emit
from quantization.steps.bias_moments import CLIPS, expected_row, input_moments
from quantization.steps.layer_statistics import Layer
from quantization.steps.layer_walk import MIN_SAMPLES, LayerWalk, Twin, layers_of, twin_of, why_not
from quantization.work import StepContext, StepOutcome, Work

NAME = "correct-bias"
MOST_SAMPLES = 128
"""Means over rows settle soon: 500 samples corrected no better than 128 (MobileNetV2, V3-small)."""
_STEPS = 4

Floats = NDArray[np.floating[Any]]
Clip = tuple[float, float]


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Corrects the bias of every layer with int8 weights.

    Args:
        work: with ranges, if the recipe calibrates.
        context: recipe, calibration and progress are used.
    """
    layers = layers_of(work.model)
    if context.recipe.weights != "int8":
        return _nothing(work, f"the recipe's weights are {context.recipe.weights}")
    if reason := why_not(work.model):
        return _nothing(work, reason)
    if context.recipe.samples < 1:
        return _analytic(work, context, layers)
    return _empirical(work, context, layers)


def _empirical(work: Work, context: StepContext, layers: tuple[Layer, ...]) -> StepOutcome:
    recipe = context.recipe
    context.progress.stage("correct biases", len(layers))
    given = work
    # Every layer gets a bias of its own at once: the walk wants a graph that stays as it is.
    for layer in layers:
        work = with_bias(work, layer, np.zeros(layer.groups * layer.outputs, np.float32))
    quantized = emit(work.model, work.plan(recipe))
    walk = LayerWalk(work.model, quantized, context.calibration(), recipe.seed, MOST_SAMPLES)
    if walk.samples < MIN_SAMPLES:
        return _nothing(given, f"needs {MIN_SAMPLES} samples, got {walk.samples}")
    seen, gains = 0, []
    for layer in layers:
        context.progress.advance()
        twin = walk.twin(layer)
        if twin is None:
            continue
        seen += 1
        shift, gain = _shift(work, walk, layer, twin)
        if shift is not None:
            gains.append(gain)
            work = with_bias(work, layer, shift)
            quantized = _with_codes(quantized, layer, twin, _bias(work.model, layer))
            walk.update(quantized)
    if not gains:
        return _nothing(given, f"no bias was off in {seen} layers")
    note = f"corrected the biases of {len(gains)} of {seen} layers by {walk.samples} samples: "
    return StepOutcome(work, note + f"their errors fell by {np.mean(gains):.1f} dB on average")


def _with_codes(quantized: TfModel, layer: Layer, twin: Twin, bias: Floats) -> TfModel:
    """``quantized`` with the codes of a bias, and all else as it was: emitting takes its time."""
    index = twin.op.inputs[layer.bias_slot]
    tensor = quantized.main.tensors[index]
    scale = tensor.quantization.scale if tensor.quantization else (1.0,)
    limits = np.iinfo(tensor.dtype.value)
    codes = np.rint(bias.astype(np.float64) / np.asarray(scale, np.float64))
    codes = np.clip(codes, limits.min, limits.max).astype(tensor.dtype.value)
    return with_constants(quantized, {index: codes})


def _shift(work: Work, walk: LayerWalk, layer: Layer, twin: Twin) -> tuple[Floats | None, float]:
    """What to add to the bias, (channels,), and the dB it brings; None: nothing helps."""
    fit, judge = _outputs(work, walk, layer, twin)
    clip = CLIPS.get(layer.op.options.get("fused_activation_function", "NONE"), (-np.inf, np.inf))
    before = best = _error(judge, 0.0, clip)
    chosen = None
    for rule in (mean_shift, clipped_shift) if np.isfinite(clip).any() else (mean_shift,):
        error = _error(judge, rule(*fit, clip), clip)
        if error < best:
            best, chosen = error, rule
    if chosen is None:
        return None, 0.0
    both = tuple(np.concatenate(pair) for pair in zip(fit, judge, strict=True))
    gain = 10.0 * np.log10(max(before, 1e-30) / max(best, 1e-30))
    return chosen(both[0], both[1], clip), float(gain)


def mean_shift(wanted: Floats, got: Floats, clip: Clip) -> Floats:
    """The mean difference of two outputs before their activation.

    Args:
        wanted: of the float layer, (samples, rows, channels).
        got: of the quantized layer.
        clip: not read here.

    Returns:
        (channels,), shrunk by its uncertainty.
    """
    return _shrunk(np.mean(wanted - got, axis=1, dtype=np.float64))


def clipped_shift(wanted: Floats, got: Floats, clip: Clip) -> Floats:
    """The shift of least squared error behind a clipping activation (Gauss–Newton).

    Args:
        wanted: of the float layer before the activation, (samples, rows, channels).
        got: of the quantized layer.
        clip: the interval that the activation clips to.

    Returns:
        (channels,), shrunk by its uncertainty.
    """
    target = np.clip(wanted, *clip)
    shift = np.zeros(wanted.shape[2])
    found = np.zeros((len(wanted), wanted.shape[2]))
    for _ in range(_STEPS):
        moved = got + shift.astype(np.float32)
        passed = (moved > clip[0]) & (moved < clip[1])
        off = np.where(passed, target - got, 0.0).sum(axis=1, dtype=np.float64)
        found = off * len(wanted) / np.maximum(passed.sum(axis=(0, 1)), 1)
        shift = found.mean(axis=0)
    return _shrunk(found)


def _shrunk(found: Floats) -> Floats:
    """The mean over samples (samples, channels) → (channels,), less what may be chance.

    The positive part of James and Stein's factor, per channel: 1 − (standard error / mean)².
    """
    mean = found.mean(axis=0)
    chance = found.var(axis=0, ddof=1) / len(found)
    square = np.square(mean)
    return mean * np.maximum(0.0, 1.0 - chance / np.maximum(square, 1e-30))


def _outputs(
    work: Work, walk: LayerWalk, layer: Layer, twin: Twin
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Outputs (samples, rows, channels) of the float and the quantized layer: to fit, to judge."""
    matrix, rounded = layer.float_matrix(work.model.main), twin.matrix(layer)
    offset = _bias(work.model, layer)
    parts: tuple[list[Floats], ...] = ([], [], [], [])
    for rows in walk.rows(layer, twin):
        pair = rows.reference @ matrix, rows.quantized @ rounded
        for side, values in enumerate(pair):
            # (groups, n, O) → (samples, rows, channels)
            flat = values.transpose(1, 0, 2).reshape(rows.samples, -1, offset.size)
            parts[2 * rows.held_out + side].append(flat + offset)
    wanted, got, wanted_too, got_too = (np.concatenate(part) for part in parts)
    return (wanted, got), (wanted_too, got_too)


def _error(
    outputs: tuple[Floats, Floats], shift: Floats | float, clip: tuple[float, float]
) -> float:
    wanted, got = outputs
    off = np.clip(wanted, *clip) - np.clip(got + np.asarray(shift, np.float32), *clip)
    return float(np.square(off).mean(dtype=np.float64))


def _bias(model: TfModel, layer: Layer) -> Floats:
    op = model.main.operators[layer.op.index]
    index = op.inputs[layer.bias_slot] if len(op.inputs) > layer.bias_slot else NO_TENSOR
    data = None if index == NO_TENSOR else model.main.tensors[index].data
    channels = layer.groups * layer.outputs
    return np.zeros(channels, np.float32) if data is None else np.asarray(data, np.float32)


def with_bias(work: Work, layer: Layer, shift: Floats) -> Work:
    """``work`` with a bias moved by ``shift`` (channels,).

    A bias that other ops read too, or none, makes place for a new constant at the end of the
    tensors; no other index changes.
    """
    graph = work.model.main
    values = (_bias(work.model, layer) + shift).astype(np.float32)
    op = graph.operators[layer.op.index]
    index = op.inputs[layer.bias_slot] if len(op.inputs) > layer.bias_slot else NO_TENSOR
    readers = sum(other.inputs.count(index) for other in graph.operators)
    if index != NO_TENSOR and readers == 1 and graph.tensors[index].data is not None:
        return _changed(work, with_constants(work.model, {index: values}))
    name = f"{graph.op_name(op)}/bias"
    tensor = TfTensor(-1, name, values.shape, values.shape, DType.FLOAT32, data=values)
    graph, index = add_tensor(graph, tensor)
    absent = (NO_TENSOR,) * (layer.bias_slot - len(op.inputs))
    inputs = (*op.inputs[: layer.bias_slot], *absent, index)
    operators = list(graph.operators)
    operators[op.index] = replace(op, inputs=inputs)
    return _changed(work, with_main(work.model, replace(graph, operators=tuple(operators))))


def _changed(work: Work, model: TfModel) -> Work:
    # What Keras holds is another model from here on.
    return replace(work, model=model, keras_model=None)


def _analytic(work: Work, context: StepContext, layers: tuple[Layer, ...]) -> StepOutcome:
    if work.keras_model is None:
        return _nothing(work, "needs calibration samples, or a Keras model with its batch norms")
    moments = input_moments(work.model, work.keras_model)
    quantized = emit(work.model, work.plan(context.recipe)).main
    graph, corrected, seen = work.model.main, 0, 0
    for layer in layers:
        twin = twin_of(graph, quantized, layer)
        if twin is None:
            continue
        seen += 1
        known = moments.get(layer.data)
        row = expected_row(layer, known) if known else None
        if row is None:
            continue
        off = row[:, None] @ (layer.float_matrix(graph) - twin.matrix(layer))
        work = with_bias(work, layer, off.reshape(-1))
        corrected += 1
    if not corrected:
        return _nothing(work, f"no batch norm tells the inputs of the {seen} layers")
    return StepOutcome(work, f"corrected {corrected} of {seen} biases from batch norms' moments")


def _nothing(work: Work, why: str) -> StepOutcome:
    return StepOutcome(work, why, applied=False)

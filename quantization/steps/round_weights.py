"""Adaptive rounding: weights become the integers that keep a layer's output, not the nearest ones.

The objective is AdaRound's (Nagel et al. 2020, Up or Down? Adaptive Rounding for Post-Training
Quantization, arXiv 2004.10568): ``‖X̂·Ŵ − X·W‖²`` with the inputs X̂ of the model quantized so far,
layer after layer. It is minimised over whole integers instead of up or down, together with the
scale (which clips where that pays), without gradients: :mod:`quantization.steps.rounding_solver`.

Few samples can be learned by heart. So a quarter of them is held out: it chooses how strongly
weights are drawn to their float values, and where no choice does better on it than rounding to the
nearest, the layer keeps that. Then all samples decide with the chosen strength.

Cost: one pass of both models over at most 768 MiB of live tensors, 16,384 rows a layer, and a few
products of K² · outputs per layer (K: weights per output). Layers beyond ``MAX_DEPTH`` are left
to the nearest codes, since K² numbers would be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantization.graph.emit import emit
from quantization.steps.layer_statistics import Layer, Statistics, statistics
from quantization.steps.layer_walk import MIN_SAMPLES, LayerWalk, Twin, layers_of, why_not
from quantization.steps.rounding_solver import Problem, Rounding, clipped, rough, solve
from quantization.work import StepContext, StepOutcome, WeightCodes, Work

NAME = "round"
MAX_DEPTH = 4608
DAMPINGS = (0.003, 0.03, 0.3, 3.0)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Choice:
    """Codes for a layer and by how many dB its error fell, over all samples."""

    weights: WeightCodes
    gain_db: float


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Chooses the codes of every int8 weight.

    Args:
        work: with ranges, if the recipe calibrates.
        context: recipe, calibration and progress are used.
    """
    recipe = context.recipe
    if reason := _not_served(work, context):
        return StepOutcome(work, reason, applied=False)
    layers = layers_of(work.model)
    context.progress.stage("round weights", len(layers))
    quantized = emit(work.model, work.plan(recipe))
    walk = LayerWalk(work.model, quantized, context.calibration(), recipe.seed)
    if walk.samples < MIN_SAMPLES:
        return StepOutcome(work, f"needs {MIN_SAMPLES} samples, got {walk.samples}", applied=False)
    gains: list[float] = []
    skipped = 0
    for layer in layers:
        context.progress.advance()
        twin = walk.twin(layer)
        if twin is None or layer.depth > MAX_DEPTH or layer.weights in work.weights:
            skipped += twin is not None
            continue
        found = _choose(work, layer, twin, *_gather(work, walk, layer, twin))
        gains.append(found.gain_db if found else 0.0)
        if found:
            work = replace(work, weights={**work.weights, layer.weights: found.weights})
            walk.update(emit(work.model, work.plan(recipe)))
    return _outcome(work, gains, skipped, walk.samples)


def _not_served(work: Work, context: StepContext) -> str:
    if context.recipe.weights != "int8":
        return f"the recipe's weights are {context.recipe.weights}"
    if context.recipe.samples < 1:
        return "the recipe uses no calibration samples"
    return why_not(work.model)


def _gather(
    work: Work, walk: LayerWalk, layer: Layer, twin: Twin
) -> tuple[Statistics | None, Statistics | None]:
    """The sums over the samples that choose and over those that judge."""
    matrix = layer.float_matrix(work.model.main)
    sums: list[Statistics | None] = [None, None]
    for rows in walk.rows(layer, twin):
        part = statistics(rows.quantized, (rows.reference - rows.quantized) @ matrix)
        before = sums[rows.held_out]
        sums[rows.held_out] = part if before is None else before + part
    return sums[0], sums[1]


def _choose(
    work: Work,
    layer: Layer,
    twin: Twin,
    fit: Statistics | None,
    judge: Statistics | None,
) -> _Choice | None:
    if fit is None or judge is None:
        return None
    matrix = layer.float_matrix(work.model.main)
    shared = twin.scale.size == 1
    scale = layer.to_channels(twin.scale).astype(np.float64)
    plain = Rounding(layer.to_matrix(twin.codes).astype(np.float64), scale)
    test = Problem.of(matrix, judge.means(), 0.0, shared=shared)
    tasks = {
        damping: Problem.of(matrix, fit.means(), damping, shared=shared) for damping in DAMPINGS
    }
    start = clipped(tasks[DAMPINGS[1]], scale)
    best, damping = float(test.errors(plain).sum()), None
    for strength, task in tasks.items():
        error = float(test.errors(rough(task, start)).sum())
        if error < best:
            best, damping = error, strength
    if damping is None:
        return None
    means = (fit + judge).means()
    found = solve(Problem.of(matrix, means, damping, shared=shared), scale)
    whole = Problem.of(matrix, means, 0.0, shared=shared)
    before = float(whole.errors(plain).sum())
    after = float(whole.errors(found).sum())
    if not after < before:
        return None
    codes = layer.from_matrix(found.codes).astype(np.int8)
    flat = found.scale.reshape(-1)[: 1 if shared else None].astype(np.float32)
    gain = 10.0 * np.log10(max(before, 1e-30) / max(after, 1e-30))
    return _Choice(WeightCodes(codes, flat), float(min(gain, 60.0)))


def _outcome(work: Work, gains: list[float], skipped: int, samples: int) -> StepOutcome:
    changed = sum(gain > 0 for gain in gains)
    if not changed:
        return StepOutcome(work, "rounding to the nearest was best in every layer", applied=False)
    mean = sum(gains) / len(gains)
    left = f", {skipped} left alone" if skipped else ""
    note = f"rounded {changed} of {len(gains)} layers by {samples} samples: "
    return StepOutcome(work, f"{note}their errors fell by {mean:.1f} dB on average{left}")

"""Cross-layer equalization: scales channels so that 8 bits serve all of them well.

A channel between two layers may be multiplied by s if the layer behind divides by it: with RELU,
W₂ relu(W₁x + b₁) = (W₂ S⁻¹) relu(S W₁x + S b₁) for S = diag(s) > 0. One scale per tensor then
wastes fewer codes on channels much smaller than the largest.

Sources: Nagel et al. 2019, Data-Free Quantization through Weight Equalization and Bias Correction
(arXiv 1906.04721, section 4.1), which equalizes weight ranges of layer pairs in closed form;
Meller et al. 2019, Same, Same But Different (arXiv 1902.01917), which looks at activations too.
Here every group of channels that must move together (through pools, residual additions,
concatenations, gates of squeeze-and-excite) is found, and scales are chosen by descent on the
modelled noise of weights and activations under the recipe's granularity
(:mod:`quantization.steps.equalize_noise`). Last, the model is quantized with and without on some
calibration samples, and the better one stays.

What is exact: everything through RELU, PRELU, LEAKY_RELU, pools, additions, up to float rounding.
What is exact on the calibration samples only: RELU6, which is not homogeneous. A channel that
comes to 6 there stays as it is; another is scaled at most so far that its largest value comes to
6. On other data such a channel may be clipped at 6/s instead of 6.

High-bias absorption (Nagel et al., section 4.1.3) is left out: with calibrated, asymmetric ranges
an offset costs nothing unless a channel stays above 0 on all samples, and padding forbids it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from edgecnn.core.tflite.model import NO_TENSOR, TfModel
from quantization.graph.taps import calibrated_tensors
from quantization.recipe import Recipe
from quantization.steps.equalize_channels import CLIP, Channels, Link, channels_of
from quantization.steps.equalize_noise import Float64, noise_terms
from quantization.steps.equalize_search import search
from quantization.steps.equalize_statistics import ChannelStatistics, channel_statistics
from quantization.steps.equalize_trial import (
    decibels,
    ends,
    float_outputs,
    noise,
    quantized_outputs,
)
from quantization.steps.fold_draft import Draft, Edited
from quantization.steps.fold_layer import layer_of
from quantization.work import Range, StepContext, StepOutcome, Work

NAME = "equalize"
_TRIAL_SAMPLES = 64
#: How much the noise of activations counts beside that of weights. Rounded activations err
#: independently at each position and average out behind pools, weights err alike everywhere; how
#: much that matters depends on the net, so each is tried.
_BALANCES = (1.0, 0.3, 0.1)


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Equalizes what can be equalized; see the module."""
    if not context.recipe.quantized:
        return StepOutcome(work, "nothing to equalize: activations stay float", applied=False)
    model = work.model
    channels = channels_of(model.main)
    if not ends(model):
        return StepOutcome(work, "not equalized: no output to judge it by", applied=False)
    if not any(channels.free[link.outputs].any() for link in channels.links):
        return StepOutcome(work, "no channel can be scaled", applied=False)
    statistics = channel_statistics(model, _watched(model, channels), context)
    trial = _Trial(work, context)
    first = trial.quality(work, _ranges(statistics, channels, np.ones(channels.count)))
    best, kept, count = first, work, 0
    context.progress.stage("equalize channels", len(_BALANCES))
    scales = np.ones(channels.count)
    for balance in _BALANCES:
        scales = _scales(model, channels, statistics, context.recipe, balance, scales)
        edited = rescaled(model, channels, scales)
        ranges = _ranges(statistics, channels, scales)
        moved = {edited.tensors[k]: v for k, v in ranges.items() if k in edited.tensors}
        after = replace(edited.carried(work), keras_model=None)
        value = trial.quality(after, moved)
        context.progress.advance(1, f"{value:.1f} dB")
        if value > best:
            best, kept, count = value, after, _moved(channels, scales)
    if kept is work:
        note = f"equalizing would not help here ({first:.1f} dB at the outputs without)"
        return StepOutcome(work, note, applied=False)
    told = f"{first:.1f} → {best:.1f} dB signal to noise at the outputs"
    return StepOutcome(kept, f"equalized the channels of {count} layers: {told}")


def _scales(
    model: TfModel,
    channels: Channels,
    statistics: Mapping[int, ChannelStatistics],
    recipe: Recipe,
    balance: float,
    start: Float64,
) -> Float64:
    """The scale of each group that lowers the modelled noise the most, from ``start`` on."""
    own = [index for index in calibrated_tensors(model) if index in channels.rows]
    terms = noise_terms(model, channels, statistics, recipe, own, balance)
    ceiling = _ceiling(channels, statistics)
    free = channels.free & (ceiling > 0)
    blocks = [link.outputs for link in channels.links]
    return search(terms, blocks, free, np.where(free, ceiling, 1.0), start).scales


def _moved(channels: Channels, scales: Float64) -> int:
    return sum(bool((scales[link.outputs] != 1).any()) for link in channels.links)


class _Trial:
    """Quantizes with given ranges and compares the outputs on some calibration samples."""

    def __init__(self, work: Work, context: StepContext) -> None:
        self._recipe = context.recipe
        self._samples = list(islice(context.calibration(), _TRIAL_SAMPLES))
        tensors = ends(work.model)
        self._names = [work.model.main.tensors[index].name for index in tensors]
        self._reference = float_outputs(work.model, tensors, self._samples)

    def quality(self, work: Work, ranges: Mapping[int, Range]) -> float:
        """The outputs' signal-to-noise ratio, dB."""
        plan = replace(work, ranges=ranges).plan(self._recipe)
        values = quantized_outputs(work.model, plan, self._names, self._samples)
        return decibels(noise(values, self._reference))


def _watched(model: TfModel, channels: Channels) -> list[int]:
    ends_of = {index for link in channels.links for index in (link.source, link.target)}
    return sorted({*calibrated_tensors(model), *ends_of, *channels.clips})


def _ranges(
    statistics: Mapping[int, ChannelStatistics], channels: Channels, scales: Float64
) -> dict[int, Range]:
    """Each tensor's range once its channels are scaled."""
    found = {}
    for index, channel in statistics.items():
        row = channels.rows.get(index)
        factor = scales[row] if row is not None else 1.0
        low, high = channel.low * factor, channel.high * factor
        found[index] = Range(float(low.min()), float(high.max()))
    return found


def _ceiling(channels: Channels, statistics: Mapping[int, ChannelStatistics]) -> Float64:
    """The largest scale of each group: 0 where RELU6 clips it on the samples."""
    ceiling = np.full(channels.count, np.inf)
    for index in channels.clips:
        if index not in channels.rows:
            continue
        high = statistics[index].high
        with np.errstate(divide="ignore"):
            # A channel that is never positive may only shrink: nothing is known of its reach.
            limit = np.where(high > 0, CLIP / np.maximum(high, 1e-30), 1.0)
        limit = np.where(high >= CLIP * (1 - 1e-6), 0.0, np.maximum(limit, 1.0))
        np.minimum.at(ceiling, channels.rows[index], limit)
    return ceiling


def rescaled(model: TfModel, channels: Channels, scales: Float64) -> Edited:
    """The model with channel group g multiplied by ``scales[g]``.

    Args:
        model: the float model.
        channels: its groups.
        scales: float64 (groups,), positive; 1 for groups that are not free.
    """
    draft = Draft(model)
    for link in channels.links:
        if (scales[link.inputs] != 1).any() or (scales[link.outputs] != 1).any():
            _rescale(draft, link, scales)
    for number, constant in channels.shifts.items():
        op = model.main.operators[number]
        factor = scales[channels.rows[op.outputs[0]]]
        values = draft.constant(constant)
        if values is not None and (factor != 1).any():
            _replace(draft, number, constant, values.astype(np.float64) * factor)
    return draft.finish()


def _rescale(draft: Draft, link: Link, scales: Float64) -> None:
    inputs, outputs = scales[link.inputs], scales[link.outputs]
    layer = layer_of(draft, link.op)
    if layer is None:  # MUL by a constant per channel
        constant = next(i for i in link.op.inputs if i != link.source and i != NO_TENSOR)
        values = draft.constant(constant)
        if values is not None:
            _replace(draft, link.op.index, constant, values * (outputs / inputs))
        return
    inner = replace(layer, weights=layer.scaled_inputs(1 / inputs))
    weights = inner.scaled_outputs(outputs)
    layer.rewrite(draft, weights, layer.bias * outputs, layer.clip)


def _replace(draft: Draft, number: int, constant: int, values: Float64) -> None:
    op = draft.operators[number]
    fresh = draft.add_constant(draft.tensors[constant].name, values.astype(np.float32))
    inputs = tuple(fresh if index == constant else index for index in op.inputs)
    draft.replace(replace(op, inputs=inputs))

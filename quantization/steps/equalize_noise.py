"""The quantization noise that an equalization is judged by, as a function of channel scales.

A group g of channels is scaled by s_g = exp(u_g). With the step Δ of a quantized tensor, rounding
adds noise of power Δ²/12 to each of its elements. What counts is that noise in the tensor's
original units, Δ²/(12 s²), weighted by what the layers behind do with it:

- activations: Σ over channels c of gain_c · Δ²/(12 s_c²), with Δ from the largest scaled channel;
- weights of a layer: Σ over outputs o of gain_o · Δ_o²/(12 s_o²) · Σ over inputs and taps of
  s_i² E[x_i²], with Δ_o from the largest scaled weight of the filter (per channel) or of the whole
  tensor (per tensor).

gain_c = Σ over layers that read the channel of Σ w² / (power of that layer's output): the noise
becomes a share of the signal behind the next layer. This is the signal-to-noise view of Meller et
al. 2019 (arXiv 1902.01917, section 4), extended by the weights' granularity and by activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.tflite.model import TfModel, TfOperator, TfSubgraph
from quantization.graph.edit import producers
from quantization.graph.rules import rule
from quantization.graph.union import UnionFind
from quantization.recipe import Recipe
from quantization.steps.equalize_channels import Channels, Ids, Link
from quantization.steps.equalize_statistics import ChannelStatistics

Float64 = NDArray[np.float64]
_TINY = 1e-30


@dataclass(frozen=True)
class ActivationNoise:
    """Tensors that share one scale.

    Attributes:
        groups: of all their channels, for the range.
        low, high: of those channels, unscaled.
        noisy: groups of the channels that are rounded here (others are copies of them).
        gain: of those.
        steps: codes of the dtype.
    """

    groups: Ids
    low: Float64
    high: Float64
    noisy: Ids
    gain: Float64
    steps: int

    def power(self, u: Float64) -> float:
        """Weighted noise power at log scales ``u``."""
        step = self.span(u) / self.steps
        return float(step * step / 12 * (self.gain * np.exp(-2 * u[self.noisy])).sum())

    def span(self, u: Float64) -> float:
        """The real range of the shared scale."""
        scale = np.exp(u[self.groups])
        return max(float((scale * self.high).max()), 0.0) - min(
            float((scale * self.low).min()), 0.0
        )

    def share(self, u: Float64, out: Float64) -> None:
        """Raises ``out[g]`` to each group's part of the range, in (0, 1]."""
        reach = np.exp(u[self.groups]) * np.maximum(np.abs(self.low), np.abs(self.high))
        np.maximum.at(out, self.groups, reach / max(self.span(u), _TINY))


@dataclass(frozen=True)
class WeightNoise:
    """The weights of one layer.

    Attributes:
        peak: (out, in), or (out, 1) depthwise: the largest magnitude over the taps.
        inputs: groups of its columns, broadcastable to ``peak``.
        outputs: groups of its rows, (out,).
        energy: like ``inputs``: taps · E[x²] of each column, unscaled.
        gain: (out,).
        per_tensor: one step for all.
    """

    peak: Float64
    inputs: Ids
    outputs: Ids
    energy: Float64
    gain: Float64
    per_tensor: bool

    def filters(self, u: Float64) -> Float64:
        """(out,): the largest weight of each filter but for its output's scale."""
        found: Float64 = self._scaled(u).max(axis=1)
        return found

    def power(self, u: Float64, filters: Float64 | None = None) -> float:
        """Weighted noise power at log scales ``u``; ``filters`` where they are known."""
        rows = np.exp(u[self.outputs])
        peaks = (self.filters(u) if filters is None else filters) * rows
        step = peaks.max() / 127 if self.per_tensor else peaks / 127
        power = (self.energy * np.exp(2 * u[self.inputs])).sum(axis=1)
        return float((self.gain * step * step / 12 * power / (rows * rows)).sum())

    def shares(self, u: Float64, rows: Float64, columns: Float64) -> None:
        """Raises ``rows[g]`` and ``columns[g]`` to each group's part of the weights' range."""
        scaled = self._scaled(u) * np.exp(u[self.outputs])[:, None]
        peaks = scaled.max(axis=1, keepdims=True)
        whole = max(float(peaks.max()), _TINY)
        if self.per_tensor:
            np.maximum.at(rows, self.outputs, peaks[:, 0] / whole)
        parts = scaled / (whole if self.per_tensor else np.maximum(peaks, _TINY))
        if self.inputs.shape[0] == 1:
            np.maximum.at(columns, self.inputs[0], parts.max(axis=0))
        else:
            np.maximum.at(columns, np.broadcast_to(self.inputs, parts.shape), parts)

    def _scaled(self, u: Float64) -> Float64:
        return self.peak * np.exp(-u[self.inputs])


Noise = ActivationNoise | WeightNoise


def noise_terms(
    model: TfModel,
    channels: Channels,
    statistics: Mapping[int, ChannelStatistics],
    recipe: Recipe,
    activations: Sequence[int],
    balance: float = 1.0,
) -> list[Noise]:
    """Everything that equalization changes the noise of.

    Args:
        model: the float model.
        channels: its groups.
        statistics: of ``activations`` and of what links read and write.
        recipe: dtypes and granularity.
        activations: tensors that get a scale of their own.
        balance: weight of their noise beside that of weights.
    """
    graph = model.main
    layers = [_layer(graph, link) for link in channels.links]
    gain = np.zeros(channels.count)
    for link, (peak, squares, inputs) in zip(channels.links, layers, strict=True):
        power = max(float(statistics[link.target].power.sum()), _TINY)
        flat = np.broadcast_to(inputs, peak.shape)
        np.add.at(gain, flat, squares / power)
    terms: list[Noise] = []
    for link, (peak, _, inputs) in zip(channels.links, layers, strict=True):
        name = graph.op_name(link.op)
        if recipe.precision_of(name) == "float32":
            continue
        terms.append(_weights(graph, link, peak, inputs, statistics, gain, recipe))
    for members in _tied(graph, activations):
        found = _activations(graph, members, channels, statistics, gain, recipe)
        terms += [replace(term, gain=balance * term.gain) for term in found]
    return terms


def _weights(
    graph: TfSubgraph,
    link: Link,
    peak: Float64,
    inputs: Ids,
    statistics: Mapping[int, ChannelStatistics],
    gain: Float64,
    recipe: Recipe,
) -> WeightNoise:
    op = link.op
    found = statistics[link.source].power
    values = graph.tensors[op.inputs[1]]
    taps = 1 if op.code in ("MUL", "FULLY_CONNECTED") else values.shape[1] * values.shape[2]
    # A matrix behind a flattened picture has a column per position; its channels repeat.
    power = taps * np.resize(found, len(link.inputs))
    dense = op.code == "FULLY_CONNECTED"
    granularity = recipe.granularity_of(graph.op_name(op), dense=dense)
    own = max(float(statistics[link.target].power.sum()), _TINY)
    return WeightNoise(
        peak=peak,
        inputs=inputs,
        outputs=link.outputs,
        energy=_columns(op, power, peak),
        gain=np.where(gain[link.outputs] > 0, gain[link.outputs], 1 / own),
        per_tensor=op.code == "MUL" or granularity == "per-tensor",
    )


def _layer(graph: TfSubgraph, link: Link) -> tuple[Float64, Float64, Ids]:
    """Per (output, column): the largest weight and the sum of squares; groups of the columns."""
    op = link.op
    raw = [graph.tensors[index].data for index in op.inputs[:2]]
    values = np.asarray(raw[1] if raw[1] is not None else raw[0], np.float64)
    if op.code == "MUL":
        peak = np.abs(values.reshape(-1, 1))
        squares = peak * peak
    elif op.code == "DEPTHWISE_CONV_2D":
        flat = values.reshape(-1, values.shape[3])
        peak, squares = np.abs(flat).max(0)[:, None], (flat * flat).sum(0)[:, None]
    elif op.code == "FULLY_CONNECTED":
        peak, squares = np.abs(values), values * values
    else:
        peak, squares = np.abs(values).max((1, 2)), (values * values).sum((1, 2))
    return peak, squares, _columns(op, link.inputs, peak)


def _columns(op: TfOperator, values: NDArray[Any], peak: Float64) -> NDArray[Any]:
    """One value per input channel, laid out along the columns that each output reads."""
    outputs, columns = peak.shape
    if op.code in ("MUL", "DEPTHWISE_CONV_2D"):
        return np.repeat(values, outputs // len(values))[:, None]
    if columns == len(values):
        return values[None, :]
    groups = len(values) // columns
    return np.repeat(values.reshape(groups, columns), outputs // groups, axis=0)


def _tied(graph: TfSubgraph, activations: Sequence[int]) -> list[list[int]]:
    """Tensors with a scale of their own, those together that an op ties."""
    sets: UnionFind[int] = UnionFind()
    for op in graph.operators:
        row = rule(op.code)
        if row is not None and row.tie:
            for index in (*op.inputs, *op.outputs):
                if index >= 0 and graph.tensors[index].data is None:
                    sets.join(op.outputs[0], index)
    found: dict[int, list[int]] = {}
    for index in activations:
        found.setdefault(sets.root(index), []).append(index)
    return list(found.values())


def _activations(
    graph: TfSubgraph,
    members: list[int],
    channels: Channels,
    statistics: Mapping[int, ChannelStatistics],
    gain: Float64,
    recipe: Recipe,
) -> list[ActivationNoise]:
    writers = producers(graph)
    rows = {index: channels.rows[index] for index in members if index in channels.rows}
    if len(rows) != len(members):
        return []
    noisy = []
    for index in members:
        op = writers.get(index)
        row = rule(op.code) if op is not None else None
        if row is None or not row.tie:
            noisy.append(index)
    if not noisy:
        return []
    weights = []
    for index in noisy:
        own = max(float(statistics[index].power.sum()), _TINY)
        weights.append(np.where(gain[rows[index]] > 0, gain[rows[index]], 1 / own))
    return [
        ActivationNoise(
            groups=np.concatenate([rows[index] for index in members]),
            low=np.concatenate([statistics[index].low for index in members]),
            high=np.concatenate([statistics[index].high for index in members]),
            noisy=np.concatenate([rows[index] for index in noisy]),
            gain=np.concatenate(weights),
            steps=65534 if recipe.activations == "int16" else 255,
        )
    ]

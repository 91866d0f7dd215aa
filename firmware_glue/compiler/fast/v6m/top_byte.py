"""Requantization whose output is the top byte of a word: two small multiplications, no clamp.

For a raw sum a (of input bytes times filters, without bias and zero point) of a channel:

    t = a − low; t > top (unsigned): the lowest output if t < 0, else the highest
    output = ((C + t · high_factor + (t · low_factor >> 12)) mod 2³²) >> 24

Where outputs lie on both sides of zero, TFLite's second rounding goes away from zero, which no
linear form does: t < kink then gets C − drop. low, C and drop are found per channel, and proven on
all of its steps: everywhere, as both functions are monotone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import LayerSteps, Masks, layer_steps

LOW_BITS = 12
"""Bits of a channel's factor behind the whole ones."""
OUT_BITS = 24
"""Bits of the word behind the output."""
_TOP_LIMIT = 1 << 20
"""t · low_factor has to fit 32 bits, and t its field."""
_OPEN = 1 << 62
_FACTOR_LIMIT = 1 << (24 + LOW_BITS)
_TRIES = tuple(sorted(range(-24, 25), key=abs))
"""Differences from the layer's own factor that are tried, in units of 2⁻¹²."""


@dataclass(frozen=True)
class TopByte:
    """The requantization of all channels of a layer. int64 arrays, one entry per output channel.

    Attributes:
        low: raw sum at which t is 0.
        top: the largest t that is not clamped.
        factor: high_factor · 2¹² + low_factor.
        addend: C, modulo 2³².
        kink, drop: see the module; 0, 0 where nothing is dropped.
    """

    low: Ints
    top: Ints
    factor: Ints
    addend: Ints
    kink: Ints
    drop: Ints

    @property
    def kinked(self) -> int:
        """1 where some channel has a kink, else 0."""
        return int(np.any(self.drop != 0))

    @classmethod
    def of(cls, layer: Layer) -> Self | None:
        """The proven requantization of a layer, or None if a channel has none."""
        steps = layer_steps(layer)
        first, last = _region(steps, layer)
        if np.any(last - first >= _TOP_LIMIT):
            return None
        found = _fit(_Bounds.of(steps, first, last), _factors(layer))
        if found is None:
            return None
        factor, addend, drop = found
        return cls(
            first - layer.folded_bias, last - first, factor, addend & 0xFFFFFFFF,
            np.where(drop, -first, 0), drop,
        )  # fmt: skip


def _region(steps: LayerSteps, layer: Layer) -> tuple[Ints, Ints]:
    """The accumulators, inclusive, whose outputs are computed; all others are clamped."""
    lowest, highest = steps.first == layer.act_min, steps.last == layer.act_max
    first = np.where(lowest, steps.least(steps.at, 0), steps.low)
    last = np.where(highest, np.maximum(first, steps.most(steps.at, 0) - 1), steps.high)
    # Constant channels that are clamped: all below the region, or all above it.
    clamped = (steps.counts == 0) & (lowest | highest)
    outside = np.where(highest, steps.low - 1, steps.high + 1)
    return np.where(clamped, outside, first), np.where(clamped, outside, last)


def _factors(layer: Layer) -> Ints:
    """The layer's own factors as fixed-point numbers of 2³⁶."""
    shift = layer.shifts - 31 + OUT_BITS + LOW_BITS
    half = (np.int64(1) << np.maximum(-shift, 0)) >> 1
    return ((layer.multipliers + half) >> np.maximum(-shift, 0)) << np.clip(shift, 0, 31)


class _Bounds(NamedTuple):
    """What the C of some channels are bound by.

    Attributes:
        steps: of these channels.
        inside: (steps,): whether a step lies in the region, but not at its start.
        first, last: the region's ends.
        begin, end: the outputs at these.
    """

    steps: LayerSteps
    inside: Masks
    first: Ints
    last: Ints
    begin: Ints
    end: Ints

    @classmethod
    def of(cls, steps: LayerSteps, first: Ints, last: Ints) -> Self:
        """The bounds of all channels."""
        channel, count = steps.channel, len(steps)
        before, until = steps.at <= first[channel], steps.at <= last[channel]
        begin = steps.first + np.bincount(channel[before], minlength=count)
        end = steps.first + np.bincount(channel[until], minlength=count)
        return cls(steps, until & ~before, first, last, begin, end)

    def some(self, kept: Masks) -> _Bounds:
        """Those of some of the channels."""
        parts = (values[kept] for values in self[2:])
        return _Bounds(self.steps.of(kept), self.inside[kept[self.steps.channel]], *parts)

    def values(self, factor: Ints) -> _Values:
        """What bounds C for a factor."""
        steps, of_step = self.steps, factor[self.steps.channel]
        wanted, t = steps.outputs << OUT_BITS, steps.at - self.first[steps.channel]
        top = ((self.end + 1) << OUT_BITS) - 1 - scaled(self.last - self.first, factor)
        return _Values(
            np.where(self.inside, wanted - scaled(t, of_step), -_OPEN),
            np.where(self.inside, wanted - 1 - scaled(t - 1, of_step), _OPEN),
            self.begin << OUT_BITS,
            top,
        )

    def window(self, values: _Values, kept: tuple[Masks, ...]) -> tuple[Ints, Ints]:
        """What C must lie between, by some of the values."""
        low, high, bottom, top = map(np.where, kept, values, (-_OPEN, _OPEN, -_OPEN, _OPEN))
        least, most = self.steps.most(low, -_OPEN), self.steps.least(high, _OPEN)
        return np.maximum(least, bottom), np.minimum(most, top)


class _Values(NamedTuple):
    """Bounds of C: of each step from below and above; of the region's first and last output."""

    low: Ints
    high: Ints
    bottom: Ints
    top: Ints


def _fit(bounds: _Bounds, factors: Ints) -> tuple[Ints, Ints, Ints] | None:
    """(factor, C, drop) of each channel that give the layer's outputs on all of its region."""
    factor, addend = np.zeros_like(factors), bounds.begin << OUT_BITS
    drop = np.zeros_like(factors)
    open_ = np.flatnonzero(bounds.begin < bounds.end)
    bounds = bounds.some(bounds.begin < bounds.end)
    for difference in _TRIES:
        if not len(open_):
            break
        tried = factors[open_] + difference
        good, c, less = _addends(bounds, tried)
        good &= (tried > 0) & (tried < _FACTOR_LIMIT)
        found = open_[good]
        factor[found], addend[found], drop[found] = tried[good], c[good], less[good]
        open_, bounds = open_[~good], bounds.some(~good)
    return None if len(open_) else (factor, addend, drop)


def _addends(bounds: _Bounds, factor: Ints) -> tuple[Masks, Ints, Ints]:
    """Whether there is a C, C, and by how much it is less for negative accumulators."""
    values, at = bounds.values(factor), bounds.steps.at
    positive = at >= 0, at > 0, bounds.first >= 0, bounds.last >= 0
    above = bounds.window(values, positive)
    below = bounds.window(values, tuple(~side for side in positive))
    low, high = np.maximum(above[0], below[0]), np.minimum(above[1], below[1])
    straight = low <= high
    two = (above[0] <= above[1]) & (below[0] <= below[1]) & (below[1] < above[0])
    c = np.where(straight, (low + high) // 2, above[0])
    return straight | two, c, np.where(straight, 0, above[0] - below[1])


def scaled(t: Ints, factor: Ints) -> Ints:
    """What the kernels compute: t · high_factor + (t · low_factor >> 12)."""
    high, low = factor >> LOW_BITS, factor & ((1 << LOW_BITS) - 1)
    return t * high + (t * low >> LOW_BITS)

"""From accumulators to int8 outputs where a multiplication gives 32 bits and no more.

An output is (a · m + c) >> 24 of a moved accumulator a = sum + beta that lies in [0, limit], where
m has up to 32 bits above and below the point:

    v = a · high + ((a · low) >> shift) + add        modulo 2³²; the output is the top byte of v

Accumulators outside give the lowest or the highest output. Where outputs lie on both sides of zero,
TFLite's second rounding goes away from zero, which no linear form does: negative accumulators
(a < kink) then get ``v − drop``.

Each channel's numbers are solved for on the accumulators at which its output steps, and the form,
as the C code computes it, is proven equal to the layer there: everywhere, as both are monotone.
The C twin is ``kernels/v6m/edgecnn_v6m_common.h``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.once import once_per_layer
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import LayerSteps, Masks, layer_steps

_UNIT = 24
"""An output is 2²⁴ of v."""
_WORD = 1 << 32
_TRIES = 33
"""Multipliers that are tried around the layer's own."""
_ADD_BITS, _LIMIT_BITS = 16, 11
_MOST_EXPONENT = 22
_OPEN = 1 << 62


class Scales(NamedTuple):
    """The channels' numbers as the C struct ``ec_v6m_scale`` has them: int64 arrays, all uint32.

    Attributes:
        exponent: ⌊log₂⌋ of the accumulators per output; sets ``shift`` and the packing's units.
        multiplier: m · 2^(24 + shift), below 2³²; 0 where the output is constant (``level``).
        limit: the highest a that is computed.
        add: c.
        kink, drop: see the module; 0, 0 where nothing is dropped.
        level: a constant channel's output, counted from the lowest one.
        beta: what the kernel adds to the sum, beside the bias; of either sign.
    """

    exponent: Ints
    multiplier: Ints
    limit: Ints
    add: Ints
    kink: Ints
    drop: Ints
    level: Ints
    beta: Ints

    @classmethod
    def constant(cls, level: Ints) -> Self:
        """Numbers of channels with one output each."""
        zero = np.zeros(len(level), np.int64)
        return cls(zero, zero, zero, zero, zero, zero, level, zero)

    def of(self, channels: Ints | Masks) -> Scales:
        """The numbers of some channels."""
        return Scales(*(numbers[channels] for numbers in self))

    def replaced(self, channels: Ints | Masks, by: Scales) -> Scales:
        """These, but for some channels."""
        copies = [numbers.copy() for numbers in self]
        for numbers, other in zip(copies, by, strict=True):
            numbers[channels] = other
        return Scales(*copies)

    def words(self) -> NDArray[np.uint32]:
        """The packed form (channels, 4): multiplier; exponent, limit and c; kink; drop."""
        limit, add = self.limit >> _limit_unit(self.exponent), self.add >> _add_unit(self.exponent)
        packed = self.exponent << (_ADD_BITS + _LIMIT_BITS) | limit << _ADD_BITS | add
        second = np.where(self.multiplier, packed, self.level)
        return np.stack([self.multiplier, second, self.kink, self.drop], axis=1).astype(np.uint32)

    def value(self, moved: Ints, channel: Ints | int) -> Ints:
        """What v is before c is added, for moved accumulators in [0, limit] of channels."""
        shift = _shift(self.exponent)
        high, low = self.multiplier >> shift, self.multiplier & ((np.int64(1) << shift) - 1)
        return moved * high[channel] + ((moved * low[channel]) >> shift[channel])


@dataclass(frozen=True)
class Requant:
    """The requantization of a layer, proven equal to it on every accumulator it can have.

    Attributes:
        scales: the channels' numbers.
        act_min, act_max: the outputs' range.
    """

    scales: Scales
    act_min: int
    act_max: int

    @property
    def betas(self) -> Ints:
        """int64 (channels,): what the kernel adds to its sums, beside the bias."""
        return self.scales.beta

    @property
    def kinked(self) -> int:
        """1 where some channel has a kink, else 0: the parameter ``kinked`` of the C kernels."""
        return int(bool(np.any(self.scales.drop)))

    def words(self) -> NDArray[np.uint32]:
        """The C kernels' constant array: (channels, 2), or (channels, 4) where kinked."""
        return np.ascontiguousarray(self.scales.words()[:, : 4 if self.kinked else 2])

    def outputs(self, sums: Ints, channel: Ints | int) -> Ints:
        """What the C code gives for accumulators (the layer's, without beta) of channels."""
        scales = self.scales
        limit, add, drop = scales.limit[channel], scales.add[channel], scales.drop[channel]
        moved = np.asarray(sums, np.int64) + scales.beta[channel]
        a = np.clip(moved, 0, limit)
        word = scales.value(a, channel) + add - np.where(a < scales.kink[channel], drop, 0)
        inside = ((word & (_WORD - 1)) >> _UNIT) + self.act_min
        outside = np.where(moved < 0, self.act_min, self.act_max)
        live = np.where(a == moved, inside, outside)
        return np.where(scales.multiplier[channel], live, self.act_min + scales.level[channel])


@once_per_layer
def requantization(layer: Layer) -> Requant | None:
    """The form of every channel, or None if some channel has none. About 0.05 ms per channel.

    Channels have none if an output stands for more than about 2,000 accumulators: of MobileNetV2's
    17,000 four, in layers of 384 and 1,280 inputs.
    """
    steps = layer_steps(layer)
    scales, live = Scales.constant(steps.first - layer.act_min), steps.counts > 0
    # One scale per tensor: what suits one channel suits most of them.
    leaders, leader = _leaders(layer, live)
    led = _solve(layer, steps, leaders)
    if led is None:
        return None
    follows = np.flatnonzero(leader >= 0)
    tried = scales.replaced(follows, led.of(leader[follows]))
    good = _proven(layer, steps, tried)
    rest = np.flatnonzero(~good & live)
    own = _solve(layer, steps, rest) if len(rest) else led.of(rest)
    if own is None:
        return None
    scales = scales.replaced(good, tried.of(good)).replaced(rest, own)
    if len(rest) and not np.all(_proven(layer, steps, scales)):
        return None
    return Requant(scales, layer.act_min, layer.act_max)


def _leaders(layer: Layer, live: Masks) -> tuple[Ints, Ints]:
    """The first live channel of each factor; each channel's position in these, −1 for none."""
    _, factor = np.unique(layer.multipliers * 256 + layer.shifts, return_inverse=True)
    factors, first = np.unique(factor[live], return_index=True)
    position = np.full(len(factor), -1)
    position[factors] = np.arange(len(factors))
    return np.flatnonzero(live)[first], position[factor]


def _proven(layer: Layer, steps: LayerSteps, scales: Scales) -> Masks:
    return steps.proven(Requant(scales, layer.act_min, layer.act_max).outputs)


def _shift(exponent: Ints) -> Ints:
    """So that a · low and the packed multiplier fit 32 bits."""
    return np.maximum(np.minimum(23 - exponent, 8 + exponent), 0)


def _limit_unit(exponent: Ints) -> Ints:
    return np.maximum(exponent - 1, 0)


def _add_unit(exponent: Ints) -> Ints:
    return np.maximum(9 - exponent, 0)


def _solve(layer: Layer, steps: LayerSteps, channels: Ints) -> Scales | None:
    """The numbers of some channels, none of them constant, or None if one has none."""
    fraction, exponent = np.frexp(layer.multipliers[channels].astype(np.float64))
    exponent = 31 - exponent - layer.shifts[channels]
    own = np.rint(np.ldexp(fraction, _UNIT + _shift(exponent) - exponent)).astype(np.int64)
    if not np.all((exponent >= 0) & (exponent <= _MOST_EXPONENT)):
        return None
    found, steps = (
        Scales.constant(np.zeros_like(own))._replace(exponent=exponent),
        steps.of(channels),
    )
    open_ = np.arange(len(own))
    for turn in range(_TRIES):
        tried = own[open_] + (turn + 1) // 2 * (1 if turn % 2 else -1)
        scales = found.of(open_)._replace(multiplier=tried)
        good, scales = _with_multiplier(layer, steps, scales)
        found = found.replaced(open_[good], scales.of(good))
        open_, steps = open_[~good], steps.of(~good)
        if not len(open_):
            return found
    return None


def _with_multiplier(layer: Layer, steps: LayerSteps, scales: Scales) -> tuple[Masks, Scales]:
    """The channels for which these multipliers do, and the numbers of all."""
    slope = np.ldexp(scales.multiplier.astype(np.float64), -_shift(scales.exponent))
    index = steps.outputs - layer.act_min
    starts = np.cumsum(steps.counts) - steps.counts
    mean = (
        np.add.reduceat((index << _UNIT) - steps.at * slope[steps.channel], starts) / steps.counts
    )
    # The highest beta for which c ≥ 0; one less gives a c that is larger by the slope.
    beta = np.floor(mean / slope).astype(np.int64)
    good, found = _with_beta(layer, steps, scales._replace(beta=beta))
    bad = np.flatnonzero(~good)
    if len(bad):
        less = scales._replace(beta=beta - 1).of(bad)
        good[bad], second = _with_beta(layer, steps.of(bad), less)
        found = found.replaced(bad, second)
    return good, found


def _with_beta(layer: Layer, steps: LayerSteps, scales: Scales) -> tuple[Masks, Scales]:
    """The channels for which these betas do, and the numbers of all with limit, c and kink."""
    channel, beta = steps.channel, scales.beta
    at = steps.at + beta[channel]
    reached = (steps.outputs - layer.act_min) << _UNIT
    lowest = reached - scales.value(at, channel)
    highest = reached - 1 - scales.value(at - 1, channel)
    above = _window(
        steps, np.where(steps.at >= 0, lowest, -_OPEN), np.where(steps.at > 0, highest, _OPEN)
    )
    below = _window(
        steps, np.where(steps.at < 0, lowest, -_OPEN), np.where(steps.at <= 0, highest, _OPEN)
    )
    low, high = np.maximum(above[0], below[0]), np.minimum(above[1], below[1])
    straight = low <= high
    unit = np.int64(1) << _add_unit(scales.exponent)
    add = -(-np.maximum(np.where(straight, low, above[0]), 0) // unit) * unit
    drop = np.where(straight, 0, add - below[1])
    limit, fits = _limits(layer, steps, scales._replace(add=add))
    good = (
        fits
        & (steps.least(at, 0) >= 1)
        & ((steps.first == layer.act_min) | (steps.low + beta >= 0))
        & (scales.multiplier > 0)
        & (scales.multiplier < _WORD)
        & (add <= np.where(straight, high, above[1]))
        & (add < unit << _ADD_BITS)
        & (drop >= 0)
        & (add - drop >= np.where(straight, 0, np.maximum(below[0], 0)))
    )
    kink = np.where(drop, np.maximum(beta, 0), 0)
    return good, scales._replace(limit=limit, add=add, kink=kink, drop=drop)


def _window(steps: LayerSteps, lowest: Ints, highest: Ints) -> tuple[Ints, Ints]:
    """The c that suit all steps: their highest lowest and their lowest highest."""
    return steps.most(lowest, -_OPEN), steps.least(highest, _OPEN)


def _limits(layer: Layer, steps: LayerSteps, scales: Scales) -> tuple[Ints, Masks]:
    """Limits that the packed form can hold, before v goes too far; whether behind the last step."""
    ends = steps.most(steps.at, 0) - 1
    needed = np.where(steps.last == layer.act_max, ends, steps.high)
    end = ((layer.act_max - layer.act_min + 1) << _UNIT) - scales.add
    # The largest a whose value is below the end.
    most = ((end << _shift(scales.exponent)) - 1) // np.maximum(scales.multiplier, 1)
    unit = _limit_unit(scales.exponent)
    most = np.minimum(most >> unit, (1 << _LIMIT_BITS) - 1) << unit
    return most, most >= needed + scales.beta

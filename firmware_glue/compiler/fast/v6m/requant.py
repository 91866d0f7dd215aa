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

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import Steps, layer_steps

_UNIT = 24
"""An output is 2²⁴ of v."""
_WORD = 1 << 32
_TRIES = 33
"""Multipliers that are tried around the layer's own."""
_ADD_BITS, _LIMIT_BITS = 16, 11
_MOST_EXPONENT = 22
_OPEN = -(1 << 62)


@dataclass(frozen=True)
class Scale:
    """One channel's numbers as the C struct ``ec_v6m_scale`` has them; all of them fit uint32.

    Attributes:
        exponent: ⌊log₂⌋ of the accumulators per output; sets ``shift`` and the packing's units.
        multiplier: m · 2^(24 + shift), below 2³²; 0 where the output is constant (``index``).
        limit: the highest a that is computed.
        add: c.
        kink, drop: see the module; 0, 0 where nothing is dropped.
        index: a constant channel's output, counted from the lowest one.
    """

    exponent: int = 0
    multiplier: int = 0
    limit: int = _WORD - 1
    add: int = 0
    kink: int = 0
    drop: int = 0
    index: int = 0

    @property
    def shift(self) -> int:
        """Bits of m below the point."""
        return _shift(self.exponent)

    def words(self) -> tuple[int, int, int, int]:
        """The packed form, 32 bits each: multiplier; exponent, limit and c; kink; drop."""
        if not self.multiplier:
            return 0, self.index, 0, 0
        limit, add = self.limit >> _limit_unit(self.exponent), self.add >> _add_unit(self.exponent)
        return (
            self.multiplier,
            self.exponent << (_ADD_BITS + _LIMIT_BITS) | limit << _ADD_BITS | add,
            self.kink,
            self.drop,
        )

    def value(self, moved: Any) -> Any:
        """What v is before c is added, for moved accumulators in [0, limit]."""
        low = self.multiplier & ((1 << self.shift) - 1)
        return moved * (self.multiplier >> self.shift) + ((moved * low) >> self.shift)


@dataclass(frozen=True)
class Requant:
    """The requantization of a layer, proven equal to it on every accumulator it can have.

    Attributes:
        scales: one per channel.
        betas: int64 (channels,): what the kernel adds to its sums, beside the bias.
        act_min, act_max: the outputs' range.
        kinked: some channel has a kink: the kernel needs the form with it.
    """

    scales: tuple[Scale, ...]
    betas: Ints
    act_min: int
    act_max: int

    @property
    def kinked(self) -> int:
        """1 where some channel has a kink, else 0: the parameter ``kinked`` of the C kernels."""
        return int(any(scale.drop for scale in self.scales))

    def words(self) -> NDArray[np.uint32]:
        """The C kernels' constant array: (channels, 2), or (channels, 4) where kinked."""
        rows = [scale.words()[: 4 if self.kinked else 2] for scale in self.scales]
        return np.array(rows, np.uint32).reshape(len(rows), -1)

    def outputs(self, sums: Ints, channel: int) -> Ints:
        """What the C code gives for accumulators (the layer's, without beta) of a channel."""
        scale = self.scales[channel]
        if not scale.multiplier:
            return np.full(np.shape(sums), self.act_min + scale.index, np.int64)
        moved = np.asarray(sums, np.int64) + self.betas[channel]
        a = np.clip(moved, 0, scale.limit)
        v = (scale.value(a) + scale.add - np.where(a < scale.kink, scale.drop, 0)) % _WORD
        inside = (v >> _UNIT) + self.act_min
        outside = np.where(moved < 0, self.act_min, self.act_max)
        return np.where((moved < 0) | (moved > scale.limit), outside, inside)


def requantization(layer: Layer) -> Requant | None:
    """The form of every channel, or None if some channel has none. About 0.2 ms per channel.

    Channels have none if an output stands for more than about 2,000 accumulators: of MobileNetV2's
    17,000 four, in layers of 384 and 1,280 inputs.
    """
    rows: list[tuple[Scale, int]] = []
    known: dict[tuple[int, int], tuple[Scale, int]] = {}
    for channel, step in enumerate(layer_steps(layer)):
        factor = int(layer.multipliers[channel]), int(layer.shifts[channel])
        # One scale per tensor: what suits one channel suits most of them.
        row = known.get(factor)
        if row is None or not _proven(layer, step, row):
            row = _solve(layer, step, channel)
            if row is None or not _proven(layer, step, row):
                return None
            if not step.constant:
                known.setdefault(factor, row)
        rows.append(row)
    betas = np.array([beta for _, beta in rows], np.int64)
    return Requant(tuple(scale for scale, _ in rows), betas, layer.act_min, layer.act_max)


def _proven(layer: Layer, step: Steps, row: tuple[Scale, int]) -> bool:
    scale, beta = row
    alone = Requant((scale,), np.array([beta], np.int64), layer.act_min, layer.act_max)
    return step.proves(partial(alone.outputs, channel=0))


def _shift(exponent: int) -> int:
    """So that a · low and the packed multiplier fit 32 bits."""
    return max(min(23 - exponent, 8 + exponent), 0)


def _limit_unit(exponent: int) -> int:
    return max(exponent - 1, 0)


def _add_unit(exponent: int) -> int:
    return max(9 - exponent, 0)


def _solve(layer: Layer, step: Steps, channel: int) -> tuple[Scale, int] | None:
    """A channel's (scale, beta), or None."""
    if step.constant:
        return Scale(index=step.first - layer.act_min), 0
    factor = float(layer.multipliers[channel]) * 2.0 ** (int(layer.shifts[channel]) - 31)
    exponent = -int(np.frexp(factor)[1])
    if not 0 <= exponent <= _MOST_EXPONENT:
        return None
    own = round(factor * 2.0 ** (_UNIT + _shift(exponent)))
    for turn in range(_TRIES):
        tried = own + (turn + 1) // 2 * (1 if turn % 2 else -1)
        found = _with_multiplier(layer, step, Scale(exponent, tried))
        if found is not None:
            return found
    return None


def _with_multiplier(layer: Layer, step: Steps, scale: Scale) -> tuple[Scale, int] | None:
    if not 0 < scale.multiplier < _WORD:
        return None
    index = step.outputs - layer.act_min
    slope = scale.multiplier / 2.0**scale.shift
    # The highest beta for which c ≥ 0; one less gives a c that is larger by the slope.
    beta = int(np.floor(np.mean(index * 2.0**_UNIT - step.at * slope) / slope))
    for moved in (beta, beta - 1):
        found = _with_beta(layer, step, scale, moved)
        if found is not None:
            return found, moved
    return None


def _with_beta(layer: Layer, step: Steps, scale: Scale, beta: int) -> Scale | None:
    """The scale with limit, c and kink, or None."""
    at = step.at + beta
    if at[0] < 1 or (step.first > layer.act_min and step.low + beta < 0):
        return None
    reached = (step.outputs - layer.act_min) << _UNIT
    lowest = reached - scale.value(at)
    highest = reached - 1 - scale.value(at - 1)
    above = _window(lowest[step.at >= 0], highest[step.at > 0])
    below = _window(lowest[step.at < 0], highest[step.at <= 0])
    low, high = max(above[0], below[0]), min(above[1], below[1])
    straight = low <= high
    unit = 1 << _add_unit(scale.exponent)
    add = -(-max(low if straight else above[0], 0) // unit) * unit
    drop = 0 if straight else add - below[1]
    if (
        add > (high if straight else above[1])
        or add >= unit << _ADD_BITS
        or drop < 0
        or add - drop < max(0, _OPEN if straight else below[0])
    ):
        return None
    limit = _limit(layer, step, replace(scale, add=add), beta)
    if limit is None:
        return None
    return Scale(scale.exponent, scale.multiplier, limit, add, max(beta, 0) if drop else 0, drop)


def _window(lowest: Ints, highest: Ints) -> tuple[int, int]:
    """The c that suit all steps: their highest lowest and their lowest highest."""
    return int(lowest.max(initial=_OPEN)), int(highest.min(initial=-_OPEN))


def _limit(layer: Layer, step: Steps, scale: Scale, beta: int) -> int | None:
    """A limit that the packed form can hold: behind the last step, before v goes too far."""
    last = step.first + len(step.at)
    needed = int(step.at[-1]) - 1 if last == layer.act_max else step.high
    end = ((layer.act_max - layer.act_min + 1) << _UNIT) - scale.add
    most = (end << scale.shift) // scale.multiplier
    while scale.value(most) >= end:
        most -= 1
    unit = _limit_unit(scale.exponent)
    most = min(most >> unit, (1 << _LIMIT_BITS) - 1) << unit
    return most if most >= needed + beta else None

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
from typing import Self

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import Steps, layer_steps

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
        rows = []
        for channel, steps in enumerate(layer_steps(layer)):
            ends = _region(steps, layer)
            if ends[1] - ends[0] >= _TOP_LIMIT:
                return None
            found = _fit(steps, ends, _factor(layer, channel))
            if found is None:
                return None
            rows.append((ends[0] - int(layer.folded_bias[channel]), ends[1] - ends[0], *found))
        low, top, factor, addend, kink, drop = np.array(rows, np.int64).reshape(-1, 6).T
        return cls(low, top, factor, addend & 0xFFFFFFFF, kink, drop)


def _region(steps: Steps, layer: Layer) -> tuple[int, int]:
    """The accumulators, inclusive, whose outputs are computed; all others are clamped."""
    if steps.constant:
        # All below the region, or all above it.
        outside = {layer.act_min: steps.high + 1, layer.act_max: steps.low - 1}
        at = outside.get(steps.first)
        return (steps.low, steps.high) if at is None else (at, at)
    first, last = steps.low, steps.high
    if steps.first == layer.act_min:
        first = int(steps.at[0])
    if steps.first + len(steps.at) == layer.act_max:
        last = max(first, int(steps.at[-1]) - 1)
    return first, last


def _factor(layer: Layer, channel: int) -> int:
    """The layer's own factor as a fixed-point number of 2³⁶."""
    shift = int(layer.shifts[channel]) - 31 + OUT_BITS + LOW_BITS
    multiplier = int(layer.multipliers[channel])
    return multiplier << shift if shift >= 0 else (multiplier + (1 << -shift >> 1)) >> -shift


def _fit(steps: Steps, ends: tuple[int, int], factor: int) -> tuple[int, int, int, int] | None:
    """(factor, C, kink, drop) that give the layer's outputs on all of ``ends``."""
    first, last = ends
    begin = steps.first + int(np.searchsorted(steps.at, first, side="right"))
    end = steps.first + int(np.searchsorted(steps.at, last, side="right"))
    if begin == end:
        return 0, begin << OUT_BITS, 0, 0
    wanted = np.arange(begin + 1, end + 1, dtype=np.int64) << OUT_BITS
    at = steps.at[begin - steps.first : end - steps.first]
    # What C is bound by: accumulators whose output must be reached, and those that must not reach.
    must = np.concatenate([[first], at])
    must_not = np.concatenate([at - 1, [last]])
    reach = np.concatenate([[begin << OUT_BITS], wanted])
    less = np.concatenate([wanted, [(end + 1) << OUT_BITS]]) - 1
    for difference in _TRIES:
        tried = factor + difference
        if 0 < tried < _FACTOR_LIMIT:
            found = _addends(
                (must, reach - scaled(must - first, tried)),
                (must_not, less - scaled(must_not - first, tried)),
            )
            if found is not None:
                return tried, found[0], -first if found[1] else 0, found[1]
    return None


def _addends(lowest: tuple[Ints, Ints], highest: tuple[Ints, Ints]) -> tuple[int, int] | None:
    """(C, drop): C between bounds, each at an accumulator; less by drop for negative ones."""
    above = _window(lowest[1][lowest[0] >= 0], highest[1][highest[0] >= 0])
    below = _window(lowest[1][lowest[0] < 0], highest[1][highest[0] < 0])
    low, high = max(above[0], below[0]), min(above[1], below[1])
    if low <= high:
        return (low + high) // 2, 0
    if above[0] > above[1] or below[0] > below[1] or below[1] >= above[0]:
        return None
    return above[0], above[0] - below[1]


def _window(lowest: Ints, highest: Ints) -> tuple[int, int]:
    return int(lowest.max(initial=-_OPEN)), int(highest.min(initial=_OPEN))


def scaled(t: Ints, factor: int) -> Ints:
    """What the kernels compute: t · high_factor + (t · low_factor >> 12)."""
    high, low = factor >> LOW_BITS, factor & ((1 << LOW_BITS) - 1)
    return t * high + (t * low >> LOW_BITS)

"""From accumulators to int8 outputs in the fewest instructions that are exact (SMMLA, SSAT).

Three forms, one per layer, on an accumulator a:

- affine: ``SSAT8((SMMLA(a, m, C)) ASR S)``, that is (a·m + C·2³²) >> (32 + S), saturated. The
  zero point is in C. What C is too coarse for, a constant β does that the kernel adds to the bias.
  Offline, each channel's (m, β, C) is solved for on the accumulators at which its output steps.
- twice: TFLite's two roundings as they are, ``SSAT8(SMMLAR(2·a, m, C + (a ASR 31)) ASR s)`` with
  a shift per channel. For layers with outputs on both sides of zero, whose rounding away from zero
  is no affine function.
- once: ``SSAT8(SMMLA(2·a, m, C) ASR s)``, a single rounding, with a shift per channel. For layers
  whose channels' scales lie too far apart for one S.

SSAT clamps to int8. Where the activation leaves less, the kernel clamps once more (``clamp``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import Steps, layer_steps

_FEW_BETAS, _BETAS = 1 << 10, 1 << 17
"""How far β is searched, first and last: C leaves a window of about m/255 of every 2³², and β·m
falls into it sooner or later, unless m / 2³² is close to a simple fraction."""
_REACH = 1 << 16
"""How far from the layer's own multiplier the best one is searched."""
_MOST_SHIFT = 23
"""Outputs · 2^(32 + S) must fit 64 bits."""
_INT32 = 1 << 31


class Form(Enum):
    """Which instructions."""

    AFFINE = "affine"
    TWICE = "twice"
    ONCE = "once"


@dataclass(frozen=True)
class Requant:
    """The requantization of a layer, proven equal to it on every accumulator it can have.

    Attributes:
        form: see the module.
        shift: S of the affine form, 1 to 23: a literal of SSAT. 0 in the others.
        multipliers, addends: m and C per channel, int32 values.
        betas: β per channel, to be added to the bias (zeros in the others).
        shifts: s per channel, 1 to 31 (zeros in the affine form).
        clamp: (lowest, highest) output where it is less than int8's range, else None.
    """

    form: Form
    shift: int
    multipliers: Ints
    addends: Ints
    betas: Ints
    shifts: Ints
    clamp: tuple[int, int] | None

    def outputs(self, sums: Ints, channel: int) -> Ints:
        """What the instructions give for accumulators (without β) of a channel."""
        a, m, c = np.asarray(sums, np.int64), self.multipliers[channel], self.addends[channel]
        if self.form is Form.AFFINE:
            scaled = (((a + self.betas[channel]) * m >> 32) + c) >> self.shift
        elif self.form is Form.TWICE:
            high = (2 * a * m + _INT32) >> 32
            scaled = (high + c + (a >> 31)) >> self.shifts[channel]
        else:
            scaled = ((2 * a * m >> 32) + c) >> self.shifts[channel]
        lowest, highest = self.clamp or (-128, 127)
        return np.clip(scaled, lowest, highest)

    def fits_scaled(self, factor: int) -> bool:
        """Whether accumulators · factor (a power of two) may be used with C · factor, S + log₂.

        Affine only. The results are the same: floors of floors. C has to fit.
        """
        most = int(np.abs(self.addends).max(initial=0)) * factor
        return self.shift + factor.bit_length() - 1 <= 31 and most < _INT32 // 2


def requantization(layer: Layer) -> Requant | None:
    """The cheapest form that is exact for every channel, or None where neither is.

    Takes about 0.3 ms per channel.
    """
    steps = layer_steps(layer)
    for shift in _shifts(layer, steps):
        found = _affine(layer, steps, shift)
        if found is not None:
            return found
    return _rounded(layer, steps, Form.TWICE) or _rounded(layer, steps, Form.ONCE)


def _clamp(layer: Layer) -> tuple[int, int] | None:
    ends = layer.act_min, layer.act_max
    return None if ends == (-128, 127) else ends


def _shifts(layer: Layer, steps: tuple[Steps, ...]) -> tuple[int, ...]:
    """S to try: a multiple of four (so that layers share code), then the most precise one."""
    live = [-int(layer.shifts[c]) for c, step in enumerate(steps) if not step.constant]
    top = min(min(live, default=9) - 1, _MOST_SHIFT)
    return tuple(dict.fromkeys(s for s in (top // 4 * 4, top) if s >= 1))


def _affine(layer: Layer, steps: tuple[Steps, ...], shift: int) -> Requant | None:
    rows = []
    for channel, step in enumerate(steps):
        row = _solve(layer, step, channel, shift)
        if row is None:
            return None
        rows.append(row)
    table = np.array(rows, np.int64).reshape(len(rows), 3)
    zeros = np.zeros(len(rows), np.int64)
    found = Requant(Form.AFFINE, shift, table[:, 0], table[:, 2], table[:, 1], zeros, _clamp(layer))
    return _proven(found, steps)


def _solve(layer: Layer, step: Steps, channel: int, shift: int) -> tuple[int, int, int] | None:
    """(m, β, C) of a channel for the shift S, or None."""
    if step.constant:
        return 0, 0, step.first << shift
    own = round(float(layer.multipliers[channel]) * 2.0 ** (shift + 1 + int(layer.shifts[channel])))
    if not _REACH < own < _INT32 - 2 * _REACH:
        return None
    found = _split(step, own, _window(layer, step, own, shift), _FEW_BETAS)
    if found is not None:
        return found
    m = _widest(layer, step, own, shift)
    return _split(step, m, _window(layer, step, m, shift), _BETAS)


def _split(step: Steps, m: int, window: tuple[int, int], betas: int) -> tuple[int, int, int] | None:
    """(m, β, C) with β·m + C·2³² in the window, and β below ``betas``."""
    low, high = window
    if low > high:
        return None
    tried = np.arange(betas, dtype=np.int64)
    good = np.flatnonzero(((tried * m - low) & (2 * _INT32 - 1)) <= high - low)
    for beta in good[:1].tolist():
        addend = -((beta * m - low) >> 32)
        if _in_range(step, m, beta, addend):
            return m, beta, addend
    return None


def _widest(layer: Layer, step: Steps, own: int, shift: int) -> int:
    """The multiplier around ``own`` with the widest window, a concave function of it."""

    def width(m: int) -> int:
        low, high = _window(layer, step, m, shift)
        return high - low

    reach = min(own >> 12, _REACH)
    left, right = own - reach, own + reach
    while right - left > 2:
        third = (right - left) // 3
        first, second = left + third, right - third
        left, right = (left, second) if width(first) > width(second) else (first, right)
    return (left + right) // 2


def _window(layer: Layer, step: Steps, m: int, shift: int) -> tuple[int, int]:
    """The D for which (a·m + D) >> (32 + S) is the layer's output, before it is clamped."""
    total = 32 + shift
    reached = step.outputs << total
    low = int(np.max(reached - m * step.at))
    high = int(np.min(reached - m * (step.at - 1))) - 1
    last = step.first + len(step.at)
    if step.first > layer.act_min:
        low = max(low, (step.first << total) - m * step.low)
    if last < layer.act_max:
        high = min(high, ((last + 1) << total) - m * step.high - 1)
    return low, high


def _in_range(step: Steps, m: int, beta: int, addend: int) -> bool:
    """Whether no 32-bit register overflows."""
    ends = (step.low + beta, step.high + beta)
    results = [(end * m >> 32) + addend for end in ends]
    return all(-_INT32 <= value < _INT32 for value in (*ends, *results, addend))


def _rounded(layer: Layer, steps: tuple[Steps, ...], form: Form) -> Requant | None:
    """A form with the layer's own multipliers and shifts."""
    if np.any(layer.shifts >= 0):
        return None
    right = -layer.shifts
    addends = (np.int64(1) << (right - 1)) + (layer.out_zero << right)
    most = np.maximum(np.abs(layer.low), np.abs(layer.high))
    # |high word of 2·a·m| ≤ |a|.
    if np.any(2 * most >= _INT32) or np.any(most + np.abs(addends) + 2 >= _INT32):
        return None
    zeros = np.zeros(len(steps), np.int64)
    return _proven(Requant(form, 0, layer.multipliers, addends, zeros, right, _clamp(layer)), steps)


def _proven(found: Requant, steps: tuple[Steps, ...]) -> Requant | None:
    """All forms are monotone in the accumulator."""
    sound = (
        step.proves(partial(found.outputs, channel=channel)) for channel, step in enumerate(steps)
    )
    return found if all(sound) else None

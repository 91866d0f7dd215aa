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

A channel that gives the same for every input has m = 0 and its output in C. Converters write such
channels (batch normalization switched them off) with biases near 2³⁰ and tiny factors, which no
form could hold: β brings their accumulators around 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from firmware_glue.compiler.fast.once import once_per_layer
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.thresholds import LayerSteps, Steps, layer_steps

_FEW_BETAS, _BETAS = 1 << 13, 1 << 17
"""How far β is searched, first and last: C leaves a window of about m/255 of every 2³², and β·m
falls into it sooner or later, unless m / 2³² is close to a simple fraction."""
_REACH = 1 << 16
"""How far from the layer's own multiplier the best one is searched."""
_CONSTANT_SHIFT = 8
"""S of a layer of which each channel's output is constant."""
_STILL_SHIFT = 2
"""s of channels with constant outputs: C holds a quarter more, of which the sign may take one."""
_MOST_SHIFT = 23
"""Outputs · 2^(32 + S) must fit 64 bits."""
_INT32, _WORD = 1 << 31, 1 << 32


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
        betas: β per channel, to be added to the bias (in the others 0, but for constant channels).
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

    def outputs(self, sums: Ints, channel: Ints | int) -> Ints:
        """What the instructions give for accumulators (without β) of channels (broadcast)."""
        a, m = np.asarray(sums, np.int64) + self.betas[channel], self.multipliers[channel]
        c = self.addends[channel]
        if self.form is Form.AFFINE:
            scaled = ((a * m >> 32) + c) >> self.shift
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


@once_per_layer
def requantization(layer: Layer) -> Requant | None:
    """The cheapest form that is exact for every channel, or None where neither is.

    Takes about 0.05 ms per channel, the first time.
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


def _shifts(layer: Layer, steps: LayerSteps) -> tuple[int, ...]:
    """S to try: a multiple of four (so that layers share code), then the most precise one."""
    live = -layer.shifts[steps.counts > 0]
    top = min(int(live.min()) - 1, _MOST_SHIFT) if live.size else _CONSTANT_SHIFT
    return tuple(dict.fromkeys(s for s in (top // 4 * 4, top) if s >= 1))


def _affine(layer: Layer, steps: LayerSteps, shift: int) -> Requant | None:
    """The affine form with S = ``shift``: by the layer's own multipliers where they do."""
    live = steps.counts > 0
    own = np.rint(np.ldexp(layer.multipliers.astype(np.float64), shift + 1 + layer.shifts))
    if not np.all((own > _REACH) & (own < _INT32 - 2 * _REACH) | ~live):
        return None
    multipliers = np.where(live, own, 0).astype(np.int64)
    betas, addends = _still_betas(layer, steps), steps.first << shift
    low, high = _windows(layer, steps, multipliers, shift)
    for channel in np.flatnonzero(live).tolist():
        m, window = int(multipliers[channel]), (int(low[channel]), int(high[channel]))
        found = _split(m, window, _FEW_BETAS)
        if found is None:
            m, window = _widest(layer, steps[channel], m, shift)
            found = _split(m, window, _BETAS)
        if found is None:
            return None
        multipliers[channel], (betas[channel], addends[channel]) = m, found
    zeros = np.zeros(len(live), np.int64)
    found_all = Requant(Form.AFFINE, shift, multipliers, addends, betas, zeros, _clamp(layer))
    return _proven(found_all, steps) if _in_range(found_all, steps) else None


def _windows(layer: Layer, steps: LayerSteps, m: Ints, shift: int) -> tuple[Ints, Ints]:
    """The D, from and to, for which (a·m + D) >> (32 + S) is the output before it is clamped."""
    total = 32 + shift
    reached, slope = steps.outputs << total, m[steps.channel]
    low = steps.most(reached - slope * steps.at, 0)
    high = steps.least(reached - slope * (steps.at - 1), 0) - 1
    # Beyond the last steps only the clamp helps.
    least, most = (steps.first << total) - m * steps.low, (steps.last + 1 << total) - m * steps.high
    low = np.where(steps.first > layer.act_min, np.maximum(low, least), low)
    return low, np.where(steps.last < layer.act_max, np.minimum(high, most - 1), high)


def _split(m: int, window: tuple[int, int], betas: int) -> tuple[int, int] | None:
    """The least β below ``betas``, and C, with β·m + C·2³² in the window."""
    low, high = window
    beta = first_multiple(m, _WORD, low, high) if low <= high else None
    return None if beta is None or beta >= betas else (beta, -((beta * m - low) >> 32))


def first_multiple(factor: int, modulus: int, low: int, high: int) -> int | None:
    """The least x ≥ 0 for which x · factor lies in [low, high] but for multiples of ``modulus``.

    None if no x does. By Euclid's algorithm: about a step for each bit of the modulus at most.

    >>> first_multiple(7, 32, 3, 4), first_multiple(8, 32, 3, 4)
    (5, None)
    """
    low, high = low % modulus, low % modulus + high - low
    if low == 0 or high >= modulus:
        return 0
    factor %= modulus
    if factor == 0:
        return None
    if 2 * factor > modulus:
        factor, low, high = modulus - factor, modulus - high, modulus - low
    if -(-low // factor) * factor <= high:
        return -(-low // factor)
    # x · factor − y · modulus: with the least x comes the least y.
    y = first_multiple(modulus % factor, factor, -high, -low)
    return None if y is None else -(-(low + y * modulus) // factor)


def _widest(layer: Layer, step: Steps, own: int, shift: int) -> tuple[int, tuple[int, int]]:
    """The multiplier around ``own`` with the widest window, a concave function of it; its window.

    Each of the two ends belongs to one accumulator, and the window widens by their distance.
    """
    total = 32 + shift
    last = step.first + len(step.at)
    before = slice(None if step.first > layer.act_min else 1, None)
    behind = slice(None, None if last < layer.act_max else -1)
    values = np.arange(step.first, last + 2, dtype=np.int64) << total
    must, reach = np.append(step.low, step.at)[before], values[:-1][before]
    must_not, less = np.append(step.at - 1, step.high)[behind], values[1:][behind]
    span = min(own >> 12, _REACH)
    left, right = own - span, own + span
    found, best = (own, (0, -_WORD)), -_WORD << shift
    while left <= right:
        m = (left + right) // 2
        low, high = reach - m * must, less - m * must_not
        first, second = int(np.argmax(low)), int(np.argmin(high))
        window = int(low[first]), int(high[second]) - 1
        if window[1] - window[0] > best:
            found, best = (m, window), window[1] - window[0]
        left, right = (m + 1, right) if must[first] > must_not[second] else (left, m - 1)
    return found


def _in_range(found: Requant, steps: LayerSteps) -> bool:
    """Whether no 32-bit register overflows."""
    ends = steps.low + found.betas, steps.high + found.betas
    results = [(end * found.multipliers >> 32) + found.addends for end in ends]
    return all(bool(np.all(v == v.astype(np.int32))) for v in (*ends, *results, found.addends))


def _rounded(layer: Layer, steps: LayerSteps, form: Form) -> Requant | None:
    """A form with the layer's own multipliers and shifts."""
    live, betas = steps.counts > 0, _still_betas(layer, steps)
    if np.any(layer.shifts[live] >= 0):
        return None
    right = np.where(live, -layer.shifts, _STILL_SHIFT)
    nearest = (np.int64(1) << (right - 1)) + (layer.out_zero << right)
    addends = np.where(live, nearest, (steps.first << _STILL_SHIFT) + 1)
    most = np.maximum(np.abs(layer.low + betas), np.abs(layer.high + betas))
    # |high word of 2·a·m| ≤ |a|.
    if np.any(2 * most >= _INT32) or np.any(most + np.abs(addends) + 2 >= _INT32):
        return None
    multipliers = np.where(live, layer.multipliers, 0)
    return _proven(Requant(form, 0, multipliers, addends, betas, right, _clamp(layer)), steps)


def _still_betas(layer: Layer, steps: LayerSteps) -> Ints:
    """β of constant channels, which brings their accumulators around 0; 0 of the others."""
    return np.where(steps.counts > 0, 0, -(layer.low + layer.high >> 1))


def _proven(found: Requant, steps: LayerSteps) -> Requant | None:
    """All forms are monotone in the accumulator."""
    return found if bool(np.all(steps.proven(found.outputs))) else None

"""Ops of two int8 operands as one linear form: the search, and the proof on all 65,536 pairs.

ADD and SUB of quantized tensors rescale each operand, add, and rescale the sum. Their output still
is a staircase over x1 and x2, and one plane lies between all of its steps:
clamp((A·x1 + B·x2 + C) >> S). MUL is a staircase over the product of the operands without zero
points: clamp((M·p + C) >> S), with another C below 0 where products are rounded away from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.sums import Ints

Reals = NDArray[np.float64]
X = np.arange(-128, 128, dtype=np.int64)
"""Every int8, the axis of all tables here."""
_ROUNDS = 300
_SHIFTS = (22, 23, 24, *range(21, 7, -1))
"""The preferred first: one for most layers, so that they share code."""
_LIMIT = 1 << 31
_TRIES, _TIGHT = 2000, 40
_ALMOST = -1e-6
"""Room that there is not, in outputs, but which the noise of dropped bits may make."""


@dataclass(frozen=True)
class Linear:
    """clamp((Σ (factors[i]·variable i >> drop) + offset) >> shift), the sum within int32."""

    factors: tuple[int, ...]
    offset: int
    shift: int


@dataclass(frozen=True)
class Arithmetic:
    """What a kernel can express.

    Attributes:
        drop: bits that each product loses before the sum.
        limit: factors are at least 0 and below this.
    """

    drop: int
    limit: int = _LIMIT


@dataclass(frozen=True)
class Staircase:
    """What a form has to meet: outputs over some variables, none of them ever falling.

    Attributes:
        variables: values of each variable: (variables, points).
        outputs: the op's output at each point, clamped to [low, high].
        low, high: the clamp: nothing is asked of a form beyond it.
        ends: values of the variables at which the form is largest and smallest.
        start: about the slopes, in outputs per unit of each variable; not below 0.
        radii: how far from there they are looked for.
    """

    variables: Ints
    outputs: Ints
    low: int
    high: int
    ends: Ints
    start: tuple[float, ...]
    radii: tuple[float, ...]


def pairs(table: Ints, low: int, high: int, start: tuple[float, float]) -> Staircase:
    """A function of x1 and x2, given as outputs[x1 + 128, x2 + 128], as a staircase.

    Only corners of its steps are kept: a plane that rises with both variables and meets the
    smallest points of a step from above, and the largest from below, meets all of them.
    """
    rises, ends = np.ones((2, *table.shape), bool)
    for axis in (0, 1):
        differs = np.diff(table, axis=axis) != 0
        behind, before = [slice(None)] * 2, [slice(None)] * 2
        behind[axis], before[axis] = slice(1, None), slice(None, -1)
        rises[tuple(behind)] &= differs
        ends[tuple(before)] &= differs
    at = np.argwhere(rises | ends)
    outputs = table[at[:, 0], at[:, 1]]
    corners = np.array([[-128, -128, 127, 127], [-128, 127, -128, 127]], np.int64)
    radius = max(start) / 16
    return Staircase(at.T - 128, outputs, low, high, corners, start, (radius, radius))


def products(
    values: Ints, outputs: Ints, low: int, high: int, start: float, sign: int = 0
) -> Staircase:
    """A function of one variable: outputs at some values of it, ascending.

    Args:
        values: of the variable.
        outputs: the op's, at these.
        low: the clamp's lower end.
        high: its upper end.
        start: the slope by the quantization's scales.
        sign: if not 0, a second variable that is −sign below 0 of the first, else 0: its slope is
            another offset there.
    """
    slopes, radii = (start, 0.0), (start / 16, 0.5 / max(sign, 1))
    count = 2 if sign else 1
    variables = np.stack([values, np.where(values < 0, -sign, 0)][:count]).astype(np.int64)
    ends = np.sort(variables[:, [0, -1]], axis=1)
    return Staircase(variables, outputs, low, high, ends, slopes[:count], radii[:count])


def fit(stairs: Staircase, kernel: Arithmetic) -> Linear | None:
    """A linear form that meets a staircase, or None if none was found.

    Its equality still is to be proven on all inputs, with the very arithmetic of the kernel.
    """
    if not np.any(stairs.outputs != stairs.outputs[0]):
        constant = int(stairs.outputs[0]) << _SHIFTS[0]
        return Linear((0,) * len(stairs.start), constant, _SHIFTS[0])
    best: Reals | None = None
    for slopes, room in _slopes(stairs):
        best = slopes
        # An offset is a multiple of 2^−shift: room for less is none.
        for shift in (shift for shift in _SHIFTS if room * 2.0**shift >= 1):
            found = _with_offset(stairs, _scaled(slopes, kernel, shift), kernel, shift)
            if found is not None:
                return found
    return None if best is None else _near(stairs, best, kernel)


def _near(stairs: Staircase, slopes: Reals, kernel: Arithmetic) -> Linear | None:
    """A form whose slopes are about these, which leave little room or just none.

    What products lose before the sum is noise of less than two units, and may make the difference.
    Many factors are tried on the points that are nearest to their limits, few on all.
    """
    spread = max(3, 1 << kernel.drop)
    steps = np.random.default_rng(0).integers(-spread, spread + 1, (_TRIES, len(slopes)))
    tight = _tight(stairs, slopes)
    for shift in _SHIFTS:
        tried = _scaled(slopes, kernel, shift) + steps
        if tried.max() >= kernel.limit:
            continue
        sums = np.zeros((len(tried), len(tight.outputs)), np.int64)
        for factors, points in zip(tried.T, tight.variables, strict=True):
            sums += factors[:, None] * points >> kernel.drop
        least, most = _limits(tight, sums, shift)
        for factors in tried[least <= most]:
            found = _with_offset(stairs, factors, kernel, shift)
            if found is not None:
                return found
    return None


def _tight(stairs: Staircase, slopes: Reals) -> Staircase:
    """The points that are nearest to the limits of the offset."""
    rest = stairs.outputs - slopes @ stairs.variables
    order = np.argsort(rest)
    last = order[stairs.outputs[order] > stairs.low][-_TIGHT:]
    first = order[stairs.outputs[order] < stairs.high][:_TIGHT]
    chosen = np.unique(np.concatenate([first, last]))
    return replace(stairs, variables=stairs.variables[:, chosen], outputs=stairs.outputs[chosen])


def _scaled(slopes: Reals, kernel: Arithmetic, shift: int) -> Ints:
    return np.rint(slopes * 2.0 ** (shift + kernel.drop)).astype(np.int64)


def _with_offset(stairs: Staircase, factors: Ints, kernel: Arithmetic, shift: int) -> Linear | None:
    """The form with these factors, if the kernel can hold them and one offset suits all points."""
    if np.any(factors < 0) or np.any(factors >= kernel.limit):
        return None
    sums = np.sum((factors[:, None] * stairs.ends) >> kernel.drop, axis=0)
    if int(sums.max() - sums.min()) >= 2 * _LIMIT:
        return None
    least, most = _offsets(stairs, factors, kernel.drop, shift)
    offset = (least + most) >> 1
    ends = (offset, *(sums + offset))
    if least > most or min(ends) < -_LIMIT or max(ends) >= _LIMIT:
        return None
    return Linear(tuple(int(f) for f in factors), offset, shift)


def _offsets(stairs: Staircase, factors: Ints, drop: int, shift: int) -> tuple[int, int]:
    """The least and the largest offset that suit all points; none do if the first is larger."""
    sums = np.sum((factors[:, None] * stairs.variables) >> drop, axis=0)
    least, most = _limits(stairs, sums, shift)
    return int(least), int(most)


def _limits(stairs: Staircase, sums: Ints, shift: int) -> tuple[Ints, Ints]:
    """The same for sums at the points (the last axis) of any number of forms."""
    lower, upper = stairs.outputs > stairs.low, stairs.outputs < stairs.high
    from_below = (stairs.outputs[lower] << shift) - sums[..., lower]
    from_above = ((stairs.outputs[upper] + 1) << shift) - 1 - sums[..., upper]
    wide = np.int64(_LIMIT) << 8
    return from_below.max(axis=-1, initial=-wide), from_above.min(axis=-1, initial=wide)


def _slopes(stairs: Staircase) -> Iterator[tuple[Reals, float]]:
    """Real slopes with room for an offset, and how much: each with more than the one before.

    Slopes that miss it by next to nothing count too.

    Room is the least upper less the greatest lower bound of the offset: a concave function of the
    slopes, and the two points that bound it give its slope. So the ellipsoid method finds room, or
    knows that there is none.
    """
    points = stairs.variables.astype(np.float64)
    lower, upper = stairs.outputs > stairs.low, stairs.outputs < stairs.high
    if not np.any(lower) or not np.any(upper):
        return
    below, above = points[:, lower], points[:, upper]
    bottom, top = stairs.outputs[lower].astype(float), stairs.outputs[upper] + 1.0
    # The method wants two dimensions at least: a second one that nothing depends on does no harm.
    count = len(stairs.start)
    size = max(count, 2)
    center = np.resize(stairs.start, size)
    ellipsoid = np.diag(np.resize(stairs.radii, size)) ** 2
    best = -np.inf
    for _ in range(_ROUNDS):
        slopes = center[:count]
        floor, ceiling = bottom - slopes @ below, top - slopes @ above
        i, j = int(floor.argmax()), int(ceiling.argmin())
        room = float(ceiling[j] - floor[i])
        if room > max(best, _ALMOST):
            yield slopes.copy(), room
        best = max(best, room)
        rise = np.zeros(size)
        rise[:count] = below[:, i] - above[:, j]
        reach = float(np.sqrt(max(rise @ ellipsoid @ rise, 0.0)))
        if reach < 1e-12 or room + reach < _ALMOST:
            return
        # A cut through the best room so far: what lies behind it has less.
        depth = (best - room) / reach
        if depth >= 1:
            return
        toward = ellipsoid @ rise / reach
        center = center + (1 + size * depth) / (size + 1) * toward
        narrow = 2 * (1 + size * depth) / ((size + 1) * (1 + depth))
        ellipsoid = (
            size * size / (size * size - 1) * (1 - depth * depth)
            * (ellipsoid - narrow * np.outer(toward, toward))
        )  # fmt: skip

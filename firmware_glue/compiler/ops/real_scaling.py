"""Sums times a real factor, as LiteRT's reference of FULLY_CONNECTED rounds them.

The factor is a double; the product is rounded to a double, then to nearest, ties away from zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler import fixed_point
from firmware_glue.compiler.ops.channels import Scaling

Doubles = NDArray[np.float64]
_TOP = (1 << 31) - 1
_CHUNK = 256
_SHIFTS = 120


def multiply_real(acc: NDArray[np.int64], reals: Doubles) -> NDArray[np.int64]:
    """Sums (…, channels) times one factor each, or one for all; saturated to int32."""
    product = np.clip(acc.astype(np.float64) * reals, -_TOP - 1, _TOP)
    return fixed_point.round_half_away(product).astype(np.int64)


def mantissas(reals: Doubles) -> Scaling:
    """Factors as 53-bit mantissas and shifts: real = mantissa / 2⁵³ · 2^shift, exactly.

    The arguments of ``ec_requant_exact``; shifts beyond ±120 give the same as those.
    """
    parts = [math.frexp(real) for real in reals.tolist()]
    whole = np.array([int(fraction * 2.0**53) for fraction, _ in parts], np.int64)
    shifts = np.array([min(max(shift, -_SHIFTS), _SHIFTS) for _, shift in parts], np.int8)
    return _folded(whole, shifts)


def nearest(reals: Doubles, reach: int) -> Scaling | None:
    """31-bit multipliers that round every sum as the factors do; None where there are none.

    Args:
        reals: the factors.
        reach: results beyond ±reach saturate, and need no care.
    """
    multipliers, shifts = np.zeros(reals.size, np.int64), np.full(reals.size, -1, np.int64)
    for start in range(0, reals.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        found = _nearest(reals[part], reach)
        if found is None:
            return None
        multipliers[part], shifts[part] = found
    return _folded(multipliers.astype(np.int32), shifts.astype(np.int8))


def _folded(multipliers: NDArray[Any], shifts: NDArray[np.int8]) -> Scaling:
    same = np.all(multipliers == multipliers[0]) and np.all(shifts == shifts[0])
    return Scaling(multipliers[:1], shifts[:1]) if same else Scaling(multipliers, shifts)


def _nearest(reals: Doubles, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    pairs = [fixed_point.quantize_multiplier(real) for real in reals.tolist()]
    multipliers = np.array([m for m, _ in pairs], np.int64)
    shifts = np.array([s if m else -1 for m, s in pairs], np.int64)
    sums, wanted = _borders(reals, reach)
    open_rows = np.arange(reals.size)
    for step in (0, 1, -1):
        tried = multipliers[open_rows] + step * (multipliers[open_rows] > 0)
        total = (31 - shifts[open_rows])[:, None]
        rows = sums[open_rows]
        got = (rows * tried[:, None] + (np.int64(1) << (total - 1))) >> total
        good = np.all(np.minimum(got, reach) == wanted[open_rows], axis=1) & (tried <= _TOP)
        multipliers[open_rows[good]] = tried[good]
        open_rows = open_rows[~good]
        if not open_rows.size:
            return multipliers, shifts
    return None


def _borders(reals: Doubles, reach: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sums around each step of the rounded product, and their results (rows: channels).

    Both ways of rounding grow with the sum: where they agree here, they agree everywhere.
    """
    steps = np.arange(reach) + 0.5
    with np.errstate(divide="ignore"):
        centres = np.minimum(steps[None, :] / reals[:, None], float(_TOP - 2))
    sums = np.clip(centres.astype(np.int64)[:, :, None] + np.arange(-2, 3), 0, _TOP)
    product = np.minimum(sums * reals[:, None, None], float(reach))
    wanted = fixed_point.round_half_away(product).astype(np.int64)
    rows = reals.size
    return sums.reshape(rows, -1), wanted.reshape(rows, -1)

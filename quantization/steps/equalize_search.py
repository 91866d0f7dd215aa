"""Finds channel scales that lower the noise; a step that does not is not taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quantization.steps.equalize_channels import Ids
from quantization.steps.equalize_noise import ActivationNoise, Float64, Noise, WeightNoise

SWEEPS = 12
ENOUGH = 2e-3
_REACH = np.log(1024.0)
_TINY = 1e-12
# Weight of the activations' share, of the writers' rows, of the readers' columns. (0, ½, ½) is the
# closed form of Nagel et al. 2019, equation 11; (1, 0, 0) equalizes activations alone.
_MIXES = (
    (1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0),
    (0.5, 0.0, 0.5), (1 / 3, 1 / 3, 1 / 3),
)  # fmt: skip
_DAMPING = (1.0, 0.5, 0.25)
_CEILINGS = (0.7, 0.5, 0.35, 0.25)


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes:
        scales: (groups,), 1 for those that stay.
        before, after: total noise.
        sweeps: passes over all layers.
    """

    scales: Float64
    before: float
    after: float
    sweeps: int


def search(
    terms: Sequence[Noise],
    blocks: Sequence[Ids],
    free: NDArray[np.bool_],
    ceiling: Float64,
    start: Float64 | None = None,
) -> Found:
    """Coordinate descent, one block of groups after the other.

    For each block a fixed set of candidates is tried: groups move towards equal shares of what
    they are part of (activation ranges, filters that make them, columns that read them), or only
    the outliers move. The best is taken if the sum of the noise terms falls.

    Args:
        terms: what is to fall.
        blocks: groups that are tried together, each with its channels of one layer's output.
        free: (groups,), whether a group may move.
        ceiling: (groups,), the largest scale allowed.
        start: (groups,), scales to begin with; None: all 1.
    """
    u = np.zeros(len(free)) if start is None else np.log(start)
    top = np.minimum(np.log(ceiling), _REACH)
    inside = [np.unique(block[free[block]]) for block in blocks]
    touched = [_touched(terms, block, len(free)) for block in inside]
    total = before = sum(term.power(u) for term in terms)
    sweeps = 0
    while sweeps < SWEEPS:
        last = total
        for block, near in zip(inside, touched, strict=True):
            if len(block):
                total -= _improve(u, block, near, top)
        sweeps += 1
        if last - total <= ENOUGH * last:
            break
    return Found(np.exp(u), before, sum(term.power(u) for term in terms), sweeps)


def _improve(u: Float64, block: Ids, near: list[Noise], top: Float64) -> float:
    """Moves ``u[block]`` to the best candidate; by how much the noise fell."""
    powers = _powers(u, block, near)
    now = sum(power(u) for power in powers)
    old = u[block].copy()
    best, values = now, old
    for move in _moves(u, block, near):
        candidate = np.clip(old + move, -_REACH, top[block])
        u[block] = candidate
        value = sum(power(u) for power in powers)
        if value < best * (1 - 1e-9):
            best, values = value, candidate
    u[block] = values
    return now - best


def _powers(u: Float64, block: Ids, near: list[Noise]) -> list[Callable[[Float64], float]]:
    """The noise of each term while ``block`` moves; what does not depend on it is done once."""
    moving = np.zeros(len(u), bool)
    moving[block] = True
    return [
        partial(term.power, filters=term.filters(u))
        if isinstance(term, WeightNoise) and not moving[term.inputs].any()
        else term.power
        for term in near
    ]


def _moves(u: Float64, block: Ids, near: list[Noise]) -> Iterator[Float64]:
    shares = np.zeros((3, len(u)))
    for term in near:
        if isinstance(term, ActivationNoise):
            term.share(u, shares[0])
        else:
            term.shares(u, shares[1], shares[2])
    logs = np.log(np.maximum(shares[:, block], _TINY))
    known = shares[:, block] > _TINY
    logs = np.where(known, logs, 0.0)
    for act, row, column in _MIXES:
        step = -act * logs[0] - row * logs[1] + column * logs[2]
        # A dead channel would move without end; the others tell how far is far.
        for damping in _DAMPING:
            yield damping * step
    for kind, sign in ((0, -1.0), (1, -1.0), (2, 1.0)):
        for limit in _CEILINGS:
            over = np.maximum(logs[kind] - np.log(limit), 0.0)
            if over.any():
                yield sign * over


def _touched(terms: Sequence[Noise], block: Ids, count: int) -> list[Noise]:
    member = np.zeros(count, bool)
    member[block] = True
    found: list[Noise] = []
    for term in terms:
        if isinstance(term, WeightNoise):
            hit = member[term.inputs].any() or member[term.outputs].any()
        else:
            hit = member[term.groups].any()
        if hit:
            found.append(term)
    return found

"""Integer weights that make a layer's output error small: a least-squares problem over integers.

For each output channel the error is ``δᵀHδ − 2 δᵀd + e`` with ``δ = scale · q − w``
(:mod:`quantization.steps.layer_statistics`), plus ``λ·‖δ‖²``, which draws the weights to their
float values where few samples say little. Solved without gradients:

1. the scale, from a grid of clipping factors (the rounding of each is to the nearest);
2. codes by error feedback: weights are rounded one after the other, and the ones that are left
   make good what rounding did (GPTQ: Frantar et al. 2022, arXiv 2210.17323, which is OBQ's greedy
   step in a fixed order, by one Cholesky factor);
3. coordinate descent: each code in turn takes its best integer, until none moves (as COMQ: Zhang
   et al. 2024, arXiv 2403.07134);
4. the best scale for these codes in closed form, and 3 again.

Each of these only ever lowers the objective, so the result is never worse than rounding to the
nearest. Arrays are (groups, K, O), see :class:`quantization.steps.layer_statistics.Layer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantization.steps.layer_statistics import Statistics

Floats = NDArray[np.floating[Any]]
MAX_CODE = 127
_BLOCK = 64
_REFINEMENTS = 2
#: Layers of so few weights per output also descend from the nearest codes.
_SMALL = 128
_FACTORS = (1.0, 0.96, 0.92, 0.87, 0.82, 0.76, 0.7, 0.63, 0.56, 0.48, 0.4)


@dataclass(frozen=True, eq=False)
class Problem:
    """One layer's objective, per row.

    Attributes:
        weights: float64 (groups, K, O).
        gram: H, float64 (groups, K, K), the ridge on its diagonal included.
        cross: d, float64 (groups, K, O).
        energy: e, float64 (groups, 1, O).
        shared: one scale for all channels.
    """

    weights: Floats
    gram: Floats
    cross: Floats
    energy: Floats
    shared: bool

    @classmethod
    def of(cls, weights: Floats, means: Statistics, damping: float, *, shared: bool) -> Problem:
        """The problem of a layer.

        Args:
            weights: (groups, K, O).
            means: :meth:`Statistics.means` of the layer.
            damping: λ as a share of the mean of H's diagonal.
            shared: one scale for all channels.
        """
        diagonal = np.einsum("gkk->g", means.gram) / means.gram.shape[1]
        # A group whose inputs are always zero still needs a minimum: its float weights.
        floor = 1e-9 * diagonal.max(initial=0.0) + 1e-30
        ridge = np.maximum(damping * diagonal, floor)
        gram = means.gram + ridge[:, None, None] * np.eye(means.gram.shape[1])
        return cls(weights.astype(np.float64), gram, means.cross, means.energy, shared)

    def errors(self, rounding: Rounding) -> Floats:
        """The objective per output channel, (groups, 1, O)."""
        delta = rounding.codes * rounding.scale - self.weights
        pull = self.gram @ delta - 2.0 * self.cross
        return (delta * pull).sum(axis=1, keepdims=True) + self.energy


@dataclass(frozen=True, eq=False)
class Rounding:
    """Codes and scale.

    Attributes:
        codes: float64 whole numbers (groups, K, O), −127 to 127.
        scale: float64 values that float32 holds, (groups, 1, O).
    """

    codes: Floats
    scale: Floats


def nearest(weights: Floats, scale: Floats) -> Floats:
    """The codes nearest to the weights."""
    return np.clip(np.rint(weights / scale), -MAX_CODE, MAX_CODE)


def solve(problem: Problem, scale: Floats) -> Rounding:
    """Codes and scale of small error.

    Args:
        problem: the objective.
        scale: of rounding to the nearest, (groups, 1, O), equal everywhere if shared.
    """
    start = np.asarray(scale, np.float64)
    best = clipped(problem, start)
    ways = [Rounding(error_feedback(problem, best.scale), best.scale)]
    if problem.weights.shape[1] <= _SMALL:
        ways.append(best)
    for way in ways:
        best = _keep_better(problem, best, descend(problem, way))
    for _ in range(_REFINEMENTS):
        moved = descend(problem, Rounding(best.codes, _best_scale(problem, best, start)))
        before = float(problem.errors(best).sum())
        best = _keep_better(problem, best, moved)
        if float(problem.errors(best).sum()) > before * (1 - 1e-3):
            break
    return best


def rough(problem: Problem, start: Rounding) -> Rounding:
    """What :func:`solve` comes to, at a fraction of its cost: one pass, with the start's scale."""
    aimed = Rounding(error_feedback(problem, start.scale), start.scale)
    return _keep_better(problem, start, descend(problem, aimed, sweeps=1))


def clipped(problem: Problem, start: Floats) -> Rounding:
    """Rounding to the nearest under the best clipping factor."""
    best = Rounding(nearest(problem.weights, start), start)
    for factor in _FACTORS[1:]:
        scale = _single(start * factor)
        best = _keep_better(problem, best, Rounding(nearest(problem.weights, scale), scale))
    return best


def error_feedback(problem: Problem, scale: Floats) -> Floats:
    """GPTQ's pass: codes (groups, K, O) in the order of falling input energy."""
    groups, depth, outputs = problem.weights.shape
    order = np.argsort(-np.einsum("gkk->gk", problem.gram), axis=1, kind="stable")
    gram = np.take_along_axis(problem.gram, order[:, :, None], axis=1)
    gram = np.take_along_axis(gram, order[:, None, :], axis=2)
    try:
        # The minimum without integers is what the feedback aims at.
        aim = problem.weights + np.linalg.solve(problem.gram, problem.cross)
        inverse = np.linalg.inv(gram)
        factor = np.linalg.cholesky((inverse + inverse.transpose(0, 2, 1)) / 2).transpose(0, 2, 1)
    except np.linalg.LinAlgError:  # inputs that hardly vary, and hardly any damping
        return nearest(problem.weights, scale)
    left = np.take_along_axis(aim, order[:, :, None], axis=1)
    codes = np.empty((groups, depth, outputs))
    for low in range(0, depth, _BLOCK):
        high = min(low + _BLOCK, depth)
        pushed = np.empty((groups, high - low, outputs))
        for k in range(low, high):
            codes[:, k] = nearest(left[:, k], scale[:, 0])
            pushed[:, k - low] = (left[:, k] - codes[:, k] * scale[:, 0]) / factor[:, k, k, None]
            row = factor[:, k, k + 1 : high, None]
            left[:, k + 1 : high] -= row * pushed[:, k - low, None]
        left[:, high:] -= factor[:, low:high, high:].transpose(0, 2, 1) @ pushed
    result = np.empty_like(codes)
    np.put_along_axis(result, order[:, :, None], codes, axis=1)
    return result


def descend(problem: Problem, start: Rounding, sweeps: int = 8) -> Rounding:
    """Coordinate descent over the codes, until (nearly) no single one can improve.

    Slopes are carried in float32: a move is only judged wrong where it hardly matters.
    """
    codes, scale = start.codes.astype(np.float32), start.scale
    gram = problem.gram.astype(np.float32)
    diagonal = np.einsum("gkk->gk", gram)[:, :, None]
    slope = problem.cross - problem.gram @ (start.codes * scale - problem.weights)
    # Counted in steps of the code itself: how far it wishes to go, and how much of that a step
    # of another code (the last axis) takes away.
    wish = (slope / (diagonal * scale)).astype(np.float32)
    share = gram / diagonal
    for _ in range(sweeps):
        moves = sum(
            _descend_block(codes, wish, share, low) for low in range(0, codes.shape[1], _BLOCK)
        )
        if moves <= codes.size // 1000:
            break
    return Rounding(codes.astype(np.float64), scale)


def _descend_block(codes: Floats, wish: Floats, share: Floats, low: int) -> int:
    """One sweep over some codes, in place; returns how many moved."""
    high = min(low + _BLOCK, codes.shape[1])
    inner = share[:, low:high, low:high]
    near = wish[:, low:high].copy()
    change = np.zeros_like(near)
    for k in range(high - low):
        step = np.rint(near[:, k])
        if not step.any():
            continue
        here = codes[:, low + k]
        step = np.minimum(np.maximum(here + step, -MAX_CODE), MAX_CODE) - here
        change[:, k] = step
        here += step
        _take_away(near[:, k + 1 :], inner[:, k + 1 :, k], step)
    moved = int(np.count_nonzero(change))
    if moved:
        wish -= share[:, :, low:high] @ change
    return moved


def _take_away(near: Floats, column: Floats, step: Floats) -> None:
    """``near −= column · step`` in place, for the outputs that moved."""
    if len(near) == 1:
        moved = np.flatnonzero(step[0])
        if moved.size < step.size // 4:
            near[0][:, moved] -= np.outer(column[0], step[0, moved])
            return
    near -= column[:, :, None] * step[:, None]


def _keep_better(problem: Problem, one: Rounding, other: Rounding) -> Rounding:
    """The better of two per channel; as a whole where the scale is shared and differs."""
    first, second = problem.errors(one), problem.errors(other)
    if problem.shared and not np.array_equal(one.scale, other.scale):
        return other if second.sum() < first.sum() else one
    better = second < first
    return Rounding(
        np.where(better, other.codes, one.codes), np.where(better, other.scale, one.scale)
    )


def _best_scale(problem: Problem, rounding: Rounding, start: Floats) -> Floats:
    """The scale that is best for these codes: q·Hq s = q·(Hw + d); within bounds of the start."""
    codes = rounding.codes
    pull = problem.gram @ codes
    above = (codes * problem.cross + pull * problem.weights).sum(axis=1, keepdims=True)
    below = (codes * pull).sum(axis=1, keepdims=True)
    if problem.shared:
        above, below = np.full_like(above, above.sum()), np.full_like(below, below.sum())
    usable = (below > 0) & (above > 0)
    wish = np.where(usable, above / np.where(usable, below, 1.0), rounding.scale)
    return _single(np.clip(wish, 0.25 * start, 1.25 * start))


def _single(scale: Floats) -> Floats:
    """Rounded to float32, as the file will hold it."""
    return scale.astype(np.float32).astype(np.float64)

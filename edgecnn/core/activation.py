"""What turns a network's real outputs into probabilities."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# A probability may come out of float32 this much (relatively) too high.
_SLACK = 1e-6
_LEAST = 1e-30


def activate(real: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """``softmax`` over the last axis, ``sigmoid``, or ``none``; float32 in, float32 out.

    >>> activate(np.float32([0, 0]), "softmax").tolist()
    [0.5, 0.5]
    """
    if kind == "softmax":
        powers = np.exp(real - real.max(axis=-1, keepdims=True))
        result: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
        return result
    if kind == "sigmoid":
        # Of −|x| only, so that nothing overflows.
        small = np.exp(-np.abs(real))
        return np.where(real >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return real.astype(np.float32)


def lowest_real(probability: float, kind: str) -> float:
    """A real value below which :func:`activate` certainly gives less than ``probability``.

    Slightly too low rather than too high. ``softmax`` depends on the other values too: −inf.

    >>> round(lowest_real(0.5, "sigmoid"), 4), lowest_real(0.0, "sigmoid")
    (-0.0, -inf)
    """
    wanted = probability * (1 - _SLACK)
    if kind == "softmax" or wanted < _LEAST:
        return -math.inf
    if kind == "none":
        return wanted
    return math.log(wanted) - math.log1p(-wanted)

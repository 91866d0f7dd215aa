"""Where a layer's outputs step: the ground on which cheaper requantizations are proven.

A layer's output is a monotone function of its accumulator. So it is known by the smallest
accumulator that reaches each output value, and another monotone function is equal to it on all
accumulators if it is equal at these and at the accumulators just below them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_glue.compiler.fast.sums import Ints, Layer


@dataclass(frozen=True)
class Steps:
    """The steps of one channel.

    Attributes:
        low, high: the accumulator's bounds.
        first: the output at ``low``.
        at: accumulators, ascending; at[k] is the smallest that gives at least first + 1 + k.
    """

    low: int
    high: int
    first: int
    at: Ints

    @property
    def outputs(self) -> Ints:
        """The output that each entry of ``at`` reaches."""
        return self.first + 1 + np.arange(len(self.at), dtype=np.int64)

    @property
    def constant(self) -> bool:
        """Whether every input gives the same output."""
        return not len(self.at)

    def proves(self, function: Callable[[Ints], Ints]) -> bool:
        """Whether a monotone function of the accumulator equals the layer on [low, high].

        Args:
            function: accumulators → outputs, elementwise. That it is monotone is the caller's word.
        """
        ends = np.array([self.low, self.high], np.int64)
        want = np.array([self.first, self.first + len(self.at)], np.int64)
        if not np.array_equal(function(ends), want):
            return False
        if self.constant:
            return True
        up = np.asarray(function(self.at)) >= self.outputs
        return bool(np.all(up)) and bool(np.all(np.asarray(function(self.at - 1)) < self.outputs))


def layer_steps(layer: Layer) -> tuple[Steps, ...]:
    """The steps of every channel, by bisection of the layer's own arithmetic."""
    count = len(layer.bias)
    every = np.arange(count)
    first, last = layer.outputs(layer.low, every), layer.outputs(layer.high, every)
    sizes = last - first
    channel = np.repeat(every, sizes)
    ordinal = np.arange(len(channel)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    wanted = first[channel] + 1 + ordinal
    # Invariant: outputs(below) < wanted ≤ outputs(above).
    below, above = layer.low[channel].copy(), layer.high[channel].copy()
    while np.any(above - below > 1):
        middle = (below + above) >> 1
        reached = layer.outputs(middle, channel) >= wanted
        above, below = np.where(reached, middle, above), np.where(reached, below, middle)
    ends = np.cumsum(sizes)
    return tuple(
        Steps(int(layer.low[c]), int(layer.high[c]), int(first[c]), above[ends[c] - n : ends[c]])
        for c, n in enumerate(sizes)
    )

"""Where a layer's outputs step: the ground on which cheaper requantizations are proven.

A layer's output is a monotone function of its accumulator. So it is known by the smallest
accumulator that reaches each output value, and another monotone function is equal to it on all
accumulators if it is equal at these and at the accumulators just below them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.sums import Ints, Layer

Masks = NDArray[np.bool_]


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


@dataclass(frozen=True)
class LayerSteps:
    """The steps of all channels, so that numpy goes over them at once. int64 arrays.

    Indexing and iterating give the :class:`Steps` of single channels.

    Attributes:
        low, high: bounds of each channel's accumulator.
        first, last: outputs at these.
        at: (steps,): those of channel 0, of channel 1 and so on, each as :class:`Steps` has them.
    """

    low: Ints
    high: Ints
    first: Ints
    last: Ints
    at: Ints

    @property
    def counts(self) -> Ints:
        """Steps per channel."""
        return self.last - self.first

    @cached_property
    def channel(self) -> Ints:
        """(steps,): the channel of each step."""
        return np.repeat(np.arange(len(self.low), dtype=np.int64), self.counts)

    @cached_property
    def outputs(self) -> Ints:
        """(steps,): the output that each entry of ``at`` reaches."""
        before = np.cumsum(self.counts) - self.counts
        return np.arange(len(self.at), dtype=np.int64) + np.repeat(
            self.first + 1 - before, self.counts
        )

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, channel: int) -> Steps:
        end = int(self.counts[: channel + 1].sum())
        return self._steps(channel, end)

    def __iter__(self) -> Iterator[Steps]:
        for channel, end in enumerate(np.cumsum(self.counts).tolist()):
            yield self._steps(channel, end)

    def _steps(self, channel: int, end: int) -> Steps:
        first, last = int(self.first[channel]), int(self.last[channel])
        at = self.at[end - (last - first) : end]
        return Steps(int(self.low[channel]), int(self.high[channel]), first, at)

    def of(self, channels: Ints | Masks) -> LayerSteps:
        """The steps of some channels: their indices, or a mask."""
        kept = np.arange(len(self))[channels]
        counts = self.counts[kept]
        ends = np.cumsum(counts)
        begins = (np.cumsum(self.counts) - self.counts)[kept]
        places = np.arange(int(counts.sum())) + np.repeat(begins - (ends - counts), counts)
        return LayerSteps(
            self.low[kept], self.high[kept], self.first[kept], self.last[kept], self.at[places]
        )

    def most(self, values: Ints, empty: int) -> Ints:
        """The largest of ``values`` (steps,) in each channel, ``empty`` in constant ones."""
        return self._reduced(np.maximum, values, np.full(len(self), empty, np.int64))

    def least(self, values: Ints, empty: int) -> Ints:
        """The smallest of ``values`` (steps,) in each channel, ``empty`` in constant ones."""
        return self._reduced(np.minimum, values, np.full(len(self), empty, np.int64))

    def _reduced(self, by: np.ufunc, values: Ints, result: Ints) -> Ints:
        live = np.flatnonzero(self.counts)
        if len(live):
            begins = (np.cumsum(self.counts) - self.counts)[live]
            result[live] = by.reduceat(values, begins)
        return result

    def proven(self, function: Callable[[Ints, Ints], Ints]) -> Masks:
        """Of which channels a monotone function equals the layer on [low, high].

        Args:
            function: (accumulators, their channels) → outputs, elementwise. That it is monotone is
                the caller's word.
        """
        every = np.arange(len(self), dtype=np.int64)
        ends = (function(self.low, every) == self.first) & (function(self.high, every) == self.last)
        up = function(self.at, self.channel) >= self.outputs
        wrong = ~(up & (function(self.at - 1, self.channel) < self.outputs))
        return np.asarray(ends & (np.bincount(self.channel[wrong], minlength=len(self)) == 0))


def layer_steps(layer: Layer) -> LayerSteps:
    """The steps of every channel: about where the factor puts them, and found by the arithmetic.

    What the layer computes on both sides of each one proves it; the others are bisected.
    """
    every = np.arange(len(layer.bias), dtype=np.int64)
    first, last = layer.outputs(layer.low, every), layer.outputs(layer.high, every)
    steps = LayerSteps(
        layer.low, layer.high, first, last, np.zeros(int((last - first).sum()), np.int64)
    )
    channel, wanted = steps.channel, steps.outputs
    low, high = layer.low[channel], layer.high[channel]
    guess = np.ceil(np.clip(layer.reaching(wanted, channel), low + 1, high)).astype(np.int64)
    reached = layer.outputs(guess, channel) >= wanted
    missed = layer.outputs(guess - 1, channel) < wanted
    # Invariant: outputs(below) < wanted ≤ outputs(above). The former's holds at low, as a step
    # is a rise over the output there, and the latter's at high.
    below = np.where(reached, np.where(missed, guess - 1, low), guess)
    above = np.where(reached, np.where(missed, guess, guess - 1), high)
    open_ = np.flatnonzero(above - below > 1)
    while len(open_):
        middle = (below[open_] + above[open_]) >> 1
        up = layer.outputs(middle, channel[open_]) >= wanted[open_]
        above[open_] = np.where(up, middle, above[open_])
        below[open_] = np.where(up, below[open_], middle)
        open_ = open_[above[open_] - below[open_] > 1]
    return LayerSteps(layer.low, layer.high, first, last, above)

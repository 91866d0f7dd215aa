"""How the matrix products for Armv6-M turn sums into outputs: the C parameter ``finish``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_glue.compiler.fast.dense import DenseLayer
from firmware_glue.compiler.fast.sums import Ints, Layer
from firmware_glue.compiler.fast.v6m.requant import requantization
from firmware_glue.compiler.ops import real_scaling

_STRAIGHT, _KINKED, _EXACT, _NEAREST = range(4)
"""The C side's EC_V6M_STRAIGHT and so on."""
_INSTRUCTIONS = (10, 14, 110, 110)
"""Of each kind, per output."""


@dataclass(frozen=True)
class Finish:
    """A layer's finish, exact for every accumulator that it can have.

    Attributes:
        kind: the C parameter.
        numbers: the C array: uint32 (channels, 2), or (channels, 4) for the kinked kind.
        betas: int64 (channels,): what is added to the sums beside the bias.
    """

    kind: int
    numbers: NDArray[np.uint32]
    betas: Ints

    @property
    def exact(self) -> bool:
        """By 64-bit products."""
        return self.kind >= _EXACT

    @property
    def instructions(self) -> int:
        """Executed per output, about."""
        return _INSTRUCTIONS[self.kind]

    @property
    def shared(self) -> int:
        """1 where one row of numbers serves all channels, else 0."""
        return int(bool(np.all(self.numbers == self.numbers[:1])))

    def starts(self, bias: Ints) -> NDArray[np.int32]:
        """What the kernel's sums start from, int32 (channels,), modulo 2³².

        Args:
            bias: of the kernel's own sums: ``layer.folded_bias`` where it sums w · x over the raw
                int8 x, ``layer.bias`` where over x − zero point.
        """
        return (bias + self.betas).astype(np.uint64).astype(np.uint32).view(np.int32)


def finish(layer: Layer) -> Finish | None:
    """The cheapest finish; None for fully connected layers that 31-bit factors cannot round."""
    requant = requantization(layer)
    if requant is not None:
        kind = _KINKED if requant.kinked else _STRAIGHT
        return Finish(kind, requant.words(), requant.betas)
    kind, multipliers, shifts = _EXACT, layer.multipliers, layer.shifts
    if isinstance(layer, DenseLayer) and layer.reals is not None:
        reach = max(abs(limit - layer.out_zero) for limit in (-128, 127)) + 1
        scale = real_scaling.nearest(layer.reals, reach)
        if scale is None:
            return None
        kind = _NEAREST
        multipliers = np.broadcast_to(scale.multipliers.astype(np.int64), len(layer.bias))
        shifts = np.broadcast_to(scale.shifts.astype(np.int64), len(layer.bias))
    numbers = np.stack([multipliers, shifts], axis=1).astype(np.int32).view(np.uint32)
    return Finish(kind, numbers, np.zeros(len(layer.bias), np.int64))

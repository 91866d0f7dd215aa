"""What is worked out for a layer's rounding is kept: layers are asked for again and again.

Each is asked for alone, in pairs, in chains and by slower kernels, and proofs take most of the time
of a compilation.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from firmware_glue.compiler.fast.sums import Layer

_MOST = 512
"""Layers whose answer is kept."""
Found = TypeVar("Found")


def once_per_layer(solve: Callable[[Layer], Found]) -> Callable[[Layer], Found]:
    """A function of what a layer's outputs are made of, but for its filters and its bias."""
    known: dict[tuple[object, ...], Found] = {}

    @functools.wraps(solve)
    def remembered(layer: Layer) -> Found:
        arrays = layer.multipliers, layer.shifts, layer.low, layer.high
        key = (
            *(array.tobytes() for array in arrays),
            layer.out_zero, layer.act_min, layer.act_max, layer.numerics,
        )  # fmt: skip
        if key not in known:
            if len(known) >= _MOST:
                known.clear()
            known[key] = solve(layer)
        return known[key]

    return remembered

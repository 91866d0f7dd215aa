"""What the generators of random single-op models share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Rng = np.random.Generator
Maker = Callable[[Rng], bytes]
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def scale(rng: Rng) -> float:
    """Spread over decades; sometimes a power of two, which provokes ties."""
    if rng.random() < 0.3:
        return float(2.0 ** rng.integers(-10, 1))
    return float(np.float32(10 ** rng.uniform(-3, 0.3)))


def zero(rng: Rng) -> int:
    return int(rng.choice([-128, 0, 127, rng.integers(-128, 128)]))


def pick(rng: Rng, *options: object) -> object:
    return options[int(rng.integers(len(options)))]


def shape_of(rng: Rng, low: int = 1, high: int = 5, top: int = 6) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(1, top, int(rng.integers(low, high))))

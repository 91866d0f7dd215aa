"""Calibration samples as shuffled batches, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from quantization.types import SampleDict

BUFFER_BYTES = 256 << 20
Arrays = list[NDArray[np.float32]]


def shuffled_batches(
    samples: Iterable[SampleDict], names: Sequence[str], size: int, seed: Sequence[int]
) -> Iterator[Arrays]:
    """Full batches in an order drawn by ``seed``; what does not fill one is left out.

    Samples are shuffled within windows of :data:`BUFFER_BYTES`, so that a set of any length can
    be streamed.

    Args:
        samples: {input name: float32 (1, …)}.
        names: inputs, in the model's order.
        size: samples per batch.
        seed: of the order.

    Yields:
        One float32 array (size, …) per input.
    """
    rng = np.random.default_rng(list(seed))
    window: list[SampleDict] = []
    used = 0
    for sample in samples:
        window.append(sample)
        used += sum(sample[name].nbytes for name in names)
        if used >= BUFFER_BYTES and len(window) % size == 0:
            yield from _batches(window, names, size, rng)
            window, used = [], 0
    yield from _batches(window, names, size, rng)


def _batches(
    window: list[SampleDict], names: Sequence[str], size: int, rng: np.random.Generator
) -> Iterator[Arrays]:
    order = rng.permutation(len(window))
    for start in range(0, len(window) - size + 1, size):
        rows = [window[k] for k in order[start : start + size]]
        yield [np.concatenate([row[name] for row in rows]) for name in names]

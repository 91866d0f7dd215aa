"""Stride algebra: views of numpy arrays as the nested loops of the strided kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from firmware_glue.compiler.ir import Shape
from firmware_glue.compiler.ops.spec import MAX_DIMS, Array


def dummy(shape: Shape, itemsize: int = 1) -> Array:
    """An array of ``shape`` whose views stand for memory; its contents are never read."""
    return np.empty(shape, np.dtype(f"V{itemsize}"))


def collapse(
    dims: Sequence[int], *strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Fewest loops that visit the same addresses in the same order.

    Drops dimensions of size 1 and joins neighbours that are contiguous under all strides.

    >>> collapse((2, 3, 4), (12, 4, 1), (0, 4, 1))
    ((2, 12), ((12, 1), (0, 1)))
    """
    kept: list[tuple[int, list[int]]] = []
    for d, size in enumerate(dims):
        steps = [s[d] for s in strides]
        if size == 1:
            continue
        if kept and all(
            outer == step * size for outer, step in zip(kept[-1][1], steps, strict=True)
        ):
            kept[-1] = (kept[-1][0] * size, steps)
        else:
            kept.append((size, steps))
    if not kept:
        kept.append((1, [0] * len(strides)))
    return (
        tuple(size for size, _ in kept),
        tuple(tuple(steps[i] for _, steps in kept) for i in range(len(strides))),
    )


def padded(values: Sequence[int], fill: int = 0) -> tuple[int, ...]:
    """Filled up to the kernels' number of dimensions."""
    return (*values, *[fill] * (MAX_DIMS - len(values)))


def offset(view: Array, base: Array) -> int:
    """Bytes from the start of ``base`` to the first element of its ``view``."""
    start = int(view.__array_interface__["data"][0])
    return start - int(base.__array_interface__["data"][0])
